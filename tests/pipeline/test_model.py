"""A trained ensemble: what is loaded, and what it predicts."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autoseg.data.case import read_case
from autoseg.data.image_io import read_segmentation
from autoseg.data.splits import ALL
from autoseg.decision import found
from autoseg.errors import UsageError, WorkspaceError
from autoseg.evaluation.calibrating import Calibration, LabelCalibration
from autoseg.pipeline.model import Model, load_model
from autoseg.pipeline.planning import ensure_plan
from autoseg.pipeline.prediction.predicting import predict_images
from autoseg.pipeline.project import Project
from autoseg.pipeline.selecting import ensure_selection
from autoseg.pipeline.selection import read_selection
from autoseg.prediction.configuration_predictor import load_predictor
from autoseg.prediction.options import PredictionOptions
from autoseg.preprocessing.preprocess import align, prepare
from autoseg.preprocessing.resampling import resample
from autoseg.serialization import read_json, write_json, write_yaml
from autoseg.workspace import Workspace

CPU = torch.device("cpu")
LABEL = LabelCalibration(offset=0.8, weights={}, low=-0.1, high=0.1, least_expected_dice=0.5, n_cases=9)


@pytest.fixture
def calibrated(trained: Project, tmp_path: Path) -> Workspace:
    """A copy of two configurations, selected together and calibrated for both folds."""
    place = Workspace(shutil.copytree(trained.workspace.root, tmp_path / "workspace"))
    calibrate_for(place, offset=0.8)
    return place


def calibrate_for(place: Workspace, *, offset: float) -> None:
    selection, names = read_selection(place), ("2d", "3d_fullres")
    assert selection is not None
    label = LABEL.model_copy(update={"offset": offset})
    calibration = Calibration(configurations=names, labels={"organ": label}, folds=(0, 1))
    changes = {"configurations": found(names, "for a test"), "confidence": found(calibration, "for a test")}
    write_yaml(place.selection, selection.model_copy(update=changes))


def load(place: Workspace, **options: Any) -> Model:
    return load_model(place.root, device="cpu", options=PredictionOptions(**options))


def test_a_calibration_is_not_passed_off_for_other_options(calibrated: Workspace) -> None:
    assert load(calibrated).calibration_note == ""
    assert load(calibrated, step=0.75).calibration_note == "calibrated with step 0.5 (here 0.75)"
    for name in ("2d", "3d_fullres"):
        shutil.copytree(calibrated.run(name, 0).root, calibrated.run(name, ALL).root)
    assert "folds 0, 1 (here all)" in load_model(calibrated.root, folds=[ALL], device="cpu").calibration_note


def test_no_mirroring_is_no_change_where_the_plan_allows_none(calibrated: Workspace) -> None:
    model = load(calibrated, mirroring="none")
    assert not any(predictor.settings.mirroring_axes.value for predictor in model.predictors)
    assert model.calibration is not None
    assert model.calibration_note == ""


def test_low_dice_is_that_of_the_ensemble(calibrated: Workspace) -> None:
    """Of 10 equal steps from 0 to 1 in the ensemble's report, one in ten is at 0.1; single folds had other scores."""
    stored = calibrated.crossvalidation("2d+3d_fullres") / "report.json"
    content = read_json(stored)
    case = content["report"]["cases"][0]
    name = next(iter(case["labels"]))
    scores = [{**case["labels"][name], "dice": step / 10} for step in range(11)]
    content["report"]["cases"] = [{**case, "case_id": f"c{i}", "labels": {name: one}} for i, one in enumerate(scores)]
    write_json(stored, content)
    assert load(calibrated).low_dice == {name: pytest.approx(0.1)}
    turned = load_model(calibrated.root, configurations=["3d_fullres", "2d"], device="cpu")
    assert turned.low_dice == {name: pytest.approx(0.1)}, "the folder is named in the plan's order"


def test_another_calibration_is_noticed_and_the_same_model(calibrated: Workspace) -> None:
    before = load(calibrated)
    calibrate_for(calibrated, offset=0.5)
    after = load(calibrated)
    assert after.digest == before.digest, "segmentations are not made anew"
    assert after.calibration_digest != before.calibration_digest


def test_a_run_that_was_moved_aside_takes_no_part(copied: Project) -> None:
    ensure_selection(copied)
    before = load_model(copied.workspace.root, configurations=["3d_cascade"])
    for name in ("3d_lowres", "3d_cascade"):
        run = copied.workspace.run(name, 0).root
        shutil.copytree(run, run.with_name("fold_0.old1"))
    after = load_model(copied.workspace.root, configurations=["3d_cascade"])
    assert after.digest == before.digest
    assert len(after.predictors[0].networks) == 1


def test_one_command_predicts_with_both_passes(cascaded: Project, phantom: Path, tmp_path: Path, listener: Any) -> None:
    ensure_selection(cascaded)
    model = load_model(cascaded.workspace.root, configurations=["3d_cascade"])
    (result,) = predict_images(model, phantom / "imagesTs", tmp_path, reporter=listener)
    assert read_segmentation(tmp_path / result.file)[0].ndim == 3
    assert "3d_lowres (2 folds), then 3d_cascade (1 folds)" in listener.said[0]
    before = model.predictors[0].previous
    assert before is not None
    assert (before.configuration, len(before.networks)) == ("3d_lowres", 2)


def test_a_variant_that_is_not_there_is_named(cascaded: Project) -> None:
    with pytest.raises(WorkspaceError, match="this workspace has no variant laptop"):
        load_model(cascaded.workspace.root, variant="laptop")


def test_predicting_a_file_equals_both_passes_by_hand(cascaded: Project) -> None:
    ensure_selection(cascaded)
    plan, case = ensure_plan(cascaded), cascaded.dataset.cases[0]
    model = load_model(cascaded.workspace.root, configurations=["3d_cascade"])
    loaded = read_case(case, labels=plan.labels, n_channels=1)
    aligned = align(loaded.image, None, loaded.geometry.spacing, plan)
    low, high = (prepare(aligned, plan.find_configuration(name)) for name in ("3d_lowres", "3d_cascade"))
    folds = [cascaded.workspace.run("3d_lowres", fold).checkpoint for fold in (0, 1)]
    logits = load_predictor(folds, device=CPU).predict(low.image, low.placement).logits
    previous = np.stack([resample(label, high.image.shape[1:], 1) for label in logits]).argmax(axis=0)
    second = load_predictor([cascaded.workspace.run("3d_cascade", 0).checkpoint], device=CPU)
    expected = second.predict(high.image, high.placement, previous=previous).logits
    member = model.predictors[0].predict_original(loaded.image, loaded.geometry.spacing)
    np.testing.assert_allclose(member.logits, expected, atol=1e-5)


def test_a_workspace_needs_no_selection_where_configurations_are_named(copied: Project, listener: Any) -> None:
    copied.workspace.selection.unlink(missing_ok=True)
    with pytest.raises(WorkspaceError, match=r"has no selection.yaml. Run `autoseg select"):
        load_model(copied.workspace.root)
    model = load_model(copied.workspace.root, configurations=["3d_cascade"], reporter=listener)
    assert model.postprocessing.steps == ()
    assert "nothing is done to the segmentations afterwards" in listener.said[-1]


def test_a_mistyped_configuration_is_named_with_its_neighbour(trained: Project) -> None:
    with pytest.raises(UsageError, match=r"no configuration 3d_fulres\. Did you mean 3d_fullres"):
        load_model(trained.workspace.root, configurations=["3d_fulres"])
