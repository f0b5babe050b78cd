"""What is to be trained, on which cases and for how long, and the batches that this means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch

from autoseg.networks.pretrained import Pretrained
from autoseg.planning.choices import Augmentation, Corruption, Length
from autoseg.planning.plan import Configuration, Plan
from autoseg.training.batches import Batch, BatchMaker, PreviousSegmentations
from autoseg.training.distributing import count_processes, get_rank

N_VALIDATION_BATCHES = 8  # fixed patches, so that the curve compares epochs and nothing else


@dataclass(frozen=True)
class TrainingJob:
    """What to train, on what, and where to write it.

    Attributes:
        plan, configuration, fold: what to train.
        train_ids, validation_ids: cases of the fold; validation may be empty.
        store: folder of the configuration's preprocessed cases.
        checkpoint, resume, history, lock: files of the run.
        length: how long; the plan's own unless a person asked otherwise.
        base_length: what a run that is extended was begun with; the length itself otherwise.
        device: where.
        engine: who augments patches: worker processes, or the device.
        n_workers: processes that make batches; 0 makes them in this one.
        seed: of weights and batches.
        previous: of a cascade, the previous segmentation of each case on the network grid, by case id.
        annotated: of cases that are annotated in part, which of the network's outputs are.
        pretrained: weights to begin with; None begins with random ones.
        components: dotted paths of a user's own that the plan names, by key.
        times_iterations_alone: whether a training of a given time counts its iterations and nothing around them: not
            its start, nor the first iteration of a sitting, which compiles, nor looks at validation patches, nor saves.
            The first iteration is then left out of the mean seconds of one, too.
    """

    plan: Plan
    configuration: str
    fold: str
    train_ids: tuple[str, ...]
    validation_ids: tuple[str, ...]
    store: Path
    checkpoint: Path
    resume: Path
    history: Path
    lock: Path
    length: Length
    device: torch.device
    base_length: Length | None = None
    engine: Literal["workers", "device"] = "workers"
    n_workers: int = 1
    seed: int = 0
    previous: Mapping[str, Path] = field(default_factory=dict)
    annotated: Mapping[str, tuple[bool, ...]] = field(default_factory=dict)
    pretrained: Pretrained | None = None
    components: Mapping[str, str] = field(default_factory=dict)
    times_iterations_alone: bool = False

    @cached_property
    def settings(self) -> Configuration:
        return self.plan.find_configuration(self.configuration)

    @property
    def begun_length(self) -> Length:
        """The length that the patch schedule runs over: an extension sees whole patches."""
        return self.base_length or self.length

    @property
    def pretrained_from(self) -> str | None:
        """The file of the pretrained weights."""
        return None if self.pretrained is None else self.pretrained.where

    @property
    def annotated_in_training(self) -> dict[str, tuple[bool, ...]]:
        """Of the cases that train, those that are annotated in part."""
        return {case_id: marks for case_id, marks in self.annotated.items() if case_id in self.train_ids}

    @property
    def previous_sources(self) -> list[str]:
        """What made the previous segmentations: the names of their folders, which the weights of their makers name."""
        return sorted({path.parent.name for path in self.previous.values()})


def plan_batches(job: TrainingJob) -> Callable[[float], BatchMaker]:
    """Who makes a batch when a share of the training is spent: makers of smaller patches, then that of whole ones."""
    whole = make_training_batches(job)
    steps = [
        (step.until_share, replace(whole, patch_size=step.patch_size, batch_size=step.batch_size))
        for step in job.settings.patch_schedule.value
    ]

    def choose(share: float) -> BatchMaker:
        return next((maker for until, maker in steps if share < until), whole)

    return choose


def make_training_batches(job: TrainingJob) -> BatchMaker:
    """Augmented patches of the cases that the fold trains on; previous segmentations are damaged."""
    settings = job.settings
    corruption = None if settings.cascade is None else settings.cascade.corruption.value
    maker = _make_maker(job, job.train_ids, settings.augmentation.value, corruption)
    return replace(
        maker,
        engine=job.engine,
        case_sampling=settings.case_sampling.value,
        part=(get_rank(), count_processes()),
    )


def make_validation_batches(job: TrainingJob) -> list[Batch]:
    """Fixed patches of cases that the fold does not train on, without augmentation or damage."""
    if not job.validation_ids:
        return []
    maker = _make_maker(job, job.validation_ids, None, None)
    return [maker.make_finished(index) for index in range(N_VALIDATION_BATCHES)]


def _make_maker(
    job: TrainingJob, case_ids: tuple[str, ...], augmentation: Augmentation | None, corruption: Corruption | None
) -> BatchMaker:
    settings = job.settings
    previous = PreviousSegmentations(job.previous, job.plan.labels.n_labels, corruption)
    return BatchMaker(
        folder=job.store,
        case_ids=case_ids,
        patch_size=settings.patch_size.value,
        batch_size=settings.batch_size.value,
        foreground_share=settings.foreground_share.value,
        augmentation=augmentation,
        mirroring_axes=settings.mirroring_axes.value if augmentation is not None else (),
        seed=job.seed,
        previous=previous if settings.cascade is not None else None,
        annotated={case_id: job.annotated[case_id] for case_id in case_ids if case_id in job.annotated},
    )
