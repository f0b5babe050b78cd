"""How a network is trained: from a plan and a folder of preprocessed cases to a checkpoint.

The loop spends a length (iterations or wall-clock time), saves its state after every epoch and on interruption, and
continues from it. Source: nnU-Net's training as in Isensee et al. 2021, with everything variable read from the plan.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from autoseg.errors import NumericalError
from autoseg.networks.checkpoint import Checkpoint, write_checkpoint
from autoseg.planning.plan import Configuration
from autoseg.serialization import to_plain
from autoseg.training.batches import Batch
from autoseg.training.continuing import describe_job, holding, refuse_other_job
from autoseg.training.device import (
    computes_in_bfloat16,
    explaining_out_of_memory,
    forget_peak_memory,
    measure_peak_memory_gb,
    move_input,
)
from autoseg.training.history import Epoch, append_epoch, cut_history
from autoseg.training.interrupting import Interruption, waiting_for_the_iteration
from autoseg.training.job import TrainingJob, make_training_batches, make_validation_batches
from autoseg.training.losses import compute_loss
from autoseg.training.schedule import count_epochs, is_epoch_over, learning_rate_at, share_spent
from autoseg.training.state import TrainingState, read_state, start_state, update_average, write_state
from autoseg.training.streaming import BatchStream
from autoseg.training.validating import measure_patch_dice

N_BATCHES_AHEAD = 4


@dataclass(frozen=True)
class Step:
    """What one iteration showed, for a progress bar."""

    iteration: int
    share: float
    loss: float
    learning_rate: float
    spent_s: float


def train(
    job: TrainingJob,
    *,
    on_step: Callable[[Step], None] = lambda step: None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> Checkpoint:
    """Train to the end of the job's length, from the start or from where an earlier run stopped.

    Args:
        on_step: called after every iteration.
        on_epoch: called after every epoch, when its history line and state are on disk.

    Raises:
        WorkspaceError: another process trains this fold, or the saved state belongs to another plan.
        NumericalError: the loss became NaN or infinite.
        ResourceError: the device's memory or a worker gave up.
        KeyboardInterrupt: somebody interrupted; the state is saved as it was after the last iteration.
    """
    with holding(job.lock), explaining_out_of_memory(_describe_holding(job.settings)):
        forget_peak_memory(job.device)
        state = _start_or_resume(job)
        checks = make_validation_batches(job)
        stream = BatchStream(
            make_training_batches(job), start=state.iteration, n_workers=job.n_workers, n_ahead=N_BATCHES_AHEAD
        )
        with stream as batches, waiting_for_the_iteration() as interruption:
            clock = _Clock(state.spent_s)
            while state.epoch < count_epochs(job.length) and share_spent_by(job, state) < 1:
                epoch = _run_epoch(job, state, batches, checks, clock, interruption, on_step)
                append_epoch(job.history, epoch)
                _save(job, state)
                on_epoch(epoch)
                if interruption.is_wished:
                    raise KeyboardInterrupt
        return _finish(job, state)


def share_spent_by(job: TrainingJob, state: TrainingState) -> float:
    """How much of the job a state has spent, from 0 to 1."""
    return share_spent(job.length, iteration=state.iteration, spent_s=state.spent_s)


class _Clock:
    """Wall-clock seconds of training, earlier sittings included."""

    def __init__(self, spent_s: float) -> None:
        self._zero = time.monotonic() - spent_s

    def read(self) -> float:
        return time.monotonic() - self._zero


def _run_epoch(
    job: TrainingJob,
    state: TrainingState,
    batches: BatchStream,
    checks: Sequence[Batch],
    clock: _Clock,
    interruption: Interruption,
    on_step: Callable[[Step], None],
) -> Epoch:
    first, began, waited = state.iteration, clock.read(), batches.waited_s
    losses: list[float] = []
    terms: dict[str, float] = {}
    while True:
        rate, loss, shown = _run_iteration(job, state, next(batches))
        state.spent_s = clock.read()
        losses.append(loss)
        terms = {name: terms.get(name, 0.0) + value for name, value in shown.items()}
        on_step(Step(state.iteration, share_spent_by(job, state), loss, rate, state.spent_s))
        if interruption.is_wished:
            _save(job, state)
            raise KeyboardInterrupt
        if is_epoch_over(job.length, state.epoch, iteration=state.iteration, spent_s=state.spent_s):
            break
    trained_s, n_iterations = state.spent_s - began, state.iteration - first
    dice = measure_patch_dice(state.average, checks, job.plan.labels, job.device)
    state.epoch += 1
    state.spent_s = clock.read()
    return Epoch(
        epoch=state.epoch,
        iteration=state.iteration,
        spent_s=round(state.spent_s, 3),
        share=share_spent_by(job, state),
        learning_rate=rate,
        loss=sum(losses) / n_iterations,
        terms={name: value / n_iterations for name, value in terms.items()},
        validation_dice=dice,
        iteration_s=trained_s / n_iterations,
        waiting_share=min((batches.waited_s - waited) / max(trained_s, 1e-9), 1.0),
        memory_gb=measure_peak_memory_gb(job.device),
    )


def _run_iteration(job: TrainingJob, state: TrainingState, batch: Batch) -> tuple[float, float, dict[str, float]]:
    """One step of the optimiser. Returns the learning rate, the loss, and its terms."""
    settings = job.settings.optimizer.value
    rate = learning_rate_at(share_spent_by(job, state), settings)
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    image = move_input(batch, job.plan.labels.n_labels, job.device)
    target = torch.from_numpy(batch.segmentation).to(job.device, non_blocking=True).long()
    state.network.train()
    is_mixed = computes_in_bfloat16(job.settings.precision.value, job.device)
    with torch.autocast(job.device.type, torch.bfloat16, enabled=is_mixed):
        levels = state.network(image)
    loss, terms = compute_loss(levels, target, job.settings.loss.value, batch_dice=job.settings.batch_dice.value)
    shown = float(loss.detach())
    if not math.isfinite(shown):
        raise NumericalError(_describe_bad_loss(state, batch, shown))
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    norm = torch.nn.utils.clip_grad_norm_(state.network.parameters(), settings.gradient_clip_norm)
    if not math.isfinite(float(norm)):
        raise NumericalError(_describe_bad_loss(state, batch, float(norm), what="norm of the gradient"))
    state.optimizer.step()
    state.iteration += 1
    update_average(state, settings.ema_decay)
    return rate, shown, terms


def _describe_bad_loss(state: TrainingState, batch: Batch, value: float, *, what: str = "loss") -> str:
    places = "; ".join(f"{place.case_id} at {tuple(place.start)}" for place in batch.places)
    return (
        f"The {what} of iteration {state.iteration + 1} is {value}. The batch held patches of: {places}. "
        "Look for NaN or extreme intensities there, or lower optimizer.learning_rate in the plan."
    )


def _describe_holding(settings: Configuration) -> str:
    return f"a batch of {settings.batch_size.value} patches of {settings.patch_size.value} ({settings.network.value})"


def _start_or_resume(job: TrainingJob) -> TrainingState:
    state = start_state(
        job.settings,
        n_channels=len(job.plan.channels),
        n_labels=job.plan.labels.n_labels,
        device=job.device,
        seed=job.seed,
    )
    if job.resume.is_file():
        content = read_state(job.resume, state)
        refuse_other_job(job, content)
    cut_history(job.history, state.epoch)
    return state


def _save(job: TrainingJob, state: TrainingState) -> None:
    write_state(job.resume, state, describe_job(job))


def _finish(job: TrainingJob, state: TrainingState) -> Checkpoint:
    facts: dict[str, Any] = {
        "iterations": state.iteration,
        "spent_s": round(state.spent_s, 1),
        "seed": job.seed,
        "length": to_plain(job.length),
        "device": str(job.device),
        "torch": torch.__version__,
        "train_ids": list(job.train_ids),
        "validation_ids": list(job.validation_ids),
        "previous": job.previous_sources,
    }
    checkpoint = Checkpoint(state.average.state_dict(), job.plan, job.configuration, job.fold, facts)
    write_checkpoint(job.checkpoint, checkpoint)
    job.resume.unlink(missing_ok=True)
    return checkpoint
