"""How much Dice does an hour buy, here and in nnU-Net, on the same machine, cases and clock?

    python -m venv PEER && PEER/bin/pip install nnunetv2
    python benchmarks/against_nnunet.py DATASET --peer-python PEER/bin/python --minutes 10 30 [--seeds 0 1]

One fold of one dataset, in nnU-Net's layout. autoseg plans for the stated time and trains by its defaults; nnU-Net
trains with its default plans and trainer, its schedule fitted to the same time (`nnunet_peer.py` says how). Both learn
from the same cases; the predictions of both, for the same unseen cases, are scored by `autoseg evaluate`. The two run
one after the other. Planning, preprocessing and the prediction of whole cases come on top of the time for both.

`--iterations-from-rate` is for machines that are not quiet: it measures both in turn for some short windows, and then
trains each for the number of iterations that the stated time would hold at its median rate.
Prints a table and appends it to results/against_nnunet.csv.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from side_by_side import append_rows

from autoseg.data.split_file import read_splits
from autoseg.data.splits import Split

RESULTS = Path(__file__).parent / "results" / "against_nnunet.csv"
AUTOSEG = [sys.executable, "-m", "autoseg"]
PEER = Path(__file__).with_name("nnunet_peer.py")
COLUMNS = [
    "date", "dataset", "configuration", "fold", "method", "version", "minutes", "clock", "seed", "device", "machine",
    "threads", "workers", "load_before", "iterations", "spent_s", "iteration_s", "parameters", "patch_size",
    "batch_size", "n_cases", "mean_dice", "dice",
]  # fmt: skip
POLL_S = 0.2


@dataclass(frozen=True)
class Setting:
    """What is equal for both, and where things lie."""

    dataset: Path
    folder: Path
    peer_python: str
    configuration: str
    fold: int
    device: str
    threads: int
    workers: int
    window_s: float
    n_windows: int

    @property
    def dataset_name(self) -> str:
        """As nnU-Net wants it: Dataset123_Name."""
        name = self.dataset.name
        return name if re.match(r"Dataset\d{3}_", name) else f"Dataset999_{name}"

    @property
    def peer_arguments(self) -> list[str]:
        number = self.dataset_name.removeprefix("Dataset")[:3]
        return ["--dataset-id", str(int(number)), "--configuration", self.configuration]

    @property
    def own_environment(self) -> dict[str, str]:
        return {**os.environ, "OMP_NUM_THREADS": str(self.threads)}

    @property
    def peer_environment(self) -> dict[str, str]:
        places = {f"nnUNet_{name}": str(self.folder / "nnunet" / name) for name in ("raw", "preprocessed", "results")}
        counts = {"nnUNet_n_proc_DA": str(self.workers), "nnUNet_def_n_proc": str(self.threads)}
        return {**self.own_environment, **places, **counts}


@dataclass(frozen=True)
class Clock:
    """How long training lasts: wall-clock seconds, or iterations."""

    seconds: float | None = None
    iterations: int | None = None

    @property
    def of_autoseg(self) -> list[str]:
        return ["--iterations", str(self.iterations)] if self.iterations else ["--train-time", f"{self.seconds:g}s"]

    @property
    def of_peer(self) -> list[str]:
        return ["--iterations", str(self.iterations)] if self.iterations else ["--seconds", f"{self.seconds:g}"]


def run(command: list[str], environment: dict[str, str], log: Path) -> None:
    """Run a command to its end, its words in a file; stop with the last of them if it fails."""
    with log.open("a", encoding="utf-8") as stream:
        print("$", *command, file=stream, flush=True)
        result = subprocess.run(command, env=environment, stdout=stream, stderr=subprocess.STDOUT)
    if result.returncode != 0:
        tail = "\n".join(log.read_text(encoding="utf-8").splitlines()[-25:])
        raise SystemExit(f"{' '.join(command)} failed ({log}):\n{tail}")


# ------------------------------------------------------------------------------------------------ autoseg


def run_autoseg(setting: Setting, workspace: Path, verb: str, *words: str) -> None:
    """One command of autoseg on the dataset."""
    place = ["--workspace", str(workspace), "--device", setting.device]
    run([*AUTOSEG, verb, str(setting.dataset), *place, *words], setting.own_environment, setting.folder / "autoseg.log")


def plan_autoseg(setting: Setting, minutes: float) -> Path:
    """A workspace with the plan for this time and the preprocessed cases."""
    workspace = setting.folder / f"autoseg-{minutes:g}m"
    run_autoseg(setting, workspace, "plan", "--train-time", f"{minutes * 60:g}s")
    place = ["--workspace", str(workspace), "--configuration", setting.configuration]
    command = [*AUTOSEG, "preprocess", str(setting.dataset), *place]
    run(command, setting.own_environment, setting.folder / "autoseg.log")
    return workspace


def describe_training(setting: Setting, clock: Clock, seed: int) -> list[str]:
    """The words of `autoseg train`."""
    fold = ["--fold", str(setting.fold), "--configuration", setting.configuration]
    return [*fold, "--seed", str(seed), "--restart", *clock.of_autoseg]


def train_autoseg(setting: Setting, workspace: Path, clock: Clock, seed: int) -> tuple[dict[str, Any], Path]:
    """Train and predict the fold. Returns what it took, and the folder of predictions."""
    run_autoseg(setting, workspace, "train", *describe_training(setting, clock, seed))
    root = find_run(setting, workspace)
    last = read_history(root)[-1]
    facts = {"iterations": last["iteration"], "spent_s": last["spent_s"]}
    return facts | {"iteration_s": last["spent_s"] / last["iteration"]}, root / "validation"


def find_run(setting: Setting, workspace: Path) -> Path:
    """The folder of the fold."""
    return workspace / "trained" / setting.configuration / f"fold_{setting.fold}"


def read_history(root: Path) -> list[dict[str, Any]]:
    """The epochs of a run."""
    return [json.loads(line) for line in (root / "history.jsonl").read_text(encoding="utf-8").splitlines()]


def measure_autoseg(setting: Setting, workspace: Path) -> float:
    """Seconds per iteration over one window, everything that training does between two epochs included."""
    if not find_run(
        setting, workspace
    ).is_dir():  # a plan that was trained under is kept whatever time a window asks for
        train_only(setting, workspace, Clock(iterations=1))
    train_only(setting, workspace, Clock(seconds=setting.window_s))
    first, *_, last = read_history(find_run(setting, workspace))
    return float((last["spent_s"] - first["spent_s"]) / (last["iteration"] - first["iteration"]))


def train_only(setting: Setting, workspace: Path, clock: Clock) -> None:
    """Train, and stop before the validation cases are predicted: only the rate is wanted."""
    checkpoint = find_run(setting, workspace) / "checkpoint.safetensors"
    before = read_time(checkpoint)
    place = ["--workspace", str(workspace), "--device", setting.device]
    command = [*AUTOSEG, "train", str(setting.dataset), *place, *describe_training(setting, clock, 0)]
    with (setting.folder / "autoseg.log").open("a", encoding="utf-8") as stream:
        process = subprocess.Popen(command, env=setting.own_environment, stdout=stream, stderr=subprocess.STDOUT)
        while process.poll() is None and read_time(checkpoint) in (None, before):
            time.sleep(POLL_S)
        process.terminate()
        process.wait()
    if read_time(checkpoint) in (None, before):
        raise SystemExit(f"{' '.join(command)} failed: see {setting.folder / 'autoseg.log'}")


def read_time(path: Path) -> int | None:
    """When a file was written, None if it is not there."""
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_mtime_ns
    return None


def describe_autoseg(setting: Setting, workspace: Path) -> dict[str, Any]:
    """Patch, batch and number of parameters of the plan."""
    from autoseg.networks.build import build_network
    from autoseg.planning.plan_file import read_plan

    plan = read_plan(workspace / "plan.yaml")
    settings = plan.find_configuration(setting.configuration)
    network = build_network(settings, len(plan.channels), plan.labels.n_outputs)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    values = {"patch_size": settings.patch_size.value, "batch_size": settings.batch_size.value}
    return values | {"parameters": parameters}


# ------------------------------------------------------------------------------------------------ nnU-Net


def ask_peer(setting: Setting, step: str, *words: str) -> dict[str, Any]:
    """One step in nnU-Net's environment. Returns its answer."""
    answer = setting.folder / "answer.json"
    command = [setting.peer_python, str(PEER), step, *setting.peer_arguments, "--answer", str(answer), *words]
    run(command, setting.peer_environment, setting.folder / "nnunet.log")
    said: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    return said


