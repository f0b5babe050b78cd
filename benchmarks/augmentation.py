"""How many patches per second do autoseg's two engines and nnU-Net's own pipeline make, side by side?

    OMP_NUM_THREADS=1 python benchmarks/augmentation.py --peer-python /path/to/other/venv/bin/python [--rounds 7]

The other environment needs `pip install nnunetv2`. Each pipeline reads patches of the same cases out of its own store,
foreground sampling included, and augments them as published, in one process on one thread: autoseg's workers,
autoseg's device engine (on the CPU unless --device says otherwise, reading included), and nnU-Net's loader with
batchgeneratorsv2. They take turns, so that what else the machine does hits all of them. Prints medians (minimum to
maximum of the rounds) and ratios to nnU-Net of the same round, and writes results/augmentation.csv. Let the machine
rest meanwhile.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from autoseg.networks.probing import synchronize
from autoseg.planning.blueprint import FOREGROUND_SHARE
from autoseg.planning.rules.augmentation import decide_augmentation
from autoseg.preprocessing.preprocess import Placement, Prepared
from autoseg.preprocessing.store import write_case
from autoseg.training.batches import BatchMaker
from autoseg.training.device_augmentation import finish
from autoseg.training.probing import draw_nested_balls

RESULTS = Path(__file__).parent / "results" / "augmentation.csv"
PEER = Path(__file__).parent / "augmentation_peer.py"
COLUMNS = ["patch", "batch", "pipeline", "patches_per_s", "min", "max", "ratio", "ratio_min", "ratio_max", "n_rounds"]
N_CASES = 4
SITUATIONS = (  # patch, samples per batch, shape of the cases
    ((40, 56, 40), 2, (40, 56, 40)),  # Hippocampus
    ((64, 128, 128), 1, (96, 192, 192)),
)

Shape = tuple[int, int, int]


def store_cases(folder: Path, patch: Shape, shape: Shape) -> tuple[str, ...]:
    """The same images for both: smooth noise of one channel, and two labels, one inside the other."""
    case_ids = tuple(f"case_{index}" for index in range(N_CASES))
    whole = ((0, shape[0]), (0, shape[1]), (0, shape[2]))
    placement = Placement(original_shape=shape, box=whole, axis_order=(0, 1, 2), network_shape=shape)
    for index, case_id in enumerate(case_ids):
        noise = gaussian_filter(np.random.default_rng(index).normal(size=shape), 1)
        image = (noise / noise.std()).astype(np.float32)[None]
        segmentation = draw_nested_balls(shape)
        write_case(
            folder, case_id, Prepared(image, segmentation, (1.0, 1.0, 1.0), placement), source="", patch_size=patch
        )
        np.savez(folder / f"{case_id}.npz", image=image, segmentation=segmentation)
    return case_ids


def measure_rate(make: Callable[[int], object], first: int, seconds: float, batch: int) -> tuple[float, int]:
    """Patches per second, and the number of the next batch."""
    iteration, began = first, time.perf_counter()
    while time.perf_counter() - began < seconds:
        make(iteration)
        iteration += 1
    return (iteration - first) * batch / (time.perf_counter() - began), iteration


def start_peer(python: str, folder: Path, patch: Shape, batch: int) -> subprocess.Popen[str]:
    """nnU-Net's pipeline, ready to be asked."""
    places = {name: str(folder) for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}
    command = [python, str(PEER), str(folder), "--patch", *map(str, patch), "--batch", str(batch)]
    command += ["--foreground-share", str(FOREGROUND_SHARE)]
    environment = {**os.environ, **places, "OMP_NUM_THREADS": "1"}
    peer = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert peer.stdout is not None
    while (line := peer.stdout.readline()) and line.strip() != "ready":
        pass
    return peer


def ask(peer: subprocess.Popen[str], seconds: float) -> float:
    """Patches per second of nnU-Net's pipeline over so many seconds."""
    assert peer.stdin is not None
    assert peer.stdout is not None
    peer.stdin.write(f"{seconds}\n")
    peer.stdin.flush()
    return float(peer.stdout.readline())


def compare(
    python: str, patch: Shape, batch: int, shape: Shape, *, n_rounds: int, seconds: float, device: torch.device
) -> dict[str, list[float]]:
    """Patches per second of each pipeline in each round."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        case_ids = store_cases(folder, patch, shape)
        augmentation = decide_augmentation(patch_size=patch).value
        maker = BatchMaker(folder, case_ids, patch, batch, FOREGROUND_SHARE, augmentation, (0, 1, 2), seed=0)

        def make_on_device(iteration: int) -> None:
            finish(maker.make_raw(iteration), augmentation, patch, device)
            synchronize(device)

        peer = start_peer(python, folder, patch, batch)
        rates: dict[str, list[float]] = {"workers": [], "device": [], "nnunet": []}
        maker.make_finished(0)
        make_on_device(0)
        iteration = 1
        for _ in range(n_rounds):
            for pipeline, make in (("workers", maker.make_finished), ("device", make_on_device)):
                rate, following = measure_rate(make, iteration, seconds, batch)
                rates[pipeline].append(rate)
            iteration = following
            rates["nnunet"].append(ask(peer, seconds))
        peer.communicate()
        return rates


def summarise(patch: Shape, batch: int, rates: dict[str, list[float]]) -> list[dict[str, object]]:
    """One row per pipeline."""
    rows = []
    for pipeline, own in rates.items():
        ratios = [rate / peer for rate, peer in zip(own, rates["nnunet"], strict=True)]
        numbers = [statistics.median(own), min(own), max(own), statistics.median(ratios), min(ratios), max(ratios)]
        values = ["x".join(map(str, patch)), batch, pipeline, *(f"{number:.3g}" for number in numbers), len(own)]
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def main() -> None:
    """Measure all situations."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer-python", required=True, help="python of an environment with nnunetv2")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each pipeline in each round")
    parser.add_argument("--device", default="cpu", help="of the device engine")
    options = parser.parse_args()
    torch.set_num_threads(1)
    how = {"n_rounds": options.rounds, "seconds": options.seconds, "device": torch.device(options.device)}
    rows = []
    print("| patch | batch | pipeline | patches per s | of nnU-Net's |\n|---|---|---|---|---|")
    for patch, batch, shape in SITUATIONS:
        for row in summarise(patch, batch, compare(options.peer_python, patch, batch, shape, **how)):
            rows.append(row)
            rate = f"{row['patches_per_s']} ({row['min']} to {row['max']})"
            ratio = f"{row['ratio']} ({row['ratio_min']} to {row['ratio_max']})"
            print(f"| {row['patch']} | {row['batch']} | {row['pipeline']} | {rate} | {ratio} |", flush=True)
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
