"""Does a training that is killed at random moments end with the same weights as one that never was?

    python benchmarks/kill_test.py --runs 20

A small dataset is made and trained once without interruption. Then again and again: each run is killed (SIGKILL, with
its workers) after a random time, continued by the same command, killed again, until it ends. Weights are compared bit
by bit, in the checkpoint and in the saved state (averages, optimiser). Prints one line per run; exit code 1 if any
differs.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from safetensors.torch import load_file

from autoseg.data.phantom import write_phantom_dataset

SMALL = (  # dropout draws from torch's generator, so that its state matters as well
    "3d_fullres.patch_size=[16,32,32]",
    "3d_fullres.features=[4,8,16,32]",
    "3d_fullres.batch_size=2",
    "3d_fullres.dropout=0.1",
    "3d_fullres.augmentation_engine=workers",
)
LONGEST_S = 600.0


def main() -> int:
    """Run the test and print what came of it."""
    options = parse_options()
    with tempfile.TemporaryDirectory() as folder:
        return run_test(Path(folder), options)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="runs that are killed (20)")
    parser.add_argument("--kills", type=int, default=3, help="most kills per run (3)")
    parser.add_argument("--iterations", type=int, default=120, help="length of the training (120)")
    parser.add_argument("--per-epoch", type=int, default=7, help="iterations between two saved states (7)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (0)")
    return parser.parse_args()


def run_test(folder: Path, options: argparse.Namespace) -> int:
    dataset, workspace = folder / "phantom", folder / "workspace"
    write_phantom_dataset(dataset, n_cases=8, n_test=0)
    prepare(dataset, workspace, options)
    begun = time.monotonic()
    whole = copy_workspace(workspace, folder / "whole")
    wait_for(start_training(dataset, whole))
    whole_s = time.monotonic() - begun
    print(f"uninterrupted: {whole_s:.1f} s")
    rng, n_other, n_kills = random.Random(options.seed), 0, 0
    for run in range(options.runs):
        place, moments, longest_s = folder / f"run_{run}", [], whole_s
        while not moments:  # a run that was through before its moment came does not count
            shutil.rmtree(place, ignore_errors=True)
            moments = train_with_kills(dataset, copy_workspace(workspace, place), rng, longest_s, options.kills)
            longest_s *= 0.8
        difference = find_difference(whole, place)
        n_other, n_kills = n_other + bool(difference), n_kills + len(moments)
        shown = ", ".join(f"{moment:.1f}" for moment in moments)
        print(f"run {run + 1}: killed after {shown} s: {difference or 'the same weights'}", flush=True)
        shutil.rmtree(place)
    print(f"{options.runs - n_other} of {options.runs} runs with {n_kills} kills gave the same weights.")
    return int(n_other > 0)


def prepare(dataset: Path, workspace: Path, options: argparse.Namespace) -> None:
    """Plan a small training and preprocess, so that only training is killed."""
    length = f"3d_fullres.length={{n_iterations: {options.iterations}, iterations_per_epoch: {options.per_epoch}}}"
    sets = [word for value in (*SMALL, length) for word in ("--set", value)]
    for command in (["plan", str(dataset), "--train-time", "1m", *sets], ["preprocess", str(dataset)]):
        run_command([*command, "--workspace", str(workspace)])


def copy_workspace(workspace: Path, target: Path) -> Path:
    shutil.copytree(workspace, target)
    return target


def train_with_kills(dataset: Path, workspace: Path, rng: random.Random, whole_s: float, most: int) -> list[float]:
    """Train to the end, killed up to `most` times on the way; returns after how many seconds each time."""
    moments: list[float] = []
    while True:
        process = start_training(dataset, workspace)
        if len(moments) >= most:
            wait_for(process)
            return moments
        moment = rng.uniform(0, whole_s)
        try:
            process.wait(timeout=moment)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            moments.append(moment)
            continue
        require_success(process)
        return moments


def start_training(dataset: Path, workspace: Path) -> subprocess.Popen[str]:
    command = ["train", str(dataset), "--workspace", str(workspace), "--configuration", "3d_fullres", "--fold", "0"]
    return subprocess.Popen(
        [sys.executable, "-m", "autoseg", *command, "--device", "cpu", "--workers", "1"],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(process: subprocess.Popen[str]) -> None:
    process.wait(timeout=LONGEST_S)
    require_success(process)


def require_success(process: subprocess.Popen[str]) -> None:
    if process.returncode != 0:
        raise SystemExit(f"training ended with {process.returncode}: {process.stderr.read() if process.stderr else ''}")


def run_command(words: list[str]) -> None:
    subprocess.run([sys.executable, "-m", "autoseg", *words], check=True, stdout=subprocess.DEVNULL)


def find_difference(whole: Path, other: Path) -> str:
    """The first tensor that differs between two runs, checkpoint and state; empty if none does."""
    files = sorted(path.relative_to(whole) for path in (whole / "trained").rglob("*.safetensors"))
    for name in files:
        expected, came = load_file(whole / name), load_file(other / name)
        if expected.keys() != came.keys():
            return f"{name}: holds other tensors"
        for key, tensor in expected.items():
            if not tensor.equal(came[key]):
                return f"{name}: {key} differs"
    return "" if files else "nothing was trained"


if __name__ == "__main__":
    sys.exit(main())
