"""Imported models predict what nnU-Net predicted, and are there wholly or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from autoseg.data.image_io import read_image, read_segmentation
from autoseg.errors import WorkspaceError
from autoseg.importing.nnunet_checkpoint import read_nnunet_checkpoint
from autoseg.importing.nnunet_weights import to_nnunet_names
from autoseg.networks.checkpoint import read_checkpoint
from autoseg.pipeline.importing import ImportOptions, import_nnunet
from autoseg.pipeline.model import load_model
from autoseg.pipeline.prediction.predicting import predict_images
from tests.importing.conftest import cascade_folders as cascade_folders
from tests.importing.conftest import make_plans, make_settings, write_folder

MODELS = ("nnUNetPlansSmallPlain__2d", "nnUNetPlansSmallPlain__3d_fullres", "nnUNetPlansSmallRes__3d_fullres")
LOGITS_TOLERANCE = 1e-3
EQUAL_SHARE = 0.999  # nnU-Net sums windows in half precision


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("case_id", ["hippocampus_001", "hippocampus_004"])
def test_nnunets_own_models_predict_the_same(shared_data: Path, tmp_path: Path, name: str, case_id: str) -> None:
    folder = shared_data / "nnunet_models" / f"nnUNetTrainer__{name}"
    file = shared_data / "Dataset004_Hippocampus" / "imagesTr" / f"{case_id}_0000.nii.gz"
    model = load_model(import_nnunet(folder, tmp_path / "model").workspace.root, device="cpu")
    image, geometry = read_image([file])
    logits = np.asarray(model.predictors[0].predict_original(image, geometry.spacing).logits)
    with np.load(folder / "expected" / f"{case_id}_logits.npz") as stored:
        assert np.abs(logits - stored[stored.files[0]]).max() < LOGITS_TOLERANCE
    predict_images(model, file, tmp_path / "predicted")
    predicted, _ = read_segmentation(tmp_path / "predicted" / f"{case_id}.nii.gz")
    expected, _ = read_segmentation(folder / "expected" / f"{case_id}.nii.gz")
    assert (predicted == expected).mean() >= EQUAL_SHARE


def test_a_model_folder_becomes_a_workspace(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, make_plans({"2d": make_settings(2)}), "2d", folds=("0", "2"))
    imported = import_nnunet(folder, tmp_path / "model")
    model = load_model(imported.workspace.root, device="cpu")
    assert [path.name for path in sorted(imported.workspace.trained("2d").iterdir())] == ["fold_0", "fold_2"]
    assert len(model.predictors[0].networks) == 2
    assert (model.channels, model.labels.names) == (("CT", "PET"), ("background", "liver", "tumour"))


def test_weights_are_those_of_the_file(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, make_plans({"2d": make_settings(2, residual=True)}), "2d", folds=("1",))
    stored = read_checkpoint(import_nnunet(folder, tmp_path / "model").workspace.run("2d", 1).checkpoint)
    there = read_nnunet_checkpoint(folder / "fold_1" / "checkpoint_final.pth").weights
    again = to_nnunet_names(stored.weights, stored.settings)
    assert all(bool((again[name] == there[name]).all()) for name in there)
    assert stored.facts["nnunet_trainer"] == "nnUNetTrainer"


def test_a_cascade_takes_the_model_beside_with_it(cascade_folders: tuple[Path, Path], tmp_path: Path) -> None:
    imported = import_nnunet(cascade_folders[1], tmp_path / "model")
    assert set(imported.folds) == {"3d_lowres", "3d_cascade"}
    assert imported.selection.configurations.value == ("3d_cascade",)
    model = load_model(imported.workspace.root, device="cpu")
    image = np.random.default_rng(2).normal(size=(2, 12, 20, 18)).astype(np.float32)
    member = model.predictors[0].predict_original(image, (2.0, 4.0, 1.5))
    assert np.isfinite(np.asarray(member.logits)).all()


def test_a_cascade_without_it_is_one_line(cascade_folders: tuple[Path, Path], tmp_path: Path) -> None:
    elsewhere = cascade_folders[0].rename(tmp_path / "elsewhere")
    with pytest.raises(WorkspaceError, match="Name the folder of that model by --previous"):
        import_nnunet(cascade_folders[1], tmp_path / "model")
    imported = import_nnunet(cascade_folders[1], tmp_path / "model", options=ImportOptions(previous=elsewhere))
    assert set(imported.folds) == {"3d_lowres", "3d_cascade"}


def test_a_dataset_folder_takes_all_configurations(cascade_folders: tuple[Path, Path], tmp_path: Path) -> None:
    imported = import_nnunet(cascade_folders[0].parent, tmp_path / "model")
    assert set(imported.folds) == {"3d_lowres", "3d_cascade"}


def test_nothing_is_left_of_a_failed_import(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, make_plans({"2d": make_settings(2)}), "2d", folds=("0", "1"))
    (folder / "fold_1" / "checkpoint_final.pth").write_bytes(b"damaged")
    with pytest.raises(WorkspaceError, match="fold_1"):
        import_nnunet(folder, tmp_path / "out" / "model")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_with_something_in_it_is_not_overwritten(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, make_plans({"2d": make_settings(2)}), "2d")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.txt").touch()
    with pytest.raises(WorkspaceError, match="is there already"):
        import_nnunet(folder, tmp_path / "model")
