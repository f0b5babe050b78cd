"""How are the cases of a dataset preprocessed, doing only what is missing and never hanging?

Each case is decoded once for all configurations. With several workers, every worker is a process of its own that takes
one case at a time, so that when one dies (most often for lack of memory) the case it died on is known.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from autoseg.data.case import read_case
from autoseg.data.dataset import Case, Dataset
from autoseg.data.image_io import read_header
from autoseg.errors import ResourceError
from autoseg.machine import count_cores, measure_free_memory_bytes
from autoseg.planning.plan import Plan
from autoseg.preprocessing.equalizing import estimate_local_bytes
from autoseg.preprocessing.preprocess import Axes3, align, compute_network_shape, prepare
from autoseg.preprocessing.store import ENDINGS, has_case, write_case
from autoseg.serialization import digest, digest_file

BYTES_PER_VOXEL = 36  # per channel at the peak, while a compressed file of 64-bit floats is decoded: 31.8 were measured
SHARE_OF_FREE_MEMORY = 0.7
VOXELS_PER_WORKER = 50_000_000  # over all grids; fewer do not repay starting a process (benchmarks/LOG.md)
DIED = "its worker process died, most likely for lack of memory"
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)

Progress = Callable[[int, int], None]


def preprocess_cases(
    dataset: Dataset,
    plan: Plan,
    folders: Mapping[str, Path],
    *,
    sources: Mapping[str, Mapping[str, str]] | None = None,
    n_workers: int | None = None,
    on_progress: Progress | None = None,
) -> int:
    """Store what is missing of a dataset's annotated cases for these configurations.

    Args:
        dataset: its `cases`; test cases are left alone.
        plan: how.
        folders: where the data of each configuration lie, by configuration name.
        sources: digest of each input file by name, by case id, where they are known (`CaseFacts.files`); the files are
            read for it otherwise.
        n_workers: processes; 1 works in this one; None derives it from free memory, cores and the number of cases.
        on_progress: called with (cases stored, cases in all) after each case.

    Returns:
        the number of cases that were not stored yet.

    Raises:
        ResourceError: a worker died or ran out of memory; names the case. What was stored before stays.
        DatasetError, NumericalError: a case that cannot be read.
    """
    known = sources or {}
    jobs = [
        CaseJob(case, digest(known.get(case.id) or digest_files(case)), dict(folders), plan) for case in dataset.cases
    ]
    missing = [job for job in jobs if job.missing]
    if n_workers is None:
        n_workers = choose_n_workers([job.case for job in missing], plan)
    finished = _run_here(missing) if min(n_workers, len(missing)) <= 1 else _run_in_workers(missing, n_workers)
    n_stored = len(jobs) - len(missing)
    for count, _ in enumerate(finished, start=n_stored + 1):
        if on_progress is not None:
            on_progress(count, len(jobs))
    return len(missing)


def digest_files(case: Case) -> dict[str, str]:
    """Name a case's input files by their content, in their order."""
    files = [*case.images, *([case.segmentation] if case.segmentation else [])]
    return {f"{position} {path.name}": digest_file(path) for position, path in enumerate(files)}


