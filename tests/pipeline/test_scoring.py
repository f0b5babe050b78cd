"""Every fold is scored by all metrics, and its report is there for programs, statistics and people."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from autoseg.evaluation import case_metrics
from autoseg.evaluation.evaluating import evaluate_folders
from autoseg.evaluation.options import MetricOptions
from autoseg.evaluation.report import Report
from autoseg.pipeline import scoring
from autoseg.pipeline.project import Project
from autoseg.pipeline.scoring import score_written
from autoseg.serialization import parse_record, read_json


def read_fold(trained: Project) -> Report:
    path = trained.workspace.run("3d_fullres", 0).report
    return parse_record(Report, read_json(path), where=str(path))


def test_a_fold_leaves_json_table_and_text(trained: Project) -> None:
    validation = trained.workspace.run("3d_fullres", 0).validation
    assert {"report.json", "report.csv", "report.md"} <= {path.name for path in validation.iterdir()}
    report = read_fold(trained)
    assert report.options == MetricOptions()
    assert report.definition in (validation / "report.md").read_text(encoding="utf-8")


def test_a_fold_scores_as_its_files_evaluated_from_outside(trained: Project) -> None:
    report = read_fold(trained)
    validation = trained.workspace.run("3d_fullres", 0).validation
    case_ids = [case.case_id for case in report.cases]
    again = evaluate_folders(trained.dataset.folder / "labelsTr", validation, trained.dataset.labels, case_ids=case_ids)
    assert again.summary == report.summary
    assert [case.labels for case in again.cases] == [case.labels for case in report.cases]


def test_early_stopping_may_ask_for_overlap_alone(trained: Project) -> None:
    case = read_fold(trained).cases[0]
    path = trained.workspace.run("3d_fullres", 0).validation / f"{case.case_id}{trained.dataset.file_ending}"
    fast = score_written(trained, case.case_id, path, MetricOptions(groups=("overlap",)))
    assert fast.mean_dice == case.mean_dice
    assert all(math.isnan(scores.hd95) for scores in fast.labels.values())


def test_scores_take_the_threads_that_they_are_given_or_those_of_torch(
    trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch has its share of the cores where several runs train: scoring takes no more."""
    counts: list[int] = []

    def note(*args: Any, n_threads: int, **options: Any) -> Any:
        counts.append(n_threads)
        return case_metrics.evaluate_case(*args, n_threads=1, **options)

    monkeypatch.setattr(scoring, "evaluate_case", note)
    monkeypatch.setattr(scoring, "count_cores", lambda: 16)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    case = read_fold(trained).cases[0]
    path = trained.workspace.run("3d_fullres", 0).validation / f"{case.case_id}{trained.dataset.file_ending}"
    score_written(trained, case.case_id, path)
    score_written(trained, case.case_id, path, n_threads=5)
    assert counts == [3, 5]
