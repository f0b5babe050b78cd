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
from autoseg.errors import WorkspaceError
from autoseg.pipeline.model import load_model
from autoseg.pipeline.planning import ensure_plan
from autoseg.pipeline.prediction.predicting import predict_images
from autoseg.pipeline.project import Project
from autoseg.pipeline.selecting import ensure_selection
from autoseg.prediction.configuration_predictor import load_predictor
from autoseg.preprocessing.preprocess import align, prepare
from autoseg.preprocessing.resampling import resample

CPU = torch.device("cpu")


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
    with pytest.raises(WorkspaceError, match=r"has no selection.yaml. Run `autoseg select`"):
        load_model(copied.workspace.root)
    model = load_model(copied.workspace.root, configurations=["3d_cascade"], reporter=listener)
    assert model.postprocessing.steps == ()
    assert "nothing is done to the segmentations afterwards" in listener.said[-1]