def choose_n_workers(cases: Sequence[Case], plan: Plan) -> int:
    """As many processes as cores, work and free memory bear, at least one."""
    grids = [list_grids(case, plan) for case in cases]
    n_voxels = sum(math.prod(shape) for shapes in grids for shape in shapes)
    if n_voxels < 2 * VOXELS_PER_WORKER:
        return 1
    largest = max(_estimate_bytes(shapes, plan) for shapes in grids)
    bearable = int(SHARE_OF_FREE_MEMORY * measure_free_memory_bytes() / largest)
    return max(1, min(bearable, count_cores(), len(cases), n_voxels // VOXELS_PER_WORKER))


def estimate_case_bytes(case: Case, plan: Plan) -> int:
    """Peak memory of preprocessing a case, from its header: 36 bytes per voxel and channel of its largest grid, and
    what local equalisation holds beside."""
    return _estimate_bytes(list_grids(case, plan), plan)


def list_grids(case: Case, plan: Plan) -> list[Axes3]:
    """Voxels (in axis order) of a case as it is stored, then on the network grid of each configuration."""
    geometry = read_header(case.images[0]).geometry
    order = plan.axis_order.value
    shape = (geometry.shape[order[0]], geometry.shape[order[1]], geometry.shape[order[2]])
    spacing = (geometry.spacing[order[0]], geometry.spacing[order[1]], geometry.spacing[order[2]])
    targets = [configuration.spacing_mm.value for configuration in plan.configurations.values()]
    return [shape, *(compute_network_shape(shape, spacing, target) for target in targets)]


def _estimate_bytes(grids: Sequence[Axes3], plan: Plan) -> int:
    equalized = any(channel.scheme.value == "clahe" for channel in plan.normalization)
    beside = estimate_local_bytes(grids[0]) if equalized else 0
    return BYTES_PER_VOXEL * len(plan.channels) * max(math.prod(shape) for shape in grids) + beside


@dataclass(frozen=True)
class CaseJob:
    """One case, and where its preprocessed forms belong."""

    case: Case
    source: str
    folders: dict[str, Path]
    plan: Plan

    @property
    def missing(self) -> list[str]:
        """Configurations that the case is not stored for."""
        return [name for name, folder in self.folders.items() if not has_case(folder, self.case.id, self.source)]


def preprocess_case(job: CaseJob) -> None:
    """Read a case once, then prepare and store it for every configuration that lacks it."""
    loaded = read_case(job.case, labels=job.plan.labels, n_channels=len(job.plan.channels))
    aligned = align(loaded.image, loaded.segmentation, loaded.geometry.spacing, job.plan)
    del loaded
    for name in job.missing:
        configuration = job.plan.find_configuration(name)
        patch_size = configuration.patch_size.value
        prepared = prepare(aligned, configuration)
        write_case(job.folders[name], job.case.id, prepared, source=job.source, patch_size=patch_size)


def _run_here(jobs: Sequence[CaseJob]) -> Iterator[None]:
    for job in jobs:
        try:
            preprocess_case(job)
        except MemoryError:
            raise _give_up(job, "memory ran out") from None
        yield


def _run_in_workers(jobs: Sequence[CaseJob], n_workers: int) -> Iterator[None]:
    """Give each process one job at a time; after a failure the others finish theirs, and then it is told."""
    from loky import ProcessPoolExecutor

    environment = dict.fromkeys(THREAD_VARIABLES, str(max(1, count_cores() // n_workers)))
    workers = [ProcessPoolExecutor(max_workers=1, env=environment) for _ in range(min(n_workers, len(jobs)))]
    waiting = iter(jobs)
    try:
        busy = {_submit(worker, job): (worker, job) for worker, job in zip(workers, waiting, strict=False)}
        while busy:
            finished, _ = wait(busy, return_when=FIRST_COMPLETED)
            for future in finished:
                worker, job = busy.pop(future)
                _collect(future, job)
                yield
                busy.update({_submit(worker, job): (worker, job) for job in islice(waiting, 1)})
    finally:
        for worker in workers:
            worker.shutdown(wait=True)


def _submit(worker: Executor, job: CaseJob) -> Future[None]:
    try:
        return worker.submit(preprocess_case, job)
    except BrokenExecutor:  # it died between two cases
        raise _give_up(job, DIED) from None


def _collect(future: Future[None], job: CaseJob) -> None:
    try:
        future.result()
    except BrokenExecutor:
        _remove_traces(job)
        raise _give_up(job, DIED) from None
    except MemoryError:
        raise _give_up(job, "memory ran out") from None


def _remove_traces(job: CaseJob) -> None:
    """Remove what a killed process was writing: no other process works on its case."""
    written = {f"{job.case.id}{ending}" for ending in ENDINGS}
    for folder in job.folders.values():
        for unfinished in folder.glob(".writing-*/*"):
            if unfinished.name in written:
                shutil.rmtree(unfinished.parent, ignore_errors=True)


def _give_up(job: CaseJob, why: str) -> ResourceError:
    need_gb = estimate_case_bytes(job.case, job.plan) / 1e9
    return ResourceError(
        f"Preprocessing case {job.case.id}: {why}. It needs about {need_gb:.1f} GB per worker; "
        "use fewer workers or free memory, then run again: finished cases are kept."
    )
