"""How long does preprocessing a dataset for all configurations take, beside nnU-Net's, as whole processes?

    python benchmarks/preprocessing.py DATASET --python PEER/bin/python [--rounds 3]

DATASET lies in nnU-Net's layout; PEER is another environment with `pip install nnunetv2`. Both plan by nnU-Net's rules
(`autoseg plan --rules nnunet`), so that both resample to the same grids; fingerprints and plans are made before and not
counted. Then `autoseg preprocess` and `nnUNetv2_preprocess` take turns, each from nothing, with the number of processes
that autoseg chooses by itself. `disk_mb` is what lies on disk afterwards. Appends to results/preprocessing.csv.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path

from side_by_side import AUTOSEG, OURS, PEER, PeerHome, compare, summarize, take_turns, time_process, write_rows

from autoseg.data.layouts import read_dataset
from autoseg.planning.plan_file import read_plan
from autoseg.preprocessing.preprocessing_cases import choose_n_workers


def measure_disk_mb(folders: list[Path]) -> float:
    """Size of all files in these folders."""
    return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file()) / 1e6


class Ours:
    """`autoseg preprocess` in a workspace that holds fingerprint and plan."""

    def __init__(self, dataset: Path, folder: Path) -> None:
        self.command = [*AUTOSEG, "preprocess", str(dataset), "--workspace", str(folder)]
        self.stores = folder / "preprocessed"
        time_process([*AUTOSEG, "plan", str(dataset), "--rules", "nnunet", "--workspace", str(folder)])
        self.plan = read_plan(folder / "plan.yaml")
        self.n_processes = choose_n_workers(read_dataset(dataset).cases, self.plan)

    def measure(self) -> float:
        """Seconds, from no preprocessed cases to all of them."""
        shutil.rmtree(self.stores, ignore_errors=True)
        return time_process(self.command)

    @property
    def disk_mb(self) -> float:
        return measure_disk_mb([self.stores])


class Peer:
    """`nnUNetv2_preprocess` where fingerprint and plan lie."""

    def __init__(self, dataset: Path, folder: Path, python: str, n_processes: int) -> None:
        self.home = PeerHome(python, dataset, folder, n_processes)
        self.home.run("extract_fingerprint", "-np", str(n_processes))
        self.home.run("plan_experiment")
        plans = json.loads((self.home.preprocessed / "nnUNetPlans.json").read_text(encoding="utf-8"))
        found = plans["configurations"]
        self.configurations = [name for name in found if "previous_stage" not in found[name]]
        self.stores = [self.home.preprocessed / found[name]["data_identifier"] for name in self.configurations]
        self.words = ["-c", *self.configurations, "-np", *[str(n_processes)] * len(self.configurations)]

    def measure(self) -> float:
        """Seconds, from no preprocessed cases to all of them."""
        for store in self.stores:
            shutil.rmtree(store, ignore_errors=True)
        return self.home.run("preprocess", *self.words)

    @property
    def disk_mb(self) -> float:
        return measure_disk_mb(self.stores)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--python", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        ours = Ours(arguments.dataset, Path(place) / "workspace")
        peer = Peer(arguments.dataset, Path(place) / "peer", arguments.python, ours.n_processes)
        seconds = take_turns({OURS: ours.measure, PEER: peer.measure}, arguments.rounds)
        sides = {OURS: (ours.plan.configurations, ours.disk_mb), PEER: (peer.configurations, peer.disk_mb)}
    facts = {"dataset": arguments.dataset.name, "processes": ours.n_processes, "rounds": arguments.rounds}
    rows = [
        facts
        | {"way": name, "configurations": " ".join(configurations)}
        | {f"s_{key}": value for key, value in summarize(seconds[name]).items()}
        | compare(seconds[OURS], seconds[name])
        | {"disk_mb": disk_mb}
        for name, (configurations, disk_mb) in sides.items()
    ]
    write_rows("preprocessing", rows)


if __name__ == "__main__":
    main()
