"""The cascade the whole way: folds that never saw a case segment it, the second pass learns from that and predicts."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from autoseg.errors import UsageError, WorkspaceError
from autoseg.networks.checkpoint import read_checkpoint
from autoseg.pipeline.cascading import ensure_previous, find_folder, find_previous, list_previous
from autoseg.pipeline.model import load_model
from autoseg.pipeline.orders import FoldOrder
from autoseg.pipeline.planning import ensure_plan
from autoseg.pipeline.preparing import ensure_preprocessed, ensure_splits
from autoseg.pipeline.project import Project
from autoseg.pipeline.selecting import ensure_selection
from autoseg.pipeline.training import TrainingWishes, train_folds
from autoseg.planning.choices import Length
from autoseg.prediction.configuration_predictor import load_predictor
from autoseg.preprocessing.label_maps import open_labels
from autoseg.preprocessing.resampling import resample
from autoseg.preprocessing.store import open_case
from autoseg.serialization import write_json
from autoseg.training.job import TrainingJob
from autoseg.training.loop import train
from autoseg.training.watching import Step, Watching
from autoseg.workspace import Run

CPU = torch.device("cpu")


def list_makers(project: Project) -> dict[str, Path]:
    """For each case the checkpoint whose name its previous segmentation bears, found by looking at all of them."""
    plan = ensure_plan(project)
    runs = [project.workspace.run("3d_lowres", fold) for fold in range(len(ensure_splits(project, plan)))]
    folders = {find_folder(project.workspace, plan, "3d_cascade", fold): run for fold, run in enumerate(runs)}
    files = find_previous(project, plan, "3d_cascade", project.dataset.case_ids)
    return {case_id: folders[path.parent].checkpoint for case_id, path in files.items()}


def test_one_command_trains_the_low_resolution_folds_that_are_missing(cascaded: Project) -> None:
    said = " ".join(cascaded.reporter.said)  # type: ignore[attr-defined]
    assert "Training 3d_lowres fold 0, 1 first, about" in said
    assert "Segmented 6 cases with 3d_lowres, each by the fold that held it out." in said
    for name, fold in (("3d_lowres", 0), ("3d_lowres", 1), ("3d_cascade", 0)):
        assert cascaded.workspace.run(name, fold).report.is_file()
    assert not cascaded.workspace.run("3d_cascade", 1).checkpoint.exists()


def test_no_case_was_segmented_by_a_model_that_saw_it(cascaded: Project) -> None:
    makers = list_makers(cascaded)
    assert set(makers) == set(cascaded.dataset.case_ids)
    for case_id, checkpoint in makers.items():
        assert case_id not in read_checkpoint(checkpoint).facts["train_ids"]
    facts = read_checkpoint(cascaded.workspace.run("3d_cascade", 0).checkpoint).facts
    assert len(facts["previous"]) == 2


def test_previous_segmentations_are_what_their_makers_say(cascaded: Project) -> None:
    """Resampled in one piece to the grid of the cascade."""
    plan = ensure_plan(cascaded)
    stores = ensure_preprocessed(cascaded, plan, ["3d_lowres", "3d_cascade"])
    makers = list_makers(cascaded)
    for case_id in (ensure_splits(cascaded, plan)[fold].validation[0] for fold in (0, 1)):
        low, high = (open_case(stores[name], case_id) for name in ("3d_lowres", "3d_cascade"))
        logits = load_predictor([makers[case_id]], device=CPU).predict(low.read_image(), low.placement).logits
        expected = np.stack([resample(label, high.shape, 1) for label in logits]).argmax(axis=0)
        stored = open_labels(find_previous(cascaded, plan, "3d_cascade", [case_id])[case_id])[:]
        np.testing.assert_array_equal(stored, expected)
        assert high.shape != low.shape


def test_previous_segmentations_are_made_once(cascaded: Project) -> None:
    files = find_previous(cascaded, ensure_plan(cascaded), "3d_cascade", cascaded.dataset.case_ids)
    times = {path: path.stat().st_mtime_ns for path in files.values()}
    one = next(iter(files.values()))
    one.unlink()
    find_previous(cascaded, ensure_plan(cascaded), "3d_cascade", cascaded.dataset.case_ids)
    assert {path for path in times if path.stat().st_mtime_ns != times[path]} == {one}


def test_full_resolution_and_cascade_share_their_preprocessed_cases(cascaded: Project) -> None:
    plan = ensure_plan(cascaded)
    stores = ensure_preprocessed(cascaded, plan, list_previous(plan, ["3d_cascade", "3d_fullres"]))
    assert list(stores) == ["3d_lowres", "3d_cascade", "3d_fullres"]
    assert stores["3d_cascade"] == stores["3d_fullres"] != stores["3d_lowres"]


def test_a_second_run_does_nothing(cascaded: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoseg.pipeline.folds.train", lambda *a, **k: pytest.fail("trained again"))
    monkeypatch.setattr("autoseg.pipeline.cascading.write_labels", lambda *a, **k: pytest.fail("predicted again"))
    wishes = TrainingWishes(configurations=("3d_cascade",), folds=("0",), n_iterations=3)
    assert set(train_folds(cascaded, wishes)) == {("3d_cascade", 0)}


def make_job(project: Project, folder: Path) -> TrainingJob:
    plan = ensure_plan(project)
    split, run = ensure_splits(project, plan)[0], Run(folder)
    return TrainingJob(
        plan=plan,
        configuration="3d_cascade",
        fold="0",
        train_ids=split.train,
        validation_ids=split.validation,
        store=ensure_preprocessed(project, plan, ["3d_cascade"])["3d_cascade"],
        checkpoint=run.checkpoint,
        resume=run.resume,
        history=run.history,
        lock=run.lock,
        length=Length(n_iterations=5, iterations_per_epoch=2),
        device=CPU,
        n_workers=0,
        previous=find_previous(project, plan, "3d_cascade", project.dataset.case_ids),
    )


def test_an_interrupted_cascade_ends_with_the_weights_of_an_uninterrupted_one(
    cascaded: Project, tmp_path: Path
) -> None:
    whole = train(make_job(cascaded, tmp_path / "whole"))

    def interrupt(step: Step) -> None:
        if step.iteration == 3:
            os.kill(os.getpid(), signal.SIGINT)

    job = make_job(cascaded, tmp_path / "broken")
    with pytest.raises(KeyboardInterrupt):
        train(job, Watching(interrupt))
    moved = {case_id: Path("elsewhere") / path.name for case_id, path in job.previous.items()}
    with pytest.raises(WorkspaceError, match="begun with other models for the previous segmentations"):
        train(replace(job, previous=moved))
    resumed = train(job)
    assert all(torch.equal(whole.weights[name], resumed.weights[name]) for name in whole.weights)


def test_the_second_pass_sees_the_first(cascaded: Project) -> None:
    """Its logits change with the segmentation that it is given, and it refuses to go without one."""
    plan, case_id = ensure_plan(cascaded), cascaded.dataset.case_ids[0]
    stored = open_case(ensure_preprocessed(cascaded, plan, ["3d_cascade"])["3d_cascade"], case_id)
    predictor = load_predictor([cascaded.workspace.run("3d_cascade", 0).checkpoint], device=CPU)
    empty, full = np.zeros(stored.shape, dtype=np.int16), np.ones(stored.shape, dtype=np.int16)
    one, other = (predictor.predict(stored.read_image(), stored.placement, previous=each) for each in (empty, full))
    assert not np.allclose(one.logits, other.logits)
    with pytest.raises(UsageError, match="3d_cascade sees the segmentation of 3d_lowres beside the image"):
        predictor.predict(stored.read_image(), stored.placement)


def test_select_pairs_the_cascade_with_others(cascaded: Project) -> None:
    selection = ensure_selection(cascaded)
    assert set(selection.validation_dice) == {"3d_lowres", "3d_cascade", "3d_lowres+3d_cascade"}


def test_a_missing_low_resolution_fold_is_named_with_its_command(copied: Project) -> None:
    ensure_selection(copied)
    shutil.rmtree(copied.workspace.trained("3d_lowres"))
    command = f"autoseg train {copied.dataset.folder} --workspace {copied.workspace.root} --configuration 3d_lowres"
    with pytest.raises(WorkspaceError, match=f"Run `{command}` first"):
        load_model(copied.workspace.root, configurations=["3d_cascade"])
    with pytest.raises(WorkspaceError, match=f"Run `{command} --fold 0` first"):
        find_previous(copied, ensure_plan(copied), "3d_cascade", copied.dataset.case_ids)


def test_a_low_resolution_fold_that_was_trained_anew_is_told(copied: Project) -> None:
    wishes = TrainingWishes(configurations=("3d_lowres",), folds=("1",), n_iterations=2, n_workers=0, restart=True)
    train_folds(copied, wishes)
    train_folds(copied, TrainingWishes(configurations=("3d_cascade",), folds=("0",), n_iterations=3))
    warned = " ".join(copied.reporter.warned)  # type: ignore[attr-defined]
    assert "3d_cascade fold 0 learned from models of 3d_lowres that were trained anew since" in warned


def test_a_case_that_no_fold_held_out_is_refused(copied: Project) -> None:
    splits = ensure_splits(copied, ensure_plan(copied))
    kept = splits[1].validation[1:]
    spoilt = splits[1].validation[0]
    changed = splits[1].model_copy(update={"validation": kept, "train": (*splits[1].train, spoilt)})
    write_json(copied.workspace.splits, [splits[0], changed])
    with pytest.raises(WorkspaceError, match=f"no fold validates {spoilt}"):
        find_previous(copied, ensure_plan(copied), "3d_cascade", [spoilt])


def test_an_order_without_a_cascade_stays_as_it_is(cascaded: Project, tmp_path: Path) -> None:
    plan = ensure_plan(cascaded)
    split = ensure_splits(cascaded, plan)[0]
    order = FoldOrder(plan, "3d_fullres", 0, split, tmp_path, Run(tmp_path), Length(n_iterations=1))
    assert ensure_previous(cascaded, order, lambda name, fold: pytest.fail("asked for another order")) is order


def test_a_trained_cascade_fold_is_extended(copied: Project) -> None:
    names, more = ("3d_cascade",), Length(n_iterations=2)
    wishes = TrainingWishes(configurations=names, folds=("0",), n_iterations=3, n_workers=0, extra=more)
    assert set(train_folds(copied, wishes)) == {("3d_cascade", 0)}
    assert read_checkpoint(copied.workspace.run("3d_cascade", 0).checkpoint).facts["iterations"] == 5
