"""What does a finished training leave? A checkpoint with the averaged weights, and the state that `--extend` needs."""

from __future__ import annotations

from typing import Any

import torch

from autoseg.networks.checkpoint import Checkpoint, write_checkpoint
from autoseg.networks.device import find_mixed_type
from autoseg.serialization import to_plain
from autoseg.training.continuing import describe_job
from autoseg.training.distributing import count_processes, is_first
from autoseg.training.job import TrainingJob
from autoseg.training.plateau import has_plateaued
from autoseg.training.state import TrainingState, write_state


def finish_training(job: TrainingJob, state: TrainingState) -> Checkpoint:
    """Write the checkpoint, then the state that a longer training would go on from.

    The weights are the averaged ones at the end; those of the best check where training ended early.
    """
    is_early = has_plateaued(job.settings, state)
    weights = state.plateau.weights if is_early else state.average.state_dict()
    facts = _list_facts(job, state) | ({"ended_early_at": state.plateau.best_dice} if is_early else {})
    checkpoint = Checkpoint(weights, job.plan, job.configuration, job.fold, facts)
    if is_first():
        write_checkpoint(job.checkpoint, checkpoint)
        write_state(job.resume, state, describe_job(job))
    return checkpoint


def _list_facts(job: TrainingJob, state: TrainingState) -> dict[str, Any]:
    mixed = find_mixed_type(job.settings.precision.value, job.device)
    return {
        "iterations": state.iteration,
        "skipped": sum(epoch.n_skipped for epoch in state.epochs),
        "spent_s": round(state.spent_s, 1),
        "seed": job.seed,
        "length": to_plain(job.length),
        "base_length": to_plain(job.begun_length),
        "device": str(job.device),
        "processes": count_processes(),
        "precision": str(mixed or torch.float32).removeprefix("torch."),
        "engine": job.engine,
        "pretrained": job.pretrained_from,
        "components": dict(job.components),
        "annotated": to_plain(job.annotated_in_training),
        "torch": torch.__version__,
        "train_ids": list(job.train_ids),
        "validation_ids": list(job.validation_ids),
        "previous": job.previous_sources,
    }
