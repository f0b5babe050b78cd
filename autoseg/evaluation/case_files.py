"""How are the files of many cases scored, in bounded memory, without hanging?

One case at a time, or several in processes of their own: as many as cores, work and free memory bear. Every process
takes one case at a time, so that when one dies (most often for lack of memory) the case it died on is known. Where
fewer cases than cores are worked on, the cores left measure labels side by side.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from autoseg.data.geometry import Geometry, describe_differences, refuse_bad_spacing
from autoseg.data.labels import Labels, encode_labels
from autoseg.data.probability_reading import find_probabilities
from autoseg.errors import AutosegError, DatasetError, ResourceError
from autoseg.evaluation.case_metrics import evaluate_case
from autoseg.evaluation.label_metrics import Array
from autoseg.evaluation.options import MetricOptions
from autoseg.evaluation.report import CaseScores
from autoseg.machine import count_cores, measure_free_memory_bytes

BYTES_PER_VOXEL = 25  # at the peak; measured: 24.0 where one label fills half, 7.7 of 122 organs, 14.4 of calibration
SHARE_OF_FREE_MEMORY = 0.7
VOXELS_PER_WORKER = 50_000_000  # over all cases; fewer do not repay starting a process
DIED = "its worker process died, most likely for lack of memory"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class CaseJob:
    """A case to score; `predicted` is None where it is missing, `probabilities` is the folder of all cases."""

    case_id: str
    reference: Path
    predicted: Path | None
    labels: Labels
    annotated: tuple[str, ...] | None
    options: MetricOptions
    probabilities: Path | None = None


def evaluate_files(job: CaseJob, n_threads: int = 1) -> CaseScores:
    """Read a case and score it.

    Raises:
        DatasetError: a file cannot be read, holds an undeclared label or no usable spacing, or lies on another grid
            than its reference.
    """
    reference, geometry = _read(job.reference, job.labels)
    predicted = None
    if job.predicted is not None:
        predicted, its_geometry = _read(job.predicted, job.labels.model_copy(update={"ignore_value": None}))
        _require_equal(geometry, its_geometry, job)
    return evaluate_case(
        reference,
        predicted,
        labels=job.labels,
        geometry=geometry,
        case_id=job.case_id,
        annotated=job.annotated,
        options=job.options,
        probabilities=_find_probabilities(job),
        n_threads=n_threads,
    )


def _find_probabilities(job: CaseJob) -> dict[str, Path] | None:
    """Files by label; none of a case without a prediction, which is a miss, and None where nobody asked for them."""
    if job.probabilities is None:
        return None
    return {} if job.predicted is None else find_probabilities(job.probabilities, job.case_id, job.labels)


def _read(path: Path, labels: Labels) -> tuple[Array, Geometry]:
    from autoseg.data.image_io import read_segmentation

    stored, geometry = read_segmentation(path)
    refuse_bad_spacing(geometry, str(path))
    return encode_labels(stored, labels, where=str(path)), geometry


def _require_equal(one: Geometry, other: Geometry, job: CaseJob) -> None:
    differences = describe_differences(one, other)
    if differences:
        raise DatasetError(
            f"{job.predicted}: does not lie on its reference {job.reference}: {'; '.join(differences)} (reference "
            "against predicted). Resample the prediction onto the reference's grid."
        )


def evaluate_jobs(jobs: Sequence[CaseJob], n_jobs: int | None = None) -> Iterator[CaseScores]:
    """Score cases, in any order.

    Args:
        jobs: the cases.
        n_jobs: cores to use; None for all.

    Raises:
        DatasetError: see `evaluate_files`.
        ResourceError: a worker died or memory ran out; names the case.
    """
    n_cores = n_jobs or count_cores()
    n_workers = choose_n_workers(jobs, n_cores)
    if n_workers <= 1:
        return _run_here(jobs, n_cores)
    return _run_in_workers(jobs, n_workers, n_cores // n_workers)


def choose_n_workers(jobs: Sequence[CaseJob], n_cores: int) -> int:
    """As many processes as cores, cases, work and free memory bear, at least one."""
    sizes = [_count_voxels(job) for job in jobs]
    bearable = int(SHARE_OF_FREE_MEMORY * measure_free_memory_bytes() / (BYTES_PER_VOXEL * max(1, *sizes)))
    return max(1, min(n_cores, len(jobs), bearable, sum(sizes) // VOXELS_PER_WORKER))


def _count_voxels(job: CaseJob) -> int:
    """Of a case; 0 where its header cannot be read, which is told when it is its turn."""
    from autoseg.data.image_io import read_header

    try:
        return math.prod(read_header(job.reference).geometry.shape)
    except AutosegError:
        return 0


def _run_here(jobs: Sequence[CaseJob], n_threads: int) -> Iterator[CaseScores]:
    for job in jobs:
        try:
            yield evaluate_files(job, n_threads)
        except MemoryError:
            raise _give_up(job, "memory ran out") from None


def _run_in_workers(jobs: Sequence[CaseJob], n_workers: int, n_threads: int) -> Iterator[CaseScores]:
    """Give each process one case at a time; after a failure the others finish theirs, and then it is told."""
    from loky import ProcessPoolExecutor

    environment = dict.fromkeys(THREAD_VARIABLES, str(n_threads))
    workers = [ProcessPoolExecutor(max_workers=1, env=environment) for _ in range(n_workers)]
    waiting = iter(jobs)
    try:
        busy = {_submit(worker, job, n_threads): (worker, job) for worker, job in zip(workers, waiting, strict=False)}
        while busy:
            finished, _ = wait(busy, return_when=FIRST_COMPLETED)
            for future in finished:
                worker, job = busy.pop(future)
                yield _collect(future, job)
                busy.update({_submit(worker, job, n_threads): (worker, job) for job in islice(waiting, 1)})
    finally:
        for worker in workers:
            worker.shutdown(wait=True)


def _submit(worker: Executor, job: CaseJob, n_threads: int) -> Future[CaseScores]:
    try:
        return worker.submit(evaluate_files, job, n_threads)
    except BrokenExecutor:  # it died between two cases
        raise _give_up(job, DIED) from None


def _collect(future: Future[CaseScores], job: CaseJob) -> CaseScores:
    """Scores as this process would have made them: an undefined one that comes from another is another NaN."""
    try:
        return CaseScores.model_validate(future.result().model_dump())
    except BrokenExecutor:
        raise _give_up(job, DIED) from None
    except MemoryError:
        raise _give_up(job, "memory ran out") from None


def _give_up(job: CaseJob, why: str) -> ResourceError:
    need_gb = BYTES_PER_VOXEL * _count_voxels(job) / 1e9
    return ResourceError(
        f"Evaluating case {job.case_id}: {why}. It needs about {need_gb:.1f} GB; free memory, or use fewer cores "
        "(--jobs 1)."
    )
