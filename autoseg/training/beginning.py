"""How does a sitting of training begin? With the fold to itself, the state it goes on from, batches, and the network
as it will be called."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch

from autoseg.errors import UsageError
from autoseg.networks.device import find_mixed_type
from autoseg.networks.pretrained import describe_loaded, load_pretrained
from autoseg.training.batches import Batch, BatchMaker, RawBatch
from autoseg.training.continuing import holding, refuse_other_job
from autoseg.training.distributing import count_processes, is_first, spread
from autoseg.training.history import write_history
from autoseg.training.job import TrainingJob, plan_batches
from autoseg.training.losses import find_terms
from autoseg.training.schedule import find_schedule
from autoseg.training.spending import share_spent
from autoseg.training.state import TrainingState, read_state, start_state
from autoseg.training.stepping import Forward
from autoseg.training.streaming import BatchStream

N_BATCHES_AHEAD = 4


@contextmanager
def owning(job: TrainingJob) -> Iterator[None]:
    """Refuse a second training of the fold; of several processes that train together the first holds it."""
    if job.settings.batch_size.value < count_processes():
        raise UsageError(
            f"{count_processes()} processes cannot share a batch of {job.settings.batch_size.value}. Use fewer, or set "
            "a larger batch_size in the plan."
        )
    with holding(job.lock) if is_first() else nullcontext():
        yield


def start_or_resume(job: TrainingJob, *, on_note: Callable[[str], None]) -> TrainingState:
    """Fresh or pretrained weights, or the run that was saved.

    Raises:
        PlanError: a loss term or a schedule is not known, or a user's own component is not there.
        WorkspaceError: the saved run is another one, or nothing of the pretrained weights fits.
    """
    settings, labels = job.settings, job.plan.labels
    find_terms(settings.loss.value, batch_dice=settings.batch_dice.value)  # a bad plan fails before it is worked for
    find_schedule(settings.optimizer.value.schedule)
    state = start_state(
        settings,
        n_channels=len(job.plan.channels),
        n_labels=labels.n_labels,
        n_outputs=labels.n_outputs,
        device=job.device,
        seed=job.seed,
        scales_loss=find_mixed_type(settings.precision.value, job.device) == torch.float16,
    )
    if job.resume.is_file():
        refuse_other_job(job, read_state(job.resume, state))
        if state.is_finished:  # goes on beyond its end: what ended it early does not count any more
            state.plateau.n_without_gain = 0
        state.is_finished = False
    elif job.pretrained is not None:
        on_note(_load_pretrained(job, state))
    if is_first():
        write_history(job.history, state.epochs)
    return state


def _load_pretrained(job: TrainingJob, state: TrainingState) -> str:
    """Begin with the weights of a file. Returns what was taken, and what was not."""
    assert job.pretrained is not None, "there are weights to begin with"
    loaded = load_pretrained(
        state.network,
        job.pretrained.weights,
        where=job.pretrained.where,
        n_channels=len(job.plan.channels),
        n_channels_before=job.pretrained.n_channels,
    )
    state.average.load_state_dict(state.network.state_dict())
    return f"{job.pretrained.where}: {describe_loaded(loaded)}"


def start_stream(job: TrainingJob, state: TrainingState) -> BatchStream[Batch | RawBatch]:
    """Batches from the state's iteration on; each of the patches that its place in the training sees."""
    planned = plan_batches(job)

    def choose(index: int) -> BatchMaker:
        return planned(share_spent(job.begun_length, iteration=index, spent_s=state.spent_s))

    return BatchStream(choose=choose, start=state.iteration, n_workers=job.n_workers, n_ahead=N_BATCHES_AHEAD)


def prepare_forward(job: TrainingJob, state: TrainingState, *, on_note: Callable[[str], None]) -> Forward:
    """The network as training calls it: on several processes, compiled, or as it is."""
    network = spread(state.network)
    if not job.settings.compile.value:
        return network
    on_note("Compiling the network: the first iteration, and the first of each further patch size, take minutes.")
    return torch.compile(network)
