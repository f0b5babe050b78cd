"""How a network is trained: from a plan and a folder of preprocessed cases to a checkpoint.

The loop spends a length (iterations or wall-clock time), saves its state after every epoch, every few minutes and on
interruption, and continues from it. Source: nnU-Net's training as in Isensee et al. 2021, with everything variable read
from the plan.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import nn

from autoseg.errors import NumericalError, ResourceError, UsageError
from autoseg.networks.checkpoint import Checkpoint
from autoseg.networks.pretrained import describe_loaded, load_pretrained
from autoseg.planning.plan import Configuration
from autoseg.training.batches import Batch, BatchMaker, RawBatch
from autoseg.training.continuing import describe_job, holding, refuse_other_job
from autoseg.training.device import (
    explaining_out_of_memory,
    find_mixed_type,
    forget_peak_memory,
    measure_peak_memory_gb,
)
from autoseg.training.distributing import agree, count_processes, gather_values, is_first, share_first, spread
from autoseg.training.finishing import finish_training
from autoseg.training.history import Epoch, append_epoch, write_history
from autoseg.training.inputs import place_batch
from autoseg.training.interrupting import Interruption, waiting_for_the_iteration
from autoseg.training.job import TrainingJob, make_validation_batches, plan_batches
from autoseg.training.losses import find_terms
from autoseg.training.plateau import has_plateaued, note_check
from autoseg.training.randomness import seeded
from autoseg.training.sampling import PatchPlace
from autoseg.training.schedule import find_schedule, learning_rate_at
from autoseg.training.spending import is_epoch_over, share_spent
from autoseg.training.state import Tally, TrainingState, read_state, start_state, write_state
from autoseg.training.stepping import Forward, Outcome, Recipe, take_step
from autoseg.training.streaming import BatchStream
from autoseg.training.validating import measure_patch_dice

N_BATCHES_AHEAD = 4
SAVE_EVERY_S = 300.0  # in epochs that take longer; a killed run loses no more


@dataclass(frozen=True)
class Step:
    """What one iteration showed, for a progress bar.

    Attributes:
        iteration, share, spent_s: of the training so far.
        loss, terms, learning_rate: of this iteration.
        iteration_s, waiting_share: mean seconds of the epoch's iterations, and the share of them spent waiting.
        memory_gb: peak so far.
        problem: what was not finite, so that the iteration changed nothing.
    """

    iteration: int
    share: float
    spent_s: float
    loss: float
    terms: dict[str, float]
    learning_rate: float
    iteration_s: float
    waiting_share: float
    memory_gb: float
    problem: str | None = None


def ignore(shown: object) -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class Watching:
    """Who is told, and who looks at whole cases.

    Attributes:
        on_step: called after every iteration.
        on_epoch: called after every epoch, when its history line and state are on disk.
        on_note: told what a person should know of how the training began.
        score_cases: mean Dice of a network over the whole validation cases, for early stopping; None where there is
            nobody to ask.
    """

    on_step: Callable[[Step], None] = ignore
    on_epoch: Callable[[Epoch], None] = ignore
    on_note: Callable[[str], None] = ignore
    score_cases: Callable[[nn.Module], float | None] | None = None


UNWATCHED = Watching()


def train(job: TrainingJob, watching: Watching = UNWATCHED) -> Checkpoint:
    """Train to the end of the job's length, from the start or from where an earlier run stopped.

    Raises:
        WorkspaceError: another process trains this fold, or the saved state belongs to another plan.
        NumericalError: the loss or its gradient became NaN or infinite, twice in an epoch.
        ResourceError: the device's memory or a worker gave up, or torch could not compile the network.
        KeyboardInterrupt: somebody interrupted; the state is saved as it was after the last iteration.
    """
    clock = _Clock()
    with _owning(job), explaining_out_of_memory(_describe_holding(job.settings)), seeded(job.seed, job.device):
        forget_peak_memory(job.device)
        find_terms(job.settings.loss.value, batch_dice=job.settings.batch_dice.value)  # a bad plan fails here already
        find_schedule(job.settings.optimizer.value.schedule)
        state = _start_or_resume(job, clock, watching)
        with _start_stream(job, state) as batches, waiting_for_the_iteration() as interruption:
            run = _Run(job, state, watching, clock, batches, interruption, _prepare_forward(job, state))
            while run.share < 1 and not has_plateaued(job.settings, state):
                _run_epoch(run)
                if run.agree_on_interruption():
                    raise KeyboardInterrupt
        state.is_finished = True
        return finish_training(job, state)


class _Clock:
    """Wall-clock seconds of training: of this sitting from its very beginning, and of the earlier ones."""

    def __init__(self) -> None:
        self._zero = time.monotonic()

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

    def agree_on_interruption(self) -> bool:
        """Read the clock and whether somebody wishes to stop, alike in all processes."""
        self.state.spent_s, wished = agree(self.clock.read(), float(self.interruption.is_wished))
        return wished > 0

    def save(self) -> None:
        if is_first():
            write_state(self.job.resume, self.state, describe_job(self.job))
        self.saved_s = self.clock.read()


def _run_epoch(run: _Run) -> None:
    """Iterations until the epoch has had its part of the training, a look at validation patches, a line of history."""
    state, job = run.state, run.job
    while True:
        _run_iteration(run)
        if run.agree_on_interruption():
            run.save()
            raise KeyboardInterrupt
        tally = state.tally
        if is_epoch_over(job.length, n_iterations=tally.n_iterations, trained_s=tally.trained_s, share=run.share):
            break
        if run.clock.read() - run.saved_s > SAVE_EVERY_S:
            run.save()
    dice = measure_patch_dice(state.average, run.checks, job.plan.labels, job.device) if run.checks else {}
    state.epoch += 1
    whole = _check_whole_cases(run)
    state.spent_s, _ = agree(run.clock.read(), 0.0)
    epoch = _sum_up(run, dice, whole)
    state.epochs.append(epoch)
    state.tally = Tally()
    if is_first():
        append_epoch(job.history, epoch)
    run.save()
    run.watching.on_epoch(epoch)


def _run_iteration(run: _Run) -> None:
    state, job, began, waited = run.state, run.job, run.clock.read(), run.batches.waited_s
    batch = next(run.batches)
    rate = learning_rate_at(run.share, run.recipe.optimizer)
    inputs = place_batch(batch, job.plan.labels, job.device, job.settings.augmentation.value)
    outcome = _explaining_compilation(run, lambda: take_step(state, run.forward, inputs, run.recipe, rate=rate))
    tally = state.tally
    tally.trained_s += run.clock.read() - began
    tally.waited_s += run.batches.waited_s - waited
    _count(tally, outcome)
    if outcome.problem is not None and tally.n_skipped > 1:
        raise NumericalError(_describe_problem(state, batch, outcome.problem))
    n_done = tally.n_iterations
    shown = Step(
        iteration=state.iteration,
        share=run.share,
        spent_s=run.clock.read(),
        loss=outcome.loss,
        terms=outcome.terms,
        learning_rate=rate,
        iteration_s=tally.trained_s / n_done,
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
        iteration_s=tally.trained_s / tally.n_iterations,
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


@contextmanager
def _owning(job: TrainingJob) -> Iterator[None]:
    """Refuse a second training of the fold; of several processes that train together the first holds it."""
    if job.settings.batch_size.value < count_processes():
        raise UsageError(
            f"{count_processes()} processes cannot share a batch of {job.settings.batch_size.value}. Use fewer, or set "
            "a larger batch_size in the plan."
        )
    with holding(job.lock) if is_first() else nullcontext():
        yield


def _start_or_resume(job: TrainingJob, clock: _Clock, watching: Watching) -> TrainingState:
    labels = job.plan.labels
    state = start_state(
        job.settings,
        n_channels=len(job.plan.channels),
        n_labels=labels.n_labels,
        n_outputs=labels.n_outputs,
        device=job.device,
        seed=job.seed,
        scales_loss=find_mixed_type(job.settings.precision.value, job.device) == torch.float16,
    )
    if job.resume.is_file():
        refuse_other_job(job, read_state(job.resume, state))
        clock.add(state.spent_s)
        state.is_finished = False
    elif job.pretrained is not None:
        loaded = load_pretrained(
            state.network,
            job.pretrained.weights,
            where=job.pretrained.where,
            n_channels=len(job.plan.channels),
            n_channels_before=job.pretrained.n_channels,
        )
        state.average.load_state_dict(state.network.state_dict())
        watching.on_note(f"{job.pretrained.where}: {describe_loaded(loaded)}")
    if is_first():
        write_history(job.history, state.epochs)
    return state


def _start_stream(job: TrainingJob, state: TrainingState) -> BatchStream[Batch | RawBatch]:
    """Batches from the state's iteration on; each of the patches that its place in the training sees."""
    planned = plan_batches(job)

    def choose(index: int) -> BatchMaker:
        return planned(share_spent(job.begun_length, iteration=index, spent_s=state.spent_s))

    return BatchStream(choose=choose, start=state.iteration, n_workers=job.n_workers, n_ahead=N_BATCHES_AHEAD)


def _prepare_forward(job: TrainingJob, state: TrainingState) -> Forward:
    """The network as training calls it: on several processes, compiled, or as it is."""
    network = spread(state.network)
    return torch.compile(network) if job.settings.compile.value else network


def _explaining_compilation(run: _Run, step: Callable[[], Outcome]) -> Outcome:
    try:
        return step()
    except torch._dynamo.exc.BackendCompilerFailed as problem:
        first = str(problem).splitlines()[0]
        raise ResourceError(
            f"torch could not compile {run.job.settings.network.value} ({first}). It needs a C++ compiler on a CPU and "
            "Triton on a GPU: install them, or set compile to false in the plan."
        ) from None
