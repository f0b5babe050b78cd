"""Does an imported model predict what nnU-Net predicts, voxel for voxel?

    python -m venv PEER && PEER/bin/pip install nnunetv2
    python benchmarks/nnunet_import.py DATA --python PEER/bin/python [--folder FOLDER] [--only NAME ...]

DATA holds Dataset004_Hippocampus, Dataset010_SarcomaCT and Dataset011_SarcomaMultimodal. `nnunet_import_peer.py` writes
model folders in nnU-Net's environment, each with something of its own (flat voxels, slices, masks, regions, an ignore
label, turned axes, plans of before 2.4, several folds, cascades), and what nnU-Net predicts with them. Here each is
imported and predicts the same images. Printed and appended to results/nnunet_import.csv, for each folder and image:

    input        largest difference of the networks' inputs
    logits       largest difference of the logits, from nnU-Net's code with sums in float32
    equal_exact  share of equal voxels, of the segmentation of these logits
    equal, dice  share of equal voxels, and Dice of all foreground, of the segmentation that nnU-Net writes, whose sums
                 are in half precision
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from autoseg.data.image_io import read_image, read_segmentation
from autoseg.pipeline.importing import import_nnunet
from autoseg.pipeline.model import Model, load_model
from autoseg.pipeline.prediction.predicting import predict_images
from autoseg.preprocessing.preprocess import align, prepare

RESULTS = Path(__file__).parent / "results" / "nnunet_import.csv"
PEER = Path(__file__).with_name("nnunet_import_peer.py")
COLUMNS = ["folder", "configuration", "case", "outputs", "input", "logits", "equal_exact", "equal", "dice"]


def make_peer_folders(data: Path, folder: Path, python: Path, only: list[str] | None) -> None:
    """Model folders and what nnU-Net predicts with them; those that are there are kept."""
    places = {f"nnUNet_{name}": str(folder / name) for name in ("raw", "preprocessed", "results")}
    chosen = ["--only", *only] if only else []
    command = [str(python), str(PEER), str(data), str(folder / "models"), *chosen]
    subprocess.run(command, env={**os.environ, **places}, check=True)


def compare_folder(model_folder: Path, data: Path, folder: Path) -> Iterator[dict[str, Any]]:
    """A row for every image that nnU-Net predicted with a model folder."""
    place = folder / "imported" / model_folder.parent.name / model_folder.name
    shutil.rmtree(place, ignore_errors=True)
    model = load_model(import_nnunet(model_folder, place / "model").workspace.root, device="cpu")
    for exact in sorted((model_folder / "exact").glob("*.npz")):
        yield {
            "folder": model_folder.parent.name,
            "configuration": model.predictors[0].configuration,
            "case": exact.stem,
            "outputs": model.labels.n_outputs,
            **compare_case(model, exact, data, place / "predicted"),
        }


def compare_case(model: Model, exact: Path, data: Path, output: Path) -> dict[str, float]:
    """Input, logits and segmentation of one image, against nnU-Net's."""
    files = find_channels(data, model, exact.stem)
    image, geometry = read_image(files)
    predictor = model.predictors[0]
    seen = prepare(align(image, None, geometry.spacing, predictor.plan), predictor.settings).image
    logits = np.asarray(predictor.predict_original(image, geometry.spacing).logits)
    theirs = np.load(exact)
    predict_images(model, link_images(files, output.with_name("images") / exact.stem), output)
    name = f"{exact.stem}.nii.gz"
    places = (output, exact.parent, exact.parent.with_name("expected"))
    ours, from_exact, written = (read_segmentation(place / name)[0] for place in places)
    return {
        "input": float(np.abs(seen - theirs["data"][: len(seen)]).max()),
        "logits": float(np.abs(logits - theirs["logits"]).max()),
        "equal_exact": float((ours == from_exact).mean()),
        "equal": float((ours == written).mean()),
        "dice": float(2 * ((ours > 0) & (written > 0)).sum() / max(1, (ours > 0).sum() + (written > 0).sum())),
    }


def find_channels(data: Path, model: Model, case_id: str) -> list[Path]:
    """The files of an image, wherever they lie."""
    folder = next(
        path.parent for path in data.glob(f"Dataset*/imagesTr/{case_id}_0000.nii.gz") if has_as_many(path, model)
    )
    return [folder / f"{case_id}_{channel:04d}.nii.gz" for channel in range(len(model.channels))]


def has_as_many(first: Path, model: Model) -> bool:
    """Whether an image has as many channels as a model."""
    stem = first.name.removesuffix("_0000.nii.gz")
    return len(list(first.parent.glob(f"{stem}_*.nii.gz"))) == len(model.channels)


def link_images(files: list[Path], folder: Path) -> Path:
    """A folder with the files of one image alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        (folder / file.name).symlink_to(file.resolve())
    return folder


def main() -> None:
    """Compare everything, print a table, append it to the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--python", type=Path, required=True, help="of nnU-Net's environment")
    parser.add_argument("--folder", type=Path, help="where models and predictions are kept; a temporary one by default")
    parser.add_argument("--only", nargs="*", help="names out of the peer's table")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        make_peer_folders(arguments.data, folder, arguments.python, arguments.only)
        names = arguments.only or sorted(path.name for path in (folder / "models").iterdir())
        rows = [
            row
            for name in names
            for model_folder in sorted((folder / "models" / name).glob("nnUNetTrainer__*"))
            for row in compare_folder(model_folder, arguments.data, folder)
        ]
    print(*COLUMNS, sep="\t")
    for row in rows:
        print(*(f"{value:.6g}" if isinstance(value, float) else value for value in row.values()), sep="\t")
    with RESULTS.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        if stream.tell() == 0:
            writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
