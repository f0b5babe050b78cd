"""Does a plan know what training and prediction will hold?

    OMP_NUM_THREADS=2 python benchmarks/memory.py [--device cpu] [--iterations 4]

Every configuration trains for some iterations as `training.loop` does (optimiser, clipped gradients, averaged weights,
deep supervision, batches waiting, the state saved) or predicts an image as `prediction` does, in a fresh process.
Measured on a CPU: the peak of the resident set; on a GPU: the peak that torch's allocator reserved, and what the device
held beside it. Prints predicted and measured peaks and writes results/memory.csv.
"""

from __future__ import annotations

import argparse
import copy
import csv
import dataclasses
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autoseg.planning.choices import Loss, Optimizer
from autoseg.planning.devices import BYTES_PER_GB
from autoseg.planning.layers import NetworkSketch
from autoseg.planning.memory import estimate_prediction_memory, estimate_training_memory
from autoseg.planning.rules.blocks import decide_blocks
from autoseg.planning.rules.topology import derive_topology

RESULTS = Path(__file__).parent / "results" / "memory.csv"
COLUMNS = ["what", "network", "width", "n_channels", "n_labels", "patch", "grid", "batch", "optimizer"]
ADAMW = Optimizer(name="adamw", learning_rate=1e-3, weight_decay=1e-2, ema_decay=0.999)
SGD = Optimizer(name="sgd", learning_rate=1e-2, weight_decay=3e-5)
OPTIMIZERS = {"adamw": ADAMW, "sgd": SGD}
LOSS = Loss(terms={"cross_entropy": 1.0, "soft_dice": 1.0})
MOST_FEATURES = {2: 512, 3: 320}


@dataclasses.dataclass(frozen=True)
class Trial:
    """One configuration; `grid` is the image that is predicted, None for training."""

    network: str
    width: int
    patch: tuple[int, ...]
    spacing: tuple[float, ...]
    batch: int = 2
    n_channels: int = 1
    n_labels: int = 3
    optimizer: str = "adamw"
    grid: tuple[int, ...] | None = None
    n_networks: int = 1

    @property
    def sketch(self) -> NetworkSketch:
        topology = derive_topology(self.spacing, self.patch)
        most = MOST_FEATURES[len(self.patch)]
        features = tuple(min(self.width * 2**stage, most) for stage in range(topology.n_stages))
        blocks = decide_blocks(network=self.network, n_stages=topology.n_stages).value
        return NetworkSketch(self.network, topology, features, blocks, self.n_channels, self.n_labels)

    def predict_gb(self, device: str, precision: str) -> float:
        if self.grid is not None:
            words: dict[str, Any] = {"n_networks": self.n_networks, "device": device}
            return estimate_prediction_memory(self.sketch, self.patch, self.grid, **words).total_gb
        words = {"device": device, "precision": precision}
        optimizer = OPTIMIZERS[self.optimizer]
        return estimate_training_memory(self.sketch, self.patch, self.batch, optimizer, **words).total_gb

    def describe(self) -> list[str]:
        patch, grid = ("x".join(map(str, shape)) if shape else "" for shape in (self.patch, self.grid))
        what, batch = ("train", str(self.batch)) if self.grid is None else (f"predict, {self.n_networks} folds", "")
        numbers = [self.network, self.width, self.n_channels, self.n_labels, patch, grid, batch]
        return [what, *map(str, numbers), self.optimizer if self.grid is None else ""]


