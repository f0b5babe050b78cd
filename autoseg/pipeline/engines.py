"""Who augments patches in a workspace's trainings: on a GPU measured once per configuration, and recorded."""

from __future__ import annotations

from typing import Literal, cast

from loky import ProcessPoolExecutor

from autoseg.decision import Decision
from autoseg.pipeline.project import Project
from autoseg.serialization import parse_record, read_json, write_json
from autoseg.training.continuing import read_saved
from autoseg.training.distributing import first_alone
from autoseg.training.engines import choose_engine, measure_engines
from autoseg.training.job import TrainingJob, make_training_batches

Engine = Literal["workers", "device"]


def settle_engine(project: Project, job: TrainingJob) -> Engine:
    """The engine of the plan; where it says `auto`, that of the saved run, or the faster one here, which is recorded.

    On a CPU `auto` means workers: equal plans give equal weights there, so that no measurement may decide, and the two
    were close: workers made 0.9 to 2.1 times as many patches (benchmarks/LOG.md).

    All folds of a configuration on a device use the same one, so that a training that is repeated in this workspace
    gives the same weights.
    """
    wanted, saved = job.settings.augmentation_engine.value, read_saved(job.resume)
    if wanted != "auto":
        return wanted
    if saved is not None:  # a run goes on as it was begun
        return saved.engine
    if job.device.type == "cpu":
        return "workers"
    with first_alone():
        decision = _find_recorded(project, job) or _measure(project, job)
    return cast(Engine, decision.value)


def _name_situation(job: TrainingJob) -> str:
    patch = "x".join(map(str, job.settings.patch_size.value))
    return f"{job.configuration}, {job.settings.batch_size.value} x {patch}, {job.device.type}"


def _find_recorded(project: Project, job: TrainingJob) -> Decision[str] | None:
    path = project.workspace.engines
    if not path.is_file():
        return None
    known = read_json(path).get(_name_situation(job))
    return None if known is None else parse_record(Decision[str], known, where=str(path))


def _measure(project: Project, job: TrainingJob) -> Decision[str]:
    with ProcessPoolExecutor(1) as apart:  # what augmentation loads would stay in this process' memory
        measuring = apart.submit(measure_engines, make_training_batches(job), job.device, n_workers=job.n_workers)
        decision = choose_engine(measuring.result())
    project.reporter.say(f"Augmentation by {decision.value}: {decision.reason}.")
    path = project.workspace.engines
    known = read_json(path) if path.is_file() else {}
    write_json(path, {**known, _name_situation(job): decision})
    return decision