def prepare_peer(setting: Setting, splits: Sequence[Split]) -> dict[str, Any]:
    """Link the dataset, plan and preprocess as nnU-Net does by default, and give it our splits."""
    for name in ("raw", "preprocessed", "results"):
        (setting.folder / "nnunet" / name).mkdir(parents=True, exist_ok=True)
    link = setting.folder / "nnunet" / "raw" / setting.dataset_name
    if not link.is_symlink():
        link.symlink_to(setting.dataset.resolve())
    described = ask_peer(setting, "prepare", "--processes", str(setting.threads))
    path = setting.folder / "nnunet" / "preprocessed" / setting.dataset_name / "splits_final.json"
    path.write_text(json.dumps([{"train": one.train, "val": one.validation} for one in splits]), encoding="utf-8")
    return described


def train_peer(setting: Setting, clock: Clock, seed: int, *words: str) -> dict[str, Any]:
    """Train the fold with nnU-Net's default trainer, fitted to the clock."""
    place = ["--fold", str(setting.fold), "--device", setting.device, "--threads", str(setting.threads)]
    return ask_peer(setting, "train", *place, "--seed", str(seed), *clock.of_peer, *words)


# ------------------------------------------------------------------------------------------------ both


def measure_rates(setting: Setting, workspace: Path) -> dict[str, float]:
    """Seconds per iteration of both: medians over windows, taken in turn so that both meet the same machine."""
    measured: dict[str, list[float]] = {"autoseg": [], "nnunet": []}
    for _ in range(setting.n_windows):
        measured["autoseg"].append(measure_autoseg(setting, workspace))
        peer = train_peer(setting, Clock(seconds=setting.window_s), 0, "--rate-only")
        measured["nnunet"].append(peer["iteration_s"])
    for name, values in measured.items():
        print(f"{name}: seconds per iteration {', '.join(f'{value:.3f}' for value in values)}", flush=True)
    return {name: statistics.median(values) for name, values in measured.items()}


