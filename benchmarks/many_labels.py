"""Does a prediction of many labels stay within a declared memory, seen from outside?

    python benchmarks/many_labels.py CT.nii.gz [--memory 2GB] [--patch 96] [--spacing 3.0] [--folds 1]

A network of random weights for 117 labels predicts the whole CT, as a person would run it: `autoseg predict-ensemble
--memory`. Its resident set is watched from another process (VmHWM of /proc/PID/status, which the kernel keeps), with
all its children. Appends to results/many_labels.csv.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "many_labels.csv"
N_LABELS = 117
LOOK_S = 0.02
FEATURES = (16, 32, 64, 128)
COLUMNS = ("ct_shape", "labels", "patch", "spacing_mm", "folds", "mirroring", "memory", "predicted_gb", "peak_gb")
COLUMNS += ("sums", "slab_mb", "seconds")


def write_workspace(folder: Path, ct: Path, arguments: argparse.Namespace) -> None:
    """A workspace of one configuration whose folds hold random weights."""
    import torch

    from autoseg.data.dataset import Dataset
    from autoseg.data.image_io import read_header
    from autoseg.data.labels import Labels
    from autoseg.decision import fixed
    from autoseg.fingerprinting.fingerprint import CaseFacts, Fingerprint
    from autoseg.networks.build import build_network
    from autoseg.networks.checkpoint import Checkpoint, write_checkpoint
    from autoseg.planning.choices import Blocks, Topology
    from autoseg.planning.devices import DeviceFacts
    from autoseg.planning.plan_file import write_plan
    from autoseg.planning.planner import make_plan
    from autoseg.serialization import write_json
    from autoseg.workspace import Workspace

    labels = Labels(names=("background", *(f"organ {n}" for n in range(1, N_LABELS))), values=tuple(range(N_LABELS)))
    geometry = read_header(ct).geometry
    facts = CaseFacts(id="ct", shape_after_cropping=geometry.shape, spacing_mm=geometry.spacing)
    fingerprint = Fingerprint(dataset="ManyLabels", channels=("mr",), labels=labels, cases=(facts,))
    device = DeviceFacts(device="cpu", memory_gb=64.0, n_threads=2, gflops=60.0)
    plan = make_plan(fingerprint, device)
    values = {
        "spacing_mm": (arguments.spacing,) * 3,
        "patch_size": (arguments.patch,) * 3,
        "features": FEATURES,
        "topology": Topology(
            strides=((1, 1, 1), *[(2, 2, 2)] * (len(FEATURES) - 1)), kernel_sizes=((3, 3, 3),) * len(FEATURES)
        ),
        "blocks": Blocks(encoder=(2,) * len(FEATURES), decoder=(2,) * (len(FEATURES) - 1)),
        "mirroring_axes": (0, 1, 2),
    }
    settings = plan.find_configuration("3d_fullres")
    settings = settings.model_copy(update={name: fixed(value, "for this benchmark") for name, value in values.items()})
    plan = plan.model_copy(update={"configurations": {"3d_fullres": settings}})
    place = Workspace(folder)
    dataset = Dataset(name="ManyLabels", folder=folder, layout="plain", channels=("mr",), labels=labels, cases=())
    write_json(place.dataset, {"listing": "", "dataset": dataset})
    write_plan(place.plan, plan)
    for fold in range(arguments.folds):
        torch.manual_seed(fold)
        weights = build_network(settings, 1, N_LABELS).state_dict()
        write_checkpoint(place.run("3d_fullres", fold).checkpoint, Checkpoint(weights, plan, "3d_fullres", str(fold)))


def watch(command: list[str]) -> tuple[float, float]:
    """Run a command; seconds, and the sum of the highest resident sets of it and its children, in GB."""
    began, highest = time.monotonic(), {}
    process = subprocess.Popen(command)
    while process.poll() is None:
        for number in [process.pid, *_list_children(process.pid)]:
            highest[number] = max(highest.get(number, 0), _read_peak(number))
        time.sleep(LOOK_S)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return time.monotonic() - began, sum(highest.values()) / 1e9


def _list_children(number: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{number}/task").glob("*/children"):
        try:
            children = [int(word) for word in path.read_text().split()]
        except OSError:
            continue
        found += [*children, *(below for child in children for below in _list_children(child))]
    return found


def _read_peak(number: int) -> int:
    try:
        match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{number}/status").read_text())
    except OSError:
        return 0
    return int(match[1]) * 1024 if match else 0


def main() -> None:
    """Predict once and append a row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ct", type=Path)
    parser.add_argument("--memory", default="2GB")
    parser.add_argument("--patch", type=int, default=96)
    parser.add_argument("--spacing", type=float, default=3.0)
    parser.add_argument("--folds", type=int, default=1)
    parser.add_argument("--mirroring", default="none", choices=("none", "adaptive", "all"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        workspace, output = Path(temporary) / "workspace", Path(temporary) / "out"
        write_workspace(workspace, arguments.ct, arguments)
        command = [sys.executable, "-m", "autoseg", "predict-ensemble", str(workspace), "--configuration", "3d_fullres"]
        command += ["-i", str(arguments.ct), "-o", str(output), "--memory", arguments.memory, "--device", "cpu"]
        command += ["--mirroring", arguments.mirroring]
        seconds, peak_gb = watch(command)
        budget = json.loads((output / "predictions.json").read_text())["budget"]
    from autoseg.data.image_io import read_header

    row = {
        "ct_shape": "x".join(map(str, read_header(arguments.ct).geometry.shape)),
        "labels": N_LABELS,
        "patch": arguments.patch,
        "spacing_mm": arguments.spacing,
        "folds": arguments.folds,
        "mirroring": arguments.mirroring,
        "memory": arguments.memory,
        "predicted_gb": round(sum(size for name, size in budget["predicted"].items() if name != "device_gb"), 2),
        "peak_gb": round(peak_gb, 3),
        "sums": budget["sums"],
        "slab_mb": round(budget["slab_bytes"] / 1e6),
        "seconds": round(seconds, 1),
    }
    is_new = not RESULTS.is_file()
    with RESULTS.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if is_new:
            writer.writeheader()
        writer.writerow(row)
    print(row)


if __name__ == "__main__":
    main()