ISO, FLAT, PLANE = (1.0, 1.0, 1.0), (4.0, 1.0, 1.0), (1.0, 1.0)
TRIALS = [
    Trial("unet", 8, (40, 56, 40), ISO, batch=8),
    Trial("unet", 12, (64, 64, 64), ISO),
    Trial("unet", 32, (48, 64, 48), ISO, optimizer="sgd"),
    Trial("unet", 16, (16, 96, 96), FLAT, n_channels=3),
    Trial("unet", 8, (64, 64, 64), ISO, n_labels=16),
    Trial("residual_unet", 8, (64, 64, 64), ISO, n_channels=4),
    Trial("residual_unet", 32, (32, 32, 32), ISO),
    Trial("residual_unet", 16, (12, 96, 96), FLAT, optimizer="sgd"),
    Trial("unet", 8, (256, 256), PLANE, batch=8, n_channels=3),
    Trial("unet", 32, (192, 192), PLANE, optimizer="sgd"),
    Trial("unet", 12, (256, 256), PLANE, batch=4, n_labels=8),
    Trial("residual_unet", 16, (256, 192), PLANE, batch=3),
    Trial("unet", 8, (64, 64, 64), ISO, grid=(96, 112, 112)),
    Trial("unet", 16, (64, 96, 96), ISO, grid=(64, 128, 96), n_networks=5),
    Trial("residual_unet", 16, (16, 128, 128), FLAT, n_channels=4, n_labels=4, grid=(16, 192, 192)),
    Trial("unet", 16, (256, 256), PLANE, n_channels=3, grid=(16, 256, 320), n_networks=2),
    Trial("residual_unet", 8, (128, 128), PLANE, n_labels=24, grid=(32, 160, 160)),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--iterations", type=int, default=4)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one is not None:
        trial = Trial(**{name: _freeze(value) for name, value in json.loads(arguments.one).items()})
        print(json.dumps(measure(trial, arguments.device, arguments.iterations)))
        return
    rows = [compare(trial, arguments.device, arguments.iterations) for trial in TRIALS]
    ratios = [float(row[-3]) for row in rows]
    print(f"\npredicted / measured: {min(ratios):.3f} to {max(ratios):.3f}, n = {len(ratios)}")
    write(rows)


def compare(trial: Trial, device: str, n_iterations: int) -> list[str]:
    """Measure a configuration in a fresh process; print and return its row."""
    place = ["--device", device, "--iterations", str(n_iterations), "--one", json.dumps(dataclasses.asdict(trial))]
    answer = subprocess.run([sys.executable, __file__, *place], capture_output=True, text=True)
    if answer.returncode != 0:
        raise SystemExit(f"{trial} failed:\n{answer.stderr}")
    measured = json.loads(answer.stdout.splitlines()[-1])
    predicted = trial.predict_gb(device, measured["precision"])
    figures = [f"{predicted:.3f}", f"{measured['gb']:.3f}", f"{predicted / measured['gb']:.3f}"]
    row = [*trial.describe(), *figures, measured["device"], measured["versions"]]
    if trial is TRIALS[0]:
        head = [*COLUMNS, "predicted GB", "measured GB", "ratio"]
        print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    print(f"| {' | '.join(row[:-2])} |", flush=True)
    return row


def measure(trial: Trial, device: str, n_iterations: int) -> dict[str, Any]:
    """Run a configuration in this process, in the company that training and prediction are used to."""
    import matplotlib.figure
    import torch

    import autoseg.cli.app
    import autoseg.data.image_io
    import autoseg.training.augmentation
    from autoseg.networks.device import choose_device, find_mixed_type, measure_peak_memory_gb

    assert autoseg.cli.app
    figure = matplotlib.figure.Figure()
    figure.add_subplot().plot([0, 1])
    place = choose_device(device)
    if trial.grid is None:
        train(trial, place, n_iterations)
    else:
        predict(trial, place)
    gb = measure_peak_memory_gb(place)
    if place.type == "cuda":
        free, total = torch.cuda.mem_get_info(place)
        beside = total - free - torch.cuda.memory_reserved(place)
        gb = (torch.cuda.max_memory_reserved(place) + beside) / BYTES_PER_GB
    is_mixed = trial.grid is None and find_mixed_type("bfloat16", place) is not None
    return {
        "gb": gb,
        "precision": "bfloat16" if is_mixed else "float32",
        "device": torch.cuda.get_device_name(place) if place.type == "cuda" else platform.machine(),
        "versions": f"python {platform.python_version()}, torch {torch.__version__}",
    }


def train(trial: Trial, device: Any, n_iterations: int) -> None:
    """Iterations of the real loop over random batches, with as many of them waiting as there are in training."""
    import numpy as np

    from autoseg.data.labels import Labels
    from autoseg.training.batches import Batch
    from autoseg.training.beginning import N_BATCHES_AHEAD
    from autoseg.training.inputs import place_batch
    from autoseg.training.job import N_VALIDATION_BATCHES
    from autoseg.training.optimizers import make_optimizer
    from autoseg.training.state import TrainingState, write_state
    from autoseg.training.stepping import Recipe, take_step

    rng = np.random.default_rng(0)
    network, settings = build(trial, device), OPTIMIZERS[trial.optimizer]
    average = network if settings.ema_decay is None else copy.deepcopy(network)
    state = TrainingState(network, average, make_optimizer(network, settings))
    recipe = Recipe(LOSS, False, settings, "bfloat16")
    names = ("background", *(f"label_{number}" for number in range(1, trial.n_labels)))
    labels = Labels(names=names, values=tuple(range(trial.n_labels)))

    def make_batch() -> Batch:
        shape = (trial.batch, trial.n_channels, *trial.patch)
        segmentation = rng.integers(0, trial.n_labels, (trial.batch, *trial.patch), dtype=np.int16)
        return Batch(rng.standard_normal(shape, dtype=np.float32), segmentation, ())

    def run(batch: Batch) -> None:
        inputs = place_batch(batch, labels, device)
        take_step(state, state.network, inputs, recipe, rate=settings.learning_rate)

    waiting = [make_batch() for _ in range(N_BATCHES_AHEAD + N_VALIDATION_BATCHES)]
    for _ in range(n_iterations):
        waiting.append(make_batch())
        run(waiting.pop(0))
    with tempfile.TemporaryDirectory() as folder:
        write_state(Path(folder) / "state.safetensors", state, {})


def predict(trial: Trial, device: Any) -> None:
    """One image through windows, mirrored, and back to the original grid."""
    import numpy as np

    from autoseg.planning.choices import Resampling
    from autoseg.prediction.restoring.restore import Member, restore
    from autoseg.prediction.windows.sliding_window import predict_logits
    from autoseg.preprocessing.preprocess import Placement

    assert trial.grid is not None
    networks = tuple(build(trial, device).eval() for _ in range(trial.n_networks))
    read = np.random.default_rng(0).standard_normal((trial.n_channels, *trial.grid), dtype=np.float32)
    aligned = read.copy()
    image = aligned.copy()
    words: dict[str, Any] = {"patch_size": trial.patch, "n_outputs": trial.n_labels, "device": device}
    logits = predict_logits(networks, image, mirroring_axes=(0,), **words).values
    del aligned, image
    original = tuple(size + 1 for size in trial.grid)
    placement = Placement(
        original_shape=original,
        box=tuple((0, size) for size in original),
        axis_order=(0, 1, 2),
        network_shape=trial.grid,
    )
    assert restore([Member(logits, placement, Resampling())]).segmentation.shape == original


def build(trial: Trial, device: Any) -> Any:
    from autoseg.networks.build import place_network
    from autoseg.networks.unet import UNet

    sketch = trial.sketch
    words: dict[str, Any] = {"topology": sketch.topology, "features": sketch.features, "blocks": sketch.blocks}
    network = UNet(trial.n_channels, trial.n_labels, residual=sketch.is_residual, **words)
    return place_network(network, device)


def write(rows: Sequence[Sequence[str]]) -> None:
    """Write all rows as CSV."""
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([*COLUMNS, "predicted_gb", "measured_gb", "ratio", "device", "versions"])
        writer.writerows(rows)


def _freeze(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


if __name__ == "__main__":
    main()
