"""How long does the same network take to segment the same images, here and in nnU-Net?

    python -m venv PEER && PEER/bin/pip install nnunetv2
    python benchmarks/predicting.py WORKSPACE DATASET --peer-python PEER/bin/python [--images 20] [--rounds 3]

WORKSPACE holds a fold that autoseg trained with mirroring along all axes; its weights are written as a model folder of
nnU-Net (`nnunet_model.py`), so that both compute the same network. Every row is a whole command in a fresh process,
from nothing to written segmentations: `autoseg predict-ensemble` with all mirrorings, with adaptive ones and with none,
and `nnUNetv2_predict_from_modelfolder` with its defaults (all mirrorings); for several images, and for one, where
starting counts. The rows of a round run one after the other, and rounds repeat, so that all meet the same machine.

nnU-Net's command postprocesses nothing, so that the workspace's selection is left out. Images are the fold's
validation cases, which the network never saw; what each command wrote is scored against their references, and compared
with nnU-Net's segmentations: share of unequal voxels, mean Dice. Prints medians with their range and ratios, and writes
results/predicting.csv.
"""

from __future__ import annotations

import argparse
import json
import os
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

from nnunet_model import write_model
from side_by_side import append_rows

from autoseg.data.image_io import read_segmentation
from autoseg.data.split_file import read_splits

RESULTS = Path(__file__).parent / "results" / "predicting.csv"
COLUMNS = [
    "dataset", "method", "n_images", "rounds", "threads", "seconds_median", "seconds_min", "seconds_max",
    "ratio_median", "ratio_min", "ratio_max", "mean_dice", "voxels_unequal_to_peer", "dice_to_peer", "commit", "peer",
]  # fmt: skip
PEER = "nnunet all"
OWN = {"autoseg all": "all", "autoseg adaptive": "adaptive", "autoseg none": "none"}


@dataclass(frozen=True)
class Setting:
    """What is equal for all rows, and where things lie."""

    workspace: Path
    configuration: str
    fold: int
    folder: Path
    peer_bin: Path
    threads: int

    @property
    def environment(self) -> dict[str, str]:
        places = {f"nnUNet_{name}": str(self.folder) for name in ("raw", "preprocessed", "results")}
        return {**os.environ, **places, "OMP_NUM_THREADS": str(self.threads)}

    @property
    def model(self) -> Path:
        """The model folder of nnU-Net."""
        return self.folder / "nnunet_model"

    def phrase(self, method: str, images: Path, output: Path) -> list[str]:
        """The command of a method."""
        if method == PEER:
            words = ["-i", images, "-o", output, "-m", self.model, "-f", self.fold, "-device", "cpu"]
            return [str(self.peer_bin / "nnUNetv2_predict_from_modelfolder"), *map(str, words)]
        chosen = ["--configuration", self.configuration, "--fold", str(self.fold), "--mirroring", OWN[method]]
        command = [sys.executable, "-m", "autoseg", "predict-ensemble", str(self.workspace)]
        return [*command, "-i", str(images), "-o", str(output), *chosen, "--device", "cpu"]


def leave_out_selection(workspace: Path, folder: Path) -> Path:
    """The workspace without what cross-validation decided about postprocessing: links to all else."""
    bare = folder / "workspace"
    shutil.rmtree(bare, ignore_errors=True)
    bare.mkdir(parents=True)
    for path in workspace.absolute().iterdir():
        if path.name != "selection.yaml":
            (bare / path.name).symlink_to(path)
    return bare


def time_command(setting: Setting, method: str, images: Path) -> float:
    """Seconds of a whole command; its segmentations stay until the next time."""
    output = find_output(setting, method, images)
    shutil.rmtree(output, ignore_errors=True)
    log = setting.folder / "log.txt"
    began = time.monotonic()
    with log.open("a", encoding="utf-8") as stream:
        command = setting.phrase(method, images, output)
        print("$", *command, file=stream, flush=True)
        result = subprocess.run(command, env=setting.environment, stdout=stream, stderr=subprocess.STDOUT)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed: see {log}")
    return time.monotonic() - began


def find_output(setting: Setting, method: str, images: Path) -> Path:
    """Where a method's segmentations of a folder of images lie."""
    return setting.folder / "predictions" / f"{images.name} {method}".replace(" ", "-")


def gather_images(setting: Setting, dataset: Path, n_images: int) -> tuple[Path, list[str]]:
    """A folder of so many validation cases of the fold, and their ids."""
    ids = read_splits(setting.workspace / "splits.json").folds[setting.fold].validation[:n_images]
    images = setting.folder / f"images{n_images}"
    images.mkdir(parents=True, exist_ok=True)
    for case_id in ids:
        for path in sorted((dataset / "imagesTr").glob(f"{case_id}_[0-9][0-9][0-9][0-9].*")):
            shutil.copyfile(path, images / path.name)
    return images, list(ids)


