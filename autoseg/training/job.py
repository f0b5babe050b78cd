"""What is to be trained, on which cases and for how long, and the batches that this means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from autoseg.planning.choices import Augmentation, Corruption, Length
from autoseg.planning.plan import Configuration, Plan
from autoseg.training.batches import Batch, BatchMaker, PreviousSegmentations

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
        device: where.
        n_workers: processes that make batches; 0 makes them in this one.
        seed: of weights and batches.
        previous: of a cascade, the previous segmentation of each case on the network grid, by case id.
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
    n_workers: int = 1
    seed: int = 0
    previous: Mapping[str, Path] = field(default_factory=dict)

    @property
    def settings(self) -> Configuration:
        return self.plan.find_configuration(self.configuration)

    @property
    def previous_sources(self) -> list[str]:
        """What made the previous segmentations: the names of their folders, which the weights of their makers name."""
        return sorted({path.parent.name for path in self.previous.values()})


def make_training_batches(job: TrainingJob) -> BatchMaker:
    """Augmented patches of the cases that the fold trains on; previous segmentations are damaged."""
    settings = job.settings
    corruption = None if settings.cascade is None else settings.cascade.corruption.value
    return _make_maker(job, job.train_ids, settings.augmentation.value, corruption)


def make_validation_batches(job: TrainingJob) -> list[Batch]:
    """Fixed patches of cases that the fold does not train on, without augmentation or damage."""
    if not job.validation_ids:
        return []
    maker = _make_maker(job, job.validation_ids, None, None)
    return [maker.make(index) for index in range(N_VALIDATION_BATCHES)]


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
    )
