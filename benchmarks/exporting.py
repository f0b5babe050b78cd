"""What does it cost to bring logits back to the image's grid, here and in nnU-Net: seconds and memory?

    python -m venv PEER && PEER/bin/pip install nnunetv2
    python benchmarks/exporting.py [--python PEER/bin/python] [--labels 4 105] [--network 192 192 160]
                                   [--original 512 512 300] [--rounds 3] [--organ 24] [--threads 2]

The same smooth random logits (from a seed; `--organ` voxels from one random value to the next) for both; each run is a
fresh process, which loads them, then measures: seconds, and the peak of its resident set minus what it was before, the
resulting segmentation included. autoseg: `restore`, plain and with entropy and softness; nnU-Net:
`convert_predicted_logits_to_segmentation_with_correct_shape` with the functions of its default plans (order 1). Rounds
alternate. The segmentations are compared voxel for voxel. Where nnU-Net's way needs more memory than is free, it is not
run, and nothing is made up in its place. Prints a table and appends it to results/exporting.csv.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results" / "exporting.csv"
COLUMNS = [
    "date", "method", "labels", "network", "original", "organ", "threads", "n", "seconds_median", "seconds_min",
    "seconds_max", "extra_gb_median", "extra_gb_min", "extra_gb_max", "differing_voxels", "voxels", "times_as_long",
    "times_the_memory", "machine", "load_before", "version",
]  # fmt: skip
AMPLITUDE = 8.0
SPACING_MM = 1.5  # of the network grid; the original one follows from the shapes
OWN, OWN_CONFIDENCE, PEER = "autoseg", "autoseg with entropy and softness", "nnU-Net"

Shape = Sequence[int]


# ------------------------------------------------------------------------------------- in a process of its own


def measure(load: Callable[[], Any], work: Callable[[Any], np.ndarray]) -> tuple[np.ndarray, dict[str, float]]:
    """What some work returns, its seconds, and the peak of resident memory above what was there before."""
    given = load()
    Path("/proc/self/clear_refs").write_text("5")  # the peak of the resident set starts anew
    before = read_status("VmRSS")
    began = time.perf_counter()
    result = work(given)
    seconds = time.perf_counter() - began
    return result, {"seconds": seconds, "extra_gb": (read_status("VmHWM") - before) / 1e6}


def read_status(name: str) -> int:
    """A line of /proc/self/status, in kB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name + ":")).split()[1])


def export_with_autoseg(original: Shape, *, confidence: bool) -> Callable[[np.ndarray], np.ndarray]:
    """autoseg's way, everything imported."""
    import torch

    from autoseg.planning.choices import Resampling
    from autoseg.prediction.restoring.restore import Member, restore
    from autoseg.preprocessing.preprocess import Placement

    def work(logits: np.ndarray) -> np.ndarray:
        placement = Placement(
            original_shape=tuple(original),
            box=tuple((0, n) for n in original),
            axis_order=(0, 1, 2),
            network_shape=logits.shape[1:],
        )
        return restore([Member(logits, placement, Resampling())], entropy=confidence, softness=confidence).segmentation

    assert torch.get_num_threads() > 0
    return work


def export_with_nnunet(original: Shape, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """nnU-Net's way, everything imported."""
    from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    words = {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None}
    configuration = {
        "architecture": {},
        "spacing": [SPACING_MM] * 3,
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": words,
    }
    plans = PlansManager(
        {
            "plans_name": "exporting",
            "transpose_forward": [0, 1, 2],
            "transpose_backward": [0, 1, 2],
            "configurations": {"3d_fullres": configuration},
            "label_manager": "LabelManager",
        }
    )

    def work(logits: np.ndarray) -> np.ndarray:
        names = ["background", *(f"label_{label}" for label in range(1, len(logits)))]
        labels = plans.get_label_manager({"labels": {name: label for label, name in enumerate(names)}})
        properties = {
            "spacing": [SPACING_MM * n / m for n, m in zip(logits.shape[1:], original, strict=True)],
            "shape_after_cropping_and_before_resampling": tuple(original),
            "shape_before_cropping": tuple(original),
            "bbox_used_for_cropping": [[0, n] for n in original],
        }
        settings = plans.get_configuration("3d_fullres")
        exported = convert_predicted_logits_to_segmentation_with_correct_shape(
            logits, plans, settings, labels, properties, num_threads_torch=threads
        )
        return np.asarray(exported)

    return work


def run_child(method: str, logits: Path, result: Path, original: Shape, threads: int) -> None:
    """Load, measure, write the segmentation, and print the figures."""
    if method == PEER:
        work = export_with_nnunet(original, threads)
    else:
        work = export_with_autoseg(original, confidence=method == OWN_CONFIDENCE)
    segmentation, figures = measure(lambda: np.load(logits), work)
    np.save(result, segmentation.astype(np.int16))
    print(json.dumps(figures))


# ------------------------------------------------------------------------------------------------ side by side


def make_logits(path: Path, n_labels: int, shape: Shape, organ: float) -> None:
    """Random values every `organ` voxels, and cubic splines between them; label by label, never all in memory."""
    from autoseg.preprocessing.resampling import resample

    rng = np.random.default_rng(0)
    coarse = [max(2, math.ceil(n / organ)) for n in shape]
    logits = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n_labels, *shape))
    for label in logits:
        label[...] = resample(rng.normal(size=coarse).astype(np.float32) * AMPLITUDE, shape, 3)


