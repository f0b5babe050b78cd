"""The whole way on a small dataset: every artifact is there, and nothing is done twice."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from autoseg.data.image_io import read_header, read_image, read_segmentation, write_volume
from autoseg.errors import UsageError, WorkspaceError
from autoseg.networks.checkpoint import read_checkpoint
from autoseg.pipeline.folds import train_fold
from autoseg.pipeline.model import load_model
from autoseg.pipeline.orders import FoldOrder
from autoseg.pipeline.planning import ensure_plan
from autoseg.pipeline.prediction.predicting import predict_images
from autoseg.pipeline.preparing import ensure_preprocessed, ensure_splits
from autoseg.pipeline.project import Project, open_project
from autoseg.pipeline.selecting import ensure_selection
from autoseg.pipeline.selection import read_selection
from autoseg.pipeline.training import TrainingWishes, train_folds
from autoseg.planning.choices import Length
from autoseg.planning.wishes import Wishes
from autoseg.training.history import read_history
from autoseg.training.job import TrainingJob
from autoseg.training.loop import train
from autoseg.training.watching import Step, Watching
from autoseg.workspace import Run


def test_every_artifact_of_the_workspace_is_there(trained: Project) -> None:
    run = trained.workspace.run("3d_fullres", 1)
    for path in (trained.workspace.plan, trained.workspace.selection, run.checkpoint, run.progress, run.report):
        assert path.is_file()
    assert [epoch.iteration for epoch in read_history(run.history)] == [3]
    assert run.resume.is_file()  # what --extend goes on from
    assert list(trained.workspace.root.rglob(".writing-*")) == []


def test_a_second_run_trains_nothing(trained: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoseg.pipeline.folds.train", lambda *a, **k: pytest.fail("trained again"))
    reports = train_folds(trained, TrainingWishes(configurations=("2d",), folds=("0",), n_iterations=3))
    assert set(reports) == {("2d", 0)}


def test_selection_compared_both_configurations_and_their_ensemble(trained: Project) -> None:
    selection = read_selection(trained.workspace)
    assert selection is not None
    assert set(selection.validation_dice) == {"2d", "3d_fullres", "2d+3d_fullres"}
    assert selection.folds == (0, 1)
    assert ensure_selection(trained) == selection


def test_predictions_lie_where_their_images_lie(trained: Project, phantom: Path, tmp_path: Path) -> None:
    model = load_model(trained.workspace.root)
    (result,) = predict_images(model, phantom / "imagesTs", tmp_path, probabilities=True)
    assert read_header(tmp_path / result.file).geometry == read_header(next((phantom / "imagesTs").iterdir())).geometry
    probabilities = [read_image([path])[0] for path in sorted(tmp_path.glob("*.probability.nii.gz"))]
    assert len(probabilities) == 4
    assert np.allclose(sum(probabilities), 1, atol=5e-3)


def test_predicted_cases_are_not_predicted_again(trained: Project, phantom: Path, tmp_path: Path) -> None:
    model = load_model(trained.workspace.root, configurations=["3d_fullres"], folds=[0])
    predict_images(model, phantom / "imagesTs", tmp_path)
    assert predict_images(model, phantom / "imagesTs", tmp_path)[0].was_there
    other = load_model(trained.workspace.root, configurations=["3d_fullres"], folds=[1])
    with pytest.raises(WorkspaceError, match="predictions of another model"):
        predict_images(other, phantom / "imagesTs", tmp_path)


def test_another_image_under_the_same_name_is_predicted_anew(trained: Project, phantom: Path, tmp_path: Path) -> None:
    model = load_model(trained.workspace.root, configurations=["2d"], folds=[0])
    first, second = sorted((phantom / "imagesTr").iterdir())[:2]
    shutil.copy(first, tmp_path / "image.nii.gz")
    one = predict_images(model, tmp_path / "image.nii.gz", tmp_path / "out")[0]
    shutil.copy(second, tmp_path / "image.nii.gz")
    other = predict_images(model, tmp_path / "image.nii.gz", tmp_path / "out")[0]
    assert not other.was_there
    assert one.volumes_ml != other.volumes_ml


def test_files_of_others_are_not_overwritten(trained: Project, phantom: Path, tmp_path: Path) -> None:
    model = load_model(trained.workspace.root, configurations=["2d"], folds=[0])
    image = next((phantom / "imagesTs").iterdir())
    shutil.copy(image, tmp_path / "scan.nii.gz")
    with pytest.raises(WorkspaceError, match=r"scan.nii.gz: is there already and was not written for scan"):
        predict_images(model, tmp_path / "scan.nii.gz", tmp_path)


def test_an_image_unlike_any_in_training_is_pointed_out(trained: Project, phantom: Path, tmp_path: Path) -> None:
    image, geometry = read_image([next((phantom / "imagesTs").iterdir())])
    coarse = replace(geometry, spacing=(9.0, 1.2, 1.0), direction=(-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0))
    write_volume(tmp_path / "odd.nii.gz", image[0] * 100, coarse)
    model = load_model(trained.workspace.root, configurations=["2d"], folds=[0])
    warnings = " ".join(predict_images(model, tmp_path / "odd.nii.gz", tmp_path / "out")[0].warnings)
    assert "spacing [9.0, 1.2, 1.0] mm (z, y, x)" in warnings
    assert "orientation RAS; training saw LPS" in warnings
    assert "channel 0 reaches from" in warnings


def test_validation_segmentations_use_the_numbers_of_the_dataset(trained: Project) -> None:
    path = next(trained.workspace.run("2d", 0).validation.glob("*.nii.gz"))
    stored, _ = read_segmentation(path)
    assert set(np.unique(stored)) <= set(trained.dataset.labels.values)


def make_job(project: Project, folder: Path, n_iterations: int) -> TrainingJob:
    plan = ensure_plan(project)
    split = ensure_splits(project, plan)[0]
    run = Run(folder)
    return TrainingJob(
        plan=plan,
        configuration="3d_fullres",
        fold="0",
        train_ids=split.train,
        validation_ids=split.validation,
        store=ensure_preprocessed(project, plan, ["3d_fullres"])["3d_fullres"],
        checkpoint=run.checkpoint,
        resume=run.resume,
        history=run.history,
        lock=run.lock,
        length=Length(n_iterations=n_iterations, iterations_per_epoch=2),
        device=torch.device("cpu"),
        n_workers=0,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(
    trained: Project, tmp_path: Path, number: signal.Signals
) -> None:
    whole = train(make_job(trained, tmp_path / "whole", 5))

    def interrupt(step: Step) -> None:
        if step.iteration == 3:
            os.kill(os.getpid(), number)

    job = make_job(trained, tmp_path / "broken", 5)
    with pytest.raises(KeyboardInterrupt):
        train(job, Watching(interrupt))
    assert not job.checkpoint.exists()
    resumed = train(job)
    assert all(torch.equal(whole.weights[name], resumed.weights[name]) for name in whole.weights)
    assert [epoch.epoch for epoch in read_history(job.history)] == [1, 2, 3]


def test_a_run_is_not_continued_with_another_length(trained: Project, tmp_path: Path) -> None:
    job = make_job(trained, tmp_path, 5)
    with pytest.raises(KeyboardInterrupt):
        train(job, Watching(lambda step: os.kill(os.getpid(), signal.SIGINT)))
    with pytest.raises(WorkspaceError, match=r"was begun with another length \(length then: .*5.*--restart"):
        train(replace(job, length=Length(n_iterations=9)))


def test_restarting_keeps_the_run_before(phantom: Path, trained: Project, tmp_path: Path) -> None:
    shutil.copytree(trained.workspace.root, tmp_path / "workspace")
    project = open_project(phantom, workspace=tmp_path / "workspace")
    order = {"configurations": ("2d",), "folds": ("0",), "n_iterations": 1, "n_workers": 0}
    train_folds(project, TrainingWishes(**order, restart=True))
    old = project.workspace.trained("2d") / "fold_0.old1"
    assert read_history(old / "history.jsonl")[-1].iteration == 3
    assert read_history(project.workspace.run("2d", 0).history)[-1].iteration == 1


def test_a_second_process_on_the_same_fold_is_refused(trained: Project, tmp_path: Path) -> None:
    job = make_job(trained, tmp_path, 1)
    refused = []

    def try_to_train() -> None:
        try:
            train(job)
        except WorkspaceError as problem:
            refused.append(str(problem))

    def start_another(step: Step) -> None:
        other = threading.Thread(target=try_to_train)
        other.start()
        other.join()

    train(job, Watching(start_another))
    assert len(refused) == 1
    assert "another process is training this fold" in refused[0]


def test_another_plan_does_not_continue_a_trained_fold(trained: Project, tmp_path: Path) -> None:
    plan = ensure_plan(trained)
    run = trained.workspace.run("3d_fullres", 0)
    settings = plan.find_configuration("3d_fullres")
    batch = settings.batch_size.model_copy(update={"value": 7})
    edited = settings.model_copy(update={"batch_size": batch})
    changed = plan.model_copy(update={"configurations": {"3d_fullres": edited}})
    split = ensure_splits(trained, plan)[0]
    order = FoldOrder(changed, "3d_fullres", 0, split, tmp_path, run, Length(n_iterations=1))
    with pytest.raises(
        WorkspaceError, match=r"trained under another plan, data or split. Train it anew with --restart"
    ):
        train_fold(trained, order)


def test_a_checkpoint_holds_its_plan_as_plain_data(trained: Project) -> None:
    checkpoint = read_checkpoint(trained.workspace.run("2d", 1).checkpoint)
    assert checkpoint.plan == ensure_plan(trained)
    assert (checkpoint.configuration, checkpoint.fold, checkpoint.facts["iterations"]) == ("2d", "1", 3)


def test_a_damaged_checkpoint_is_one_clear_line(trained: Project, tmp_path: Path) -> None:
    whole = trained.workspace.run("2d", 1).checkpoint.read_bytes()
    (tmp_path / "half.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WorkspaceError, match="is damaged or no checkpoint"):
        read_checkpoint(tmp_path / "half.safetensors")


def test_unknown_configurations_and_folds_are_named(trained: Project) -> None:
    with pytest.raises(UsageError, match=r"no configuration 3d_fulres. Did you mean 3d_fullres"):
        train_folds(trained, TrainingWishes(configurations=("3d_fulres",)))
    with pytest.raises(UsageError, match="--fold 9: the splits have folds 0 to 4"):
        train_folds(trained, TrainingWishes(folds=("9",)))


def test_a_changed_dataset_is_noticed(trained: Project, phantom: Path) -> None:
    image = next((phantom / "imagesTs").iterdir())
    before = open_project(phantom, workspace=trained.workspace.root).listing
    image.touch()
    assert open_project(phantom, workspace=trained.workspace.root).listing != before


def test_wishes_are_not_overheard_when_a_fold_was_trained(trained: Project) -> None:
    before = ensure_plan(trained)
    assert ensure_plan(trained, Wishes(train_time_s=3600)) == before
