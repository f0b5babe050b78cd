"""Imported models predict what nnU-Net predicted, and are there wholly or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from autoseg.data.image_io import read_image, read_segmentation
from autoseg.data.splits import ALL
from autoseg.errors import WorkspaceError
from autoseg.importing.nnunet_checkpoint import read_nnunet_checkpoint
from autoseg.importing.nnunet_weights import to_nnunet_names
from autoseg.networks.checkpoint import read_checkpoint
from autoseg.pipeline.import_sources import ImportOptions
from autoseg.pipeline.importing import import_nnunet
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


def decide_postprocessing(folder: Path) -> None:
    """As nnU-Net's cross-validation writes it."""
    keep = "remove_all_but_largest_component_from_segmentation"
    content = {"postprocessing_fns": [keep], "postprocessing_kwargs": [{"labels_or_regions": 1}]}
    (folder / "crossval_results_folds_0_1").mkdir()
    (folder / "crossval_results_folds_0_1" / "postprocessing.json").write_text(json.dumps(content), encoding="utf-8")


def test_postprocessing_is_left_out_as_nnunets_prediction_does_and_said(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "Hans Mueller", make_plans({"2d": make_settings(2)}), "2d", folds=("0", "1"))
    decide_postprocessing(folder)
    left = import_nnunet(folder, tmp_path / "left").selection.postprocessing
    assert left.value.steps == ()
    assert "crossval_results_folds_0_1/postprocessing.json decided otherwise, which --postprocessing" in left.reason
    taken = import_nnunet(folder, tmp_path / "taken", options=ImportOptions(postprocessing=True))
    assert [step.labels for step in taken.selection.postprocessing.value.steps] == [(1,)]
    for decision in (left, taken.selection.postprocessing):
        assert "Hans" not in decision.reason, "a model is shared with its reasons"


def test_no_calibration_has_a_sentence_of_its_own(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, make_plans({"2d": make_settings(2)}), "2d")
    confidence = import_nnunet(folder, tmp_path / "model").selection.confidence
    assert confidence.value is None
    assert "no cross-validation came with this model" in confidence.reason
    assert "autoseg select" not in confidence.reason, "nothing is there to select from"


def test_a_second_low_resolution_model_is_not_overwritten(cascade_folders: tuple[Path, Path], tmp_path: Path) -> None:
    low, _ = cascade_folders
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    other = write_folder(elsewhere, json.loads((low / "plans.json").read_text()), "3d_lowres")
    with pytest.raises(WorkspaceError, match=r"are both a 3d_lowres .* Import them one by one"):
        import_nnunet(low.parent, tmp_path / "model", options=ImportOptions(previous=other))
    imported = import_nnunet(low.parent, tmp_path / "model", options=ImportOptions(previous=low))
    assert set(imported.folds) == {"3d_lowres", "3d_cascade"}


def test_a_model_of_all_cases_alone_is_named_for_prediction(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, make_plans({"2d": make_settings(2)}), "2d", folds=(ALL,))
    imported = import_nnunet(folder, tmp_path / "model")
    assert imported.folds_to_name == (ALL,)
    assert len(load_model(imported.workspace.root, folds=imported.folds_to_name, device="cpu").predictors) == 1


def test_a_cascade_of_all_cases_loads(cascade_folders: tuple[Path, Path], tmp_path: Path) -> None:
    for folder in cascade_folders:
        (folder / "fold_0").rename(folder / "fold_all")
    imported = import_nnunet(cascade_folders[1], tmp_path / "model")
    model = load_model(imported.workspace.root, folds=imported.folds_to_name, device="cpu")
    assert model.predictors[0].previous is not None


def test_an_ensemble_without_common_folds_is_refused(tmp_path: Path) -> None:
    plans = make_plans({"2d": make_settings(2), "3d_fullres": make_settings()})
    results = tmp_path / "Dataset007_Liver"
    write_folder(results, plans, "2d", folds=("0",))
    write_folder(results, plans, "3d_fullres", folds=(ALL,))
    one = {"configuration": "2d", "trainer": "nnUNetTrainer", "plans_identifier": "nnUNetPlans"}
    both = {"selected_model_or_models": [one, {**one, "configuration": "3d_fullres"}]}
    (results / "inference_information.json").write_text(json.dumps({"best_model_or_ensemble": both}), encoding="utf-8")
    with pytest.raises(WorkspaceError, match="3d_fullres has no fold but the one of all cases, and 2d has none"):
        import_nnunet(results, tmp_path / "model")