def estimate_peer_bytes(n_labels: int, network: Shape, original: Shape) -> int:
    """What nnU-Net's code holds at once at the least: logits as float64 and, on the original grid, as float32."""
    return n_labels * (8 * math.prod(network) + 4 * math.prod(original))


def export(python: str, method: str, folder: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """One run in a fresh process."""
    command = [python, __file__, "--child", method, "--folder", str(folder), "--threads", str(arguments.threads)]
    command += ["--original", *map(str, arguments.original)]
    threads = {name: str(arguments.threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    root = {"PYTHONPATH": str(Path(__file__).resolve().parents[1])} if python == sys.executable else {}
    ran = subprocess.run(command, env={**os.environ, **threads, **root}, stdout=subprocess.PIPE, text=True)
    if ran.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {ran.returncode}")
    figures: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    print(f"    {method}: {figures['seconds']:.2f} s, {figures['extra_gb']:.3f} GB", flush=True)
    return figures


def compare(n_labels: int, folder: Path, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """All rounds for one number of labels; a row per method."""
    from autoseg.machine import measure_free_memory_bytes

    make_logits(folder / "logits.npy", n_labels, arguments.network, arguments.organ)
    pythons = {OWN: sys.executable, OWN_CONFIDENCE: sys.executable}
    needed, free = estimate_peer_bytes(n_labels, arguments.network, arguments.original), measure_free_memory_bytes()
    if arguments.python and needed < free:
        pythons[PEER] = arguments.python
    elif arguments.python:
        print(f"{n_labels} labels: nnU-Net is not run: it needs {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free.")
    load = os.getloadavg()[0]
    runs: dict[str, list[dict[str, float]]] = {method: [] for method in pythons}
    for index in range(arguments.rounds):
        print(f"{n_labels} labels, round {index + 1}:")
        for method, python in pythons.items():
            runs[method].append(export(python, method, folder, arguments))
    return [describe(method, n_labels, runs, folder, load, arguments) for method in runs]


def describe(
    method: str,
    n_labels: int,
    runs: dict[str, list[dict[str, float]]],
    folder: Path,
    load: float,
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    """A row of the table: medians and ranges, and how many times as much as autoseg's plain way."""
    seconds, extra = ([run[name] for run in runs[method]] for name in ("seconds", "extra_gb"))
    own = {name: statistics.median(run[name] for run in runs[OWN]) for name in ("seconds", "extra_gb")}
    segmentation, reference = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in (method, OWN))
    return {
        "date": date.today().isoformat(),
        "method": method,
        "labels": n_labels,
        "network": "x".join(map(str, arguments.network)),
        "original": "x".join(map(str, arguments.original)),
        "organ": arguments.organ,
        "threads": arguments.threads,
        "n": len(seconds),
        **summarize("seconds", seconds),
        **summarize("extra_gb", extra),
        "differing_voxels": int(sum(np.count_nonzero(a != b) for a, b in zip(segmentation, reference, strict=True))),
        "voxels": segmentation.size,
        "times_as_long": f"{statistics.median(seconds) / own['seconds']:.2f}",
        "times_the_memory": f"{statistics.median(extra) / own['extra_gb']:.2f}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load_before": f"{load:.2f}",
        "version": find_version(arguments.python if method == PEER else sys.executable, method),
    }


def summarize(name: str, values: Sequence[float]) -> dict[str, str]:
    """Median and range."""
    figures = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {f"{name}_{word}": f"{figure:.3f}" for word, figure in figures.items()}


def find_version(python: str, method: str) -> str:
    """The commit of autoseg, or nnU-Net's release."""
    if method != PEER:
        command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    else:
        command = [python, "-c", "from importlib.metadata import version; print(version('nnunetv2'))"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def write(rows: Sequence[dict[str, Any]]) -> None:
    """Print the rows and append them to the results."""
    for row in rows:
        seconds = f"{row['seconds_median']} s ({row['seconds_min']} to {row['seconds_max']})"
        extra = f"{row['extra_gb_median']} GB ({row['extra_gb_min']} to {row['extra_gb_max']})"
        print(f"{row['labels']:>4} labels  {row['method']:34} {seconds:32} {extra:32}", end=" ")
        print(f"x{row['times_as_long']} time, x{row['times_the_memory']} memory,", end=" ")
        print(f"{row['differing_voxels']} of {row['voxels']} voxels differ")
    RESULTS.parent.mkdir(exist_ok=True)
    is_new = not RESULTS.is_file()
    with RESULTS.open("a", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        if is_new:
            writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", help="of an environment with nnunetv2 [default: autoseg alone]")
    parser.add_argument("--labels", type=int, nargs="+", default=[4, 105], help="background included")
    parser.add_argument("--network", type=int, nargs=3, default=[192, 192, 160])
    parser.add_argument("--original", type=int, nargs=3, default=[512, 512, 300])
    parser.add_argument("--organ", type=float, default=24, help="network voxels between two random values")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--child", choices=[OWN, OWN_CONFIDENCE, PEER], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        folder = arguments.folder
        place = (folder / "logits.npy", folder / f"{arguments.child}.npy")
        run_child(arguments.child, *place, arguments.original, arguments.threads)
        return
    for n_labels in arguments.labels:
        with tempfile.TemporaryDirectory(prefix="exporting-") as folder:
            write(compare(n_labels, Path(folder), arguments))


if __name__ == "__main__":
    main()
