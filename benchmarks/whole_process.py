"""What do the steps of autoseg cost as a person runs them: whole processes, seconds and peak memory?

    python benchmarks/whole_process.py DATASET [--configuration 3d_fullres] [--repeats 3]

Every step runs in a fresh process and a fresh workspace: fingerprint, plan (from the stored fingerprint), preprocess,
one training iteration, one prediction. Prints median (minimum to maximum) and writes results/whole_process.csv.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "whole_process.csv"
AUTOSEG = [sys.executable, "-m", "autoseg"]


def measure(command: list[str]) -> tuple[float, float]:
    """Seconds and peak resident memory in MB of one process and the processes that it waited for."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{said}")
    return time.monotonic() - began, usage.ru_maxrss / 1024


def find_image(dataset: Path) -> str:
    """The first image, found in another process: what this one imports would count in the memory of its children."""
    code = (
        f"from autoseg.data.layouts import read_dataset; print(read_dataset(Path({str(dataset)!r})).cases[0].images[0])"
    )
    command = [sys.executable, "-c", "from pathlib import Path; " + code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def list_steps(dataset: Path, workspace: Path, configuration: str) -> dict[str, list[str]]:
    """The commands, in order; each finds what the one before it made."""
    place = ["--workspace", str(workspace)]
    image = find_image(dataset)
    train = ["train", str(dataset), "--fold", "0", "--configuration", configuration, "--iterations", "1", *place]
    predict = ["predict-ensemble", str(workspace), "-i", image, "-o", str(workspace / "predictions")]
    return {
        "help": [*AUTOSEG, "--help"],
        "fingerprint": [*AUTOSEG, "fingerprint", str(dataset), *place],
        "plan": [*AUTOSEG, "plan", str(dataset), "--train-time", "10m", *place],
        "preprocess": [*AUTOSEG, "preprocess", str(dataset), "--configuration", configuration, *place],
        "train one iteration and validate": [*AUTOSEG, *train],
        "select": [*AUTOSEG, "select", str(dataset), *place],
        "predict one image": [*AUTOSEG, *predict],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--configuration", default="3d_fullres")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    measured: dict[str, list[tuple[float, float]]] = {}
    for _ in range(arguments.repeats):
        workspace = Path(tempfile.mkdtemp(prefix="autoseg-benchmark-"))
        for step, command in list_steps(arguments.dataset, workspace, arguments.configuration).items():
            measured.setdefault(step, []).append(measure(command))
        shutil.rmtree(workspace)
    write(arguments.dataset.name, arguments.configuration, measured)


def write(dataset: str, configuration: str, measured: dict[str, list[tuple[float, float]]]) -> None:
    """Print a table and write it as CSV."""
    columns = ["dataset", "configuration", "step", "n", "seconds_median", "seconds_min", "seconds_max", "peak_mb_max"]
    rows = []
    for step, runs in measured.items():
        seconds = [run[0] for run in runs]
        memory = max(run[1] for run in runs)
        figures = [statistics.median(seconds), min(seconds), max(seconds), memory]
        rows.append([dataset, configuration, step, len(runs), *(f"{figure:.2f}" for figure in figures)])
        print(f"{step:34} {figures[0]:7.2f} s ({figures[1]:.2f} to {figures[2]:.2f})  {memory:7.0f} MB")
    RESULTS.parent.mkdir(exist_ok=True)
    is_new = not RESULTS.is_file()
    with RESULTS.open("a", newline="") as stream:
        writer = csv.writer(stream)
        if is_new:
            writer.writerow(columns)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