def score(setting: Setting, predictions: Path, case_ids: list[str], name: str) -> dict[str, Any]:
    """What `autoseg evaluate` says of the predictions of these cases; a missing one counts as a miss."""
    ending = json.loads((setting.dataset / "dataset.json").read_text(encoding="utf-8"))["file_ending"]
    references, kept = setting.folder / "references", setting.folder / "predictions" / name
    for folder, source in ((references, setting.dataset / "labelsTr"), (kept, predictions)):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for case_id in case_ids:
            if (source / f"{case_id}{ending}").is_file():
                shutil.copyfile(source / f"{case_id}{ending}", folder / f"{case_id}{ending}")
    report = setting.folder / "predictions" / f"{name}.json"
    command = [*AUTOSEG, "evaluate", str(references), str(kept), "-o", str(report)]
    run(command, setting.own_environment, setting.folder / "autoseg.log")
    said: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return said


def compare(setting: Setting, minutes: list[float], seeds: list[int], *, from_rate: bool) -> Iterator[dict[str, Any]]:
    """Every time and seed, by both methods: one row each."""
    workspaces = {one: plan_autoseg(setting, one) for one in minutes}
    path = workspaces[minutes[0]] / "splits.json"
    if not path.is_file():
        train_only(setting, workspaces[minutes[0]], Clock(iterations=1))
    splits = read_splits(path).folds
    case_ids = list(splits[setting.fold].validation)
    peer = prepare_peer(setting, splits)
    for one, workspace in workspaces.items():
        rates = measure_rates(setting, workspace) if from_rate else {}
        for seed in seeds:
            for method in ("autoseg", "nnunet"):
                clock = Clock(iterations=round(one * 60 / rates[method])) if rates else Clock(seconds=one * 60)
                load = os.getloadavg()[0]
                if method == "autoseg":
                    facts, predictions = train_autoseg(setting, workspace, clock, seed)
                    facts |= describe_autoseg(setting, workspace)
                else:
                    facts = train_peer(setting, clock, seed) | peer
                    predictions = Path(facts["predictions"])
                report = score(setting, predictions, case_ids, f"{method}-{one:g}m-{seed}")
                yield describe(setting, method, one, seed, facts, report) | {
                    "clock": f"iterations at {rates[method]:.3f} s" if rates else "wall",
                    "load_before": f"{load:.1f}",
                }


