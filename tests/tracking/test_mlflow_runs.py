"""A training is one run of MLflow, in however many sittings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autoseg.tracking import TrackerFolder, open_tracker

pytest.importorskip("mlflow", reason="pip install autoseg[mlflow]")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrackerFolder:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "")  # what the tracker sets ends with the test
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE")
    return TrackerFolder(tmp_path / "fold_0", "3d_fullres, fold 0", address=str(tmp_path / "mlruns"))


def read_runs(place: TrackerFolder) -> list[Any]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=place.address)
    experiment = client.get_experiment_by_name("autoseg")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id]))


def test_run_holds_parameters_and_metrics(place: TrackerFolder) -> None:
    tracker = open_tracker("mlflow", place)
    tracker.begin({"batch_size": 2, "topology": "x" * 9000})
    tracker.record(10, {"loss": 0.5, "dice/left, upper": 0.25})
    tracker.close(is_finished=True)
    (run,) = read_runs(place)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "3d_fullres, fold 0")
    assert (run.data.params["batch_size"], run.data.metrics) == ("2", {"loss": 0.5, "dice/left_ upper": 0.25})


def test_continued_training_goes_on_in_its_run(place: TrackerFolder) -> None:
    first = open_tracker("mlflow", place)
    first.begin({"batch_size": 2})
    first.close(is_finished=False)
    assert read_runs(place)[0].info.status == "KILLED"
    second = open_tracker("mlflow", TrackerFolder(place.folder, place.name, 10, place.address))
    second.begin({"batch_size": 2})
    second.record(20, {"loss": 0.25})
    (run,) = read_runs(place)
    assert (run.info.status, run.data.metrics) == ("RUNNING", {"loss": 0.25})


def test_restarted_training_is_another_run(place: TrackerFolder) -> None:
    for _ in range(2):
        open_tracker("mlflow", place).close(is_finished=True)
    assert len(read_runs(place)) == 2