def score(setting: Setting, truth: Path, output: Path, ids: Sequence[str]) -> float:
    """Mean foreground Dice against the segmentations in another folder."""
    references = setting.folder / "references"
    shutil.rmtree(references, ignore_errors=True)
    references.mkdir()
    for path in list_segmentations(truth, ids):
        shutil.copyfile(path, references / path.name)
    report = setting.folder / "report.json"
    predicted = setting.folder / "scored"
    shutil.rmtree(predicted, ignore_errors=True)
    predicted.mkdir()
    for path in list_segmentations(output, ids):
        shutil.copyfile(path, predicted / path.name)
    words = ["evaluate", str(references), str(predicted), "-o", str(report)]
    subprocess.run([sys.executable, "-m", "autoseg", *words], check=True, capture_output=True)
    return float(json.loads(report.read_text(encoding="utf-8"))["mean_dice"])


def list_segmentations(output: Path, ids: Sequence[str]) -> list[Path]:
    """The segmentations of these cases, in their order."""
    return [next(path for path in sorted(output.glob(f"{case_id}.*")) if path.suffix != ".json") for case_id in ids]


def count_unequal(one: Path, other: Path, ids: Sequence[str]) -> float:
    """Share of voxels in which two methods differ."""
    pairs = zip(list_segmentations(one, ids), list_segmentations(other, ids), strict=True)
    unequal, total = 0, 0
    for first, second in pairs:
        left, right = read_segmentation(first)[0], read_segmentation(second)[0]
        unequal += int((left != right).sum())
        total += left.size
    return unequal / total


def compare(setting: Setting, dataset: Path, n_images: int, rounds: int) -> Iterator[dict[str, Any]]:
    """All methods on so many images: a row each."""
    images, ids = gather_images(setting, dataset, n_images)
    methods = [PEER, *OWN]
    seconds: dict[str, list[float]] = {method: [] for method in methods}
    for _ in range(rounds):
        for method in methods:
            seconds[method].append(time_command(setting, method, images))
    peer = find_output(setting, PEER, images)
    for method in methods:
        ratios = [theirs / own for theirs, own in zip(seconds[PEER], seconds[method], strict=True)]
        output = find_output(setting, method, images)
        yield {
            "dataset": dataset.name,
            "method": method,
            "n_images": n_images,
            "rounds": rounds,
            "threads": setting.threads,
            **describe("seconds", seconds[method]),
            **describe("ratio", ratios),
            "mean_dice": f"{score(setting, dataset / 'labelsTr', output, ids):.5f}",
            "voxels_unequal_to_peer": f"{count_unequal(output, peer, ids):.2e}",
            "dice_to_peer": f"{score(setting, peer, output, ids):.5f}",
            "commit": read_commit(),
            "peer": read_peer(setting),
        }


def describe(name: str, values: Sequence[float]) -> dict[str, str]:
    """Median and range."""
    figures = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {f"{name}_{key}": f"{value:.3f}" for key, value in figures.items()}


def read_commit() -> str:
    """The commit of autoseg."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def read_peer(setting: Setting) -> str:
    """The release of nnU-Net."""
    code = "from importlib.metadata import version; print('nnunetv2', version('nnunetv2'))"
    command = [str(setting.peer_bin / "python"), "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def write(row: dict[str, Any]) -> None:
    """Print a row, and append it to the results."""
    print(
        f"{row['method']:18} {row['n_images']:3} images: {row['seconds_median']} s ({row['seconds_min']} to "
        f"{row['seconds_max']}), nnU-Net takes {row['ratio_median']} times as long ({row['ratio_min']} to "
        f"{row['ratio_max']}); Dice {row['mean_dice']}, to nnU-Net's segmentations {row['dice_to_peer']}, "
        f"voxels unequal to these {row['voxels_unequal_to_peer']}",
        flush=True,
    )
    append_rows(RESULTS, COLUMNS, [row])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--peer-python", type=Path, required=True, help="python of the environment with nnunetv2")
    parser.add_argument("--configuration", default="3d_fullres")
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--images", type=int, nargs="+", default=[20, 1])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of torch, for both")
    parser.add_argument("--folder", type=Path, help="keep everything here [default: a temporary folder, removed]")
    arguments = parser.parse_args()
    folder = (arguments.folder or Path(tempfile.mkdtemp(prefix="predicting-"))).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    setting = Setting(
        workspace=leave_out_selection(arguments.workspace, folder),
        configuration=arguments.configuration,
        fold=arguments.fold,
        folder=folder,
        peer_bin=arguments.peer_python.absolute().parent,
        threads=arguments.threads,
    )
    checkpoint = setting.workspace / "trained" / setting.configuration / f"fold_{setting.fold}"
    write_model(checkpoint / "checkpoint.safetensors", setting.model, dataset=arguments.dataset, fold=setting.fold)
    for n_images in arguments.images:
        for row in compare(setting, arguments.dataset, n_images, arguments.rounds):
            write(row)
    if arguments.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
