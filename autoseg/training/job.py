"""What is to be trained, on which cases and for how long, and the batches that this means."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from autoseg.planning.plan import Configuration, Length, Plan
from autoseg.training.batches import Batch, BatchMaker

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

    @property
    def settings(self) -> Configuration:
        return self.plan.find_configuration(self.configuration)


def make_training_batches(job: TrainingJob) -> BatchMaker:
    """Augmented patches of the cases that the fold trains on."""
    settings = job.settings
    return BatchMaker(
        folder=job.store,
        case_ids=job.train_ids,
        patch_size=settings.patch_size.value,
        batch_size=settings.batch_size.value,
        foreground_share=settings.foreground_share.value,
        augmentation=settings.augmentation.value,
        mirroring_axes=settings.mirroring_axes.value,
        seed=job.seed,
    )


def make_validation_batches(job: TrainingJob) -> list[Batch]:
    """Fixed patches of cases that the fold does not train on, without augmentation."""
    if not job.validation_ids:
        return []
    settings = job.settings
    maker = BatchMaker(
        folder=job.store,
        case_ids=job.validation_ids,
        patch_size=settings.patch_size.value,
        batch_size=settings.batch_size.value,
        foreground_share=settings.foreground_share.value,
        augmentation=None,
        mirroring_axes=(),
        seed=job.seed,
    )
    return [maker.make(index) for index in range(N_VALIDATION_BATCHES)]
