"""How do two ways of doing the same take turns on one machine, so that what else it does hits both?

Shared by scripts that compare autoseg with a peer: rounds in turn, medians with their spread, ratios within a round,
a table on the screen and the same as CSV; and a place where nnU-Net of another environment finds a dataset.
"""

from __future__ import annotations

import csv
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
AUTOSEG = [sys.executable, "-m", "autoseg"]
OURS, PEER = "autoseg", "nnunet"


def take_turns(ways: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """What each way measures of itself, once a round; every other round in the opposite order."""
    measured: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, measure in sorted(ways.items(), reverse=bool(number % 2)):
            measured[name].append(measure())
            print(f"  round {number + 1}, {name}: {measured[name][-1]:.3f}", file=sys.stderr, flush=True)
    return measured


def time_call(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def summarize(values: Sequence[float]) -> dict[str, float]:
    """Median, minimum and maximum."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def compare(ours: Sequence[float], peer: Sequence[float]) -> dict[str, float]:
    """How many times as much the peer takes: ratios within each round, summarized."""
    ratios = summarize([theirs / own for own, theirs in zip(ours, peer, strict=True)])
    return {"ratio": ratios["median"], "ratio_min": ratios["min"], "ratio_max": ratios["max"]}


def write_rows(name: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Print the rows, and append them to results/NAME.csv with date, machine and commit."""
    path = RESULTS / f"{name}.csv"
    about = describe_machine()
    written = [
        {key: f"{value:.4g}" if isinstance(value, float) else value for key, value in row.items()} for row in rows
    ]
    for row in written:
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    append_rows(path, [*rows[0], *about], [row | about for row in written])
    print(path)


def append_rows(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    """Append rows to a table, which begins with its columns."""
    path.parent.mkdir(exist_ok=True)
    is_new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        if is_new:
            writer.writeheader()
        writer.writerows(rows)


def describe_machine() -> dict[str, object]:
    """When, on what and with which code."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    commit = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "machine": f"{os.cpu_count()} cores {platform.machine()}",
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
        "load": f"{os.getloadavg()[0]:.1f}",
        "commit": commit,
    }


def time_process(command: Sequence[str], environment: Mapping[str, str] | None = None) -> float:
    """Seconds of a whole process; stops with its last words if it fails."""
    began = time.perf_counter()
    result = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - began
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{result.stderr[-3000:]}")
    return seconds


class PeerHome:
    """nnU-Net in another environment, with folders of its own and one dataset.

    Attributes:
        environment: of its processes.
        preprocessed: where it keeps what it made of the dataset.
        number: the dataset's, as its commands want it.
    """

    def __init__(self, python: str, dataset: Path, folder: Path, n_processes: int) -> None:
        name = dataset.name if re.match(r"Dataset\d{3}_", dataset.name) else f"Dataset999_{dataset.name}"
        places = {f"nnUNet_{kind}": folder / kind for kind in ("raw", "preprocessed", "results")}
        for place in places.values():
            place.mkdir(parents=True)
        (places["nnUNet_raw"] / name).symlink_to(dataset.resolve())
        own = {key: str(place) for key, place in places.items()}
        self.environment = {**os.environ, **own, "nnUNet_def_n_proc": str(n_processes)}
        self.preprocessed = places["nnUNet_preprocessed"] / name
        self.number = name[7:10]
        self._programs = Path(python).parent

    def run(self, verb: str, *words: str) -> float:
        """Seconds of one of its commands, as `extract_fingerprint`."""
        return time_process([str(self._programs / f"nnUNetv2_{verb}"), "-d", self.number, *words], self.environment)
