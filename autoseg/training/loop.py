"""How a network is trained: from a plan and a folder of preprocessed cases to a checkpoint.

The loop spends a length (iterations or wall-clock time), saves its state after every epoch, every few minutes and on
interruption, and continues from it. Source: nnU-Net's training as in Isensee et al. 2021, with everything variable read
from the plan.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from autoseg.errors import NumericalError, ResourceError
from autoseg.networks.checkpoint import Checkpoint
from autoseg.networks.device import (
    explaining_out_of_memory,
    forget_peak_memory,
    give_back_memory,
    measure_peak_memory_gb,
)
from autoseg.planning.plan import Configuration
from autoseg.training.batches import Batch, RawBatch
from autoseg.training.beginning import owning, prepare_forward, start_or_resume, start_stream
from autoseg.training.continuing import describe_job
from autoseg.training.distributing import agree, gather_values, is_first, share_first
from autoseg.training.finishing import finish_training
from autoseg.training.history import Epoch, append_epoch
from autoseg.training.inputs import place_batch
from autoseg.training.interrupting import Interruption, waiting_for_the_iteration
from autoseg.training.job import TrainingJob, make_validation_batches
from autoseg.training.plateau import has_plateaued, note_check
from autoseg.training.randomness import seeded
from autoseg.training.sampling import PatchPlace
from autoseg.training.schedule import learning_rate_at
from autoseg.training.spending import is_epoch_over, share_spent
from autoseg.training.state import Tally, TrainingState, write_state
from autoseg.training.stepping import Forward, Outcome, Recipe, take_step
from autoseg.training.streaming import BatchStream
from autoseg.training.validating import measure_patch_dice
from autoseg.training.watching import UNWATCHED, Step, Watching

SAVE_EVERY_S = 300.0  # in epochs that take longer; a killed run loses no more


def train(job: TrainingJob, watching: Watching = UNWATCHED) -> Checkpoint:
    """Train to the end of the job's length, from the start or from where an earlier run stopped.

    Raises:
        WorkspaceError: another process trains this fold, or the saved state belongs to another plan.
        NumericalError: the loss or its gradient became NaN or infinite, twice in an epoch.
        ResourceError: the device's memory or a worker gave up, or torch could not compile the network.
        KeyboardInterrupt: somebody interrupted; the state is saved as it was after the last iteration.
    """
    clock = _Clock(times_iterations_alone=job.times_iterations_alone)
    with owning(job), explaining_out_of_memory(_describe_holding(job.settings)), seeded(job.seed, job.device):
        forget_peak_memory(job.device)
        state = start_or_resume(job, on_note=watching.on_note)
        clock.add(state.spent_s)
        with start_stream(job, state) as batches, waiting_for_the_iteration() as interruption:
            forward = prepare_forward(job, state, on_note=watching.on_note)
            run = _Run(job, state, watching, clock, batches, interruption, forward)
            clock.leave_out_so_far(state.spent_s)
            while (run.share < 1 or state.tally.n_iterations) and not has_plateaued(job.settings, state):
                _run_epoch(run)
                if run.agree_on_interruption():
                    raise KeyboardInterrupt
        state.is_finished = True
        return finish_training(job, state)


class _Clock:
    """Wall-clock seconds of training: of this sitting from its very beginning, and of the earlier ones.

    Where iterations alone are timed, it stands still while anything else is done.
    """

    def __init__(self, *, times_iterations_alone: bool) -> None:
        self._zero = time.monotonic()
        self._times_iterations_alone = times_iterations_alone

    def leave_out_so_far(self, spent_s: float) -> None:
        """Go on from so many seconds, as if nothing had been done since, where iterations alone are timed."""
        if self._times_iterations_alone:
            self._zero = time.monotonic() - spent_s

    def add(self, spent_s: float) -> None:
        self._zero -= spent_s

    def read(self) -> float:
        return time.monotonic() - self._zero


@dataclass
class _Run:
    """A training in motion: what its epochs and iterations share."""

    job: TrainingJob
    state: TrainingState
    watching: Watching
    clock: _Clock
    batches: BatchStream[Batch | RawBatch]
    interruption: Interruption
    forward: Forward
    saved_s: float = 0.0
    is_warm: bool = False
    checks: Sequence[Batch] = field(default_factory=list)
    recipe: Recipe = field(init=False)

    def __post_init__(self) -> None:
        settings = self.job.settings
        self.recipe = Recipe(
            settings.loss.value, settings.batch_dice.value, settings.optimizer.value, settings.precision.value
        )
        self.checks = make_validation_batches(self.job) if is_first() else []
        self.saved_s = self.clock.read()

    @property
    def share(self) -> float:
        return _share(self.job, self.state)

    @property
    def is_epoch_over(self) -> bool:
        """Whether the epoch has had its part; an interrupted one may have, and goes on with what follows it."""
        tally = self.state.tally
        spent_s = self.state.spent_s - tally.began_s
        return is_epoch_over(self.job.length, n_iterations=tally.n_iterations, spent_s=spent_s, share=self.share)

    def agree_on_interruption(self) -> bool:
        """Read the clock, and whether somebody wishes to stop, alike in all processes."""
        self.state.spent_s, wished = agree(self.clock.read(), float(self.interruption.is_wished))
        return wished > 0

    def save(self) -> None:
        if is_first():
            write_state(self.job.resume, self.state, describe_job(self.job))
        self.clock.leave_out_so_far(self.state.spent_s)
        self.saved_s = self.clock.read()


def _run_epoch(run: _Run) -> None:
    """Iterations until the epoch has had its part of the training, a look at validation patches, a line of history."""
    state, job = run.state, run.job
    while not run.is_epoch_over:
        _run_iteration(run)
        if not run.is_warm:  # it waited for the first batch, and compiled
            run.is_warm = True
            run.clock.leave_out_so_far(state.spent_s)
        if run.agree_on_interruption():
            run.save()
            raise KeyboardInterrupt
        if run.clock.read() - run.saved_s > SAVE_EVERY_S:
            run.save()
    dice = measure_patch_dice(state.average, run.checks, job.plan.labels, job.device) if run.checks else {}
    state.epoch += 1
    whole = _check_whole_cases(run)
    run.clock.leave_out_so_far(state.spent_s)
    state.spent_s, _ = agree(run.clock.read(), 0.0)
    epoch = _sum_up(run, dice, whole)
    state.epochs.append(epoch)
    state.tally = Tally(began_s=state.spent_s)
    if is_first():
        append_epoch(job.history, epoch)
    run.save()
    give_back_memory()
    run.watching.on_epoch(epoch)
    run.clock.leave_out_so_far(state.spent_s)


def _run_iteration(run: _Run) -> None:
    state, job, began, waited = run.state, run.job, time.monotonic(), run.batches.waited_s
    batch = next(run.batches)
    rate = learning_rate_at(run.share, run.recipe.optimizer)
    inputs = place_batch(batch, job.plan.labels, job.device, job.settings.augmentation.value)
    outcome = _explaining_compilation(run, lambda: take_step(state, run.forward, inputs, run.recipe, rate=rate))
    tally = state.tally
    iteration_s = time.monotonic() - began
    tally.trained_s += iteration_s
    if job.times_iterations_alone and not run.is_warm:
        tally.n_untimed += 1
        tally.untimed_s += iteration_s
    tally.waited_s += run.batches.waited_s - waited
    _count(tally, outcome)
    if outcome.problem is not None and tally.n_skipped > 1:
        raise NumericalError(_describe_problem(state, batch, outcome.problem))
    shown = Step(
        iteration=state.iteration,
        share=run.share,
        spent_s=run.clock.read(),
        loss=outcome.loss,
        terms=outcome.terms,
        learning_rate=rate,
        iteration_s=tally.iteration_s,
        waiting_share=tally.waiting_share,
        memory_gb=measure_peak_memory_gb(job.device),
        problem=None if outcome.problem is None else _describe_problem(state, batch, outcome.problem),
    )
    run.watching.on_step(shown)


def _count(tally: Tally, outcome: Outcome) -> None:
    tally.n_iterations += 1
    if outcome.problem is not None:
        tally.n_skipped += 1
        return
    tally.loss += outcome.loss
    tally.terms = {name: tally.terms.get(name, 0.0) + value for name, value in outcome.terms.items()}


def _check_whole_cases(run: _Run) -> float | None:
    """Mean Dice of whole validation cases, where early stopping asks for it after this epoch."""
    stopping, score = run.job.settings.early_stopping.value, run.watching.score_cases
    if stopping is None or score is None or run.state.epoch % stopping.check_every:
        return None
    dice = share_first(score(run.state.average) if is_first() else None)
    note_check(run.state, dice, stopping)
    return dice


def _sum_up(run: _Run, dice: dict[str, float | None], whole: float | None) -> Epoch:
    state, tally = run.state, run.state.tally
    n_effective = max(tally.n_iterations - tally.n_skipped, 1)
    return Epoch(
        epoch=state.epoch,
        iteration=state.iteration,
        spent_s=round(state.spent_s, 3),
        share=run.share,
        learning_rate=state.optimizer.param_groups[0]["lr"],
        loss=tally.loss / n_effective,
        terms={name: value / n_effective for name, value in tally.terms.items()},
        validation_dice=dice,
        iteration_s=tally.iteration_s,
        waiting_share=tally.waiting_share,
        memory_gb=measure_peak_memory_gb(run.job.device),
        n_skipped=tally.n_skipped,
        whole_case_dice=whole,
    )


def _share(job: TrainingJob, state: TrainingState) -> float:
    return share_spent(job.length, iteration=state.iteration, spent_s=state.spent_s)


def _describe_problem(state: TrainingState, batch: Batch | RawBatch, problem: str) -> str:
    places: list[PatchPlace] = gather_values(list(batch.places))
    shown = "; ".join(f"{place.case_id} at {tuple(place.start)}" for place in places)
    return (
        f"The {problem} in iteration {state.iteration}. The batch held patches of: {shown}. Look for NaN or extreme "
        "intensities there, or lower optimizer.learning_rate in the plan."
    )


def _describe_holding(settings: Configuration) -> str:
    return f"a batch of {settings.batch_size.value} patches of {settings.patch_size.value} ({settings.network.value})"


def _explaining_compilation(run: _Run, step: Callable[[], Outcome]) -> Outcome:
    try:
        return step()
    except torch._dynamo.exc.BackendCompilerFailed as problem:
        first = str(problem).splitlines()[0]
        raise ResourceError(
            f"torch could not compile {run.job.settings.network.value} ({first}). It needs a C++ compiler on a CPU and "
            "Triton on a GPU: install them, or set compile to false in the plan."
        ) from None
