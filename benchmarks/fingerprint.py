"""How long does the fingerprint of a dataset take, beside nnU-Net's, as whole processes?

    python benchmarks/fingerprint.py DATASET --python PEER/bin/python [--rounds 5]

DATASET lies in nnU-Net's layout; PEER is another environment with `pip install nnunetv2`. `autoseg fingerprint` in a
fresh workspace and `nnUNetv2_extract_fingerprint` in fresh folders take turns, with as many processes as there are
cores. autoseg's also measures components, positions and digests of all files. Appends to results/fingerprint.csv.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from side_by_side import AUTOSEG, OURS, PEER, PeerHome, compare, summarize, take_turns, time_process, write_rows

from autoseg.machine import count_cores


def measure_ours(dataset: Path) -> float:
    """Seconds of `autoseg fingerprint` in a fresh workspace."""
    with tempfile.TemporaryDirectory() as folder:
        return time_process([*AUTOSEG, "fingerprint", str(dataset), "--workspace", f"{folder}/workspace"])


def measure_peer(dataset: Path, python: str) -> float:
    """Seconds of nnU-Net's command in fresh folders."""
    with tempfile.TemporaryDirectory() as folder:
        home = PeerHome(python, dataset, Path(folder), count_cores())
        return home.run("extract_fingerprint", "-np", str(count_cores()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--python", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    ways = {
        OURS: lambda: measure_ours(arguments.dataset),
        PEER: lambda: measure_peer(arguments.dataset, arguments.python),
    }
    seconds = take_turns(ways, arguments.rounds)
    facts = {"dataset": arguments.dataset.name, "processes": count_cores(), "rounds": arguments.rounds}
    rows = [
        facts
        | {"way": name}
        | {f"s_{key}": value for key, value in summarize(seconds[name]).items()}
        | compare(seconds[OURS], seconds[name])
        for name in ways
    ]
    write_rows("fingerprint", rows)


if __name__ == "__main__":
    main()