def describe(
    setting: Setting, method: str, minutes: float, seed: int, facts: dict[str, Any], report: dict[str, Any]
) -> dict[str, Any]:
    """A row of the table."""
    dice = {name: round(metrics["dice"]["mean"], 4) for name, metrics in report["summary"].items()}
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "dataset": setting.dataset.name,
        "configuration": setting.configuration,
        "fold": setting.fold,
        "method": method,
        "version": read_version(setting, method),
        "minutes": minutes,
        "seed": seed,
        "device": setting.device,
        "machine": f"{os.cpu_count()} cores {platform.machine()}",
        "threads": setting.threads,
        "workers": setting.workers if method == "nnunet" else "default",
        "iterations": facts["iterations"],
        "spent_s": round(facts["spent_s"], 1),
        "iteration_s": round(facts["iteration_s"], 4),
        "parameters": facts["parameters"],
        "patch_size": "x".join(str(length) for length in facts["patch_size"]),
        "batch_size": facts["batch_size"],
        "n_cases": len(report["cases"]),
        "mean_dice": round(report["mean_dice"], 4),
        "dice": " ".join(f"{name}={value}" for name, value in dice.items()),
    }


def read_version(setting: Setting, method: str) -> str:
    """The commit of autoseg, or the release of nnU-Net."""
    if method == "autoseg":
        command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    else:
        command = [setting.peer_python, "-c", "from importlib.metadata import version; print(version('nnunetv2'))"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def write(row: dict[str, Any]) -> None:
    """Print a row, and append it to the results at once: the next training takes long."""
    print(
        f"{row['method']:8} {row['minutes']:g} min, seed {row['seed']}: mean Dice {row['mean_dice']:.4f} "
        f"({row['dice']}), {row['iterations']} iterations of {row['iteration_s']:.3f} s, {row['n_cases']} cases",
        flush=True,
    )
    append_rows(RESULTS, COLUMNS, [row])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--peer-python", required=True, help="python of the environment with nnunetv2")
    parser.add_argument("--minutes", type=float, nargs="+", default=[10, 30])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--configuration", default="3d_fullres")
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of torch, for both")
    parser.add_argument("--peer-workers", type=int, help="nnU-Net's processes for batches [default: 12 or the cores]")
    parser.add_argument("--iterations-from-rate", action="store_true")
    parser.add_argument("--window", type=float, default=60, help="seconds of one measurement of a rate")
    parser.add_argument("--windows", type=int, default=3, help="measurements of each rate")
    parser.add_argument("--folder", type=Path, help="keep everything here [default: a temporary folder, removed]")
    arguments = parser.parse_args()
    if not (arguments.dataset / "labelsTr").is_dir():
        parser.error(f"{arguments.dataset}: is not in nnU-Net's layout (imagesTr, labelsTr, dataset.json)")
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="against-nnunet-"))
    folder.mkdir(parents=True, exist_ok=True)
    setting = Setting(
        dataset=arguments.dataset,
        folder=folder,
        peer_python=arguments.peer_python,
        configuration=arguments.configuration,
        fold=arguments.fold,
        device=arguments.device,
        threads=arguments.threads,
        workers=min(12, os.cpu_count() or 1) if arguments.peer_workers is None else arguments.peer_workers,
        window_s=arguments.window,
        n_windows=arguments.windows,
    )
    for row in compare(setting, arguments.minutes, arguments.seeds, from_rate=arguments.iterations_from_rate):
        write(row)
    if arguments.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
