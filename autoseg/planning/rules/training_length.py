"""How long does training last?

Source of the GPU's length: Isensee et al., Nature Methods 2021. A length in seconds is a budget that the schedule is
fitted to; a length in iterations takes as long as it takes.
"""

from __future__ import annotations

from autoseg.decision import Decision, ruled
from autoseg.planning.blueprint import ITERATIONS_PER_EPOCH
from autoseg.planning.choices import Length

N_EPOCHS = 1000  # borrowed
CPU_TRAIN_TIME_S = 3600.0  # per fold: five folds in an afternoon; own choice
TRAINING_SHARE = 0.95  # of the time goes into iterations, the rest into validation and saving
ASSUMED_GPU_ITERATION_S = 0.4  # where nothing was measured: 250 iterations in 100 s, as published for large patches


def decide_train_time(*, device: str, wish_s: float | None, n_epochs: int | None) -> Decision[float | None]:
    """Wall-clock seconds per fold; None where the length is a number of iterations."""
    if wish_s is not None:
        return Decision(value=wish_s, reason="asked for", source="user")
    if n_epochs is not None:
        return ruled(None, f"the length was asked for in epochs, {n_epochs:,}")
    if device == "cpu":
        hours = CPU_TRAIN_TIME_S / 3600
        return ruled(CPU_TRAIN_TIME_S, f"{hours:g} hour per fold on a CPU, unless another time is asked for")
    return ruled(None, f"the published {N_EPOCHS:,} epochs, unless a time is asked for")


def decide_length(*, train_time_s: float | None, n_epochs: int | None) -> Decision[Length]:
    """Seconds, or iterations."""
    if train_time_s is not None:
        length = Length(train_time_s=train_time_s)
        return ruled(length, f"{train_time_s / 60:g} minutes per fold; as many iterations as they hold")
    if n_epochs is not None:
        reason = f"{n_epochs:,} epochs of {ITERATIONS_PER_EPOCH} iterations, as asked for"
        return Decision(value=_in_epochs(n_epochs), reason=reason, source="user")
    return ruled(_in_epochs(N_EPOCHS), f"{N_EPOCHS:,} epochs of {ITERATIONS_PER_EPOCH} iterations, as published")


def count_iterations(length: Length, iteration_s: float | None) -> int:
    """Iterations of a training, about."""
    if length.n_iterations is not None:
        return length.n_iterations
    return int((length.train_time_s or 0) * TRAINING_SHARE / (iteration_s or ASSUMED_GPU_ITERATION_S))


def _in_epochs(n_epochs: int) -> Length:
    return Length(n_iterations=n_epochs * ITERATIONS_PER_EPOCH, iterations_per_epoch=ITERATIONS_PER_EPOCH)
