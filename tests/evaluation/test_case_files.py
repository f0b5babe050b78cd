"""Cases are shared out within memory, and a process that dies is named with its case."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autoseg.data.geometry import Geometry
from autoseg.data.image_io import write_segmentation
from autoseg.data.labels import Labels
from autoseg.errors import ResourceError
from autoseg.evaluation import case_files
from autoseg.evaluation.case_files import CaseJob, choose_n_workers, evaluate_jobs
from autoseg.evaluation.options import MetricOptions

LABELS = Labels(names=("background", "organ"), values=(0, 1))
GEOMETRY = Geometry(shape=(4, 10, 12), spacing=(4.0, 2.0, 0.5))


class Fatal:
    """What ends the process that it is handed to, as the kernel does when memory runs out."""

    def __reduce__(self) -> tuple[object, ...]:
        return os._exit, (1,)


@pytest.fixture
def jobs(tmp_path: Path) -> list[CaseJob]:
    """Three small cases, each its own prediction."""
    paths = [tmp_path / f"{name}.nii.gz" for name in "abc"]
    for path in paths:
        write_segmentation(path, np.ones(GEOMETRY.shape, np.uint8), GEOMETRY)
    return [CaseJob(path.name[0], path, path, LABELS, None, MetricOptions()) for path in paths]


def test_workers_are_as_many_as_cores_cases_work_and_memory_bear(
    jobs: list[CaseJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    n_voxels = 4 * 10 * 12
    assert choose_n_workers(jobs, 8) == 1  # too little work
    monkeypatch.setattr(case_files, "VOXELS_PER_WORKER", n_voxels)
    assert choose_n_workers(jobs, 8) == 3
    assert choose_n_workers(jobs, 2) == 2
    free = 1.5 * case_files.BYTES_PER_VOXEL * n_voxels / case_files.SHARE_OF_FREE_MEMORY
    monkeypatch.setattr(case_files, "measure_free_memory_bytes", lambda: free)
    assert choose_n_workers(jobs, 8) == 1


def test_memory_that_runs_out_names_the_case(jobs: list[CaseJob], monkeypatch: pytest.MonkeyPatch) -> None:
    def run_out(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(case_files, "evaluate_case", run_out)
    with pytest.raises(ResourceError, match="Evaluating case a: memory ran out"):
        list(evaluate_jobs(jobs, 1))


def test_a_process_that_dies_is_named_with_its_case(jobs: list[CaseJob], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case_files, "VOXELS_PER_WORKER", 1)
    fatal = replace(jobs[1], predicted=Fatal())  # type: ignore[arg-type]
    with pytest.raises(ResourceError, match="Evaluating case b: its worker process died"):
        list(evaluate_jobs([jobs[0], fatal], 2))
