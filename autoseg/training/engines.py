"""Who augments faster, the worker processes or the training device? (augmentation_engine: auto)

Measured with batches of the job itself, before training. What counts is how much longer a patch makes training. On a
GPU, workers make patches beside the training, which waits only if they make fewer than it takes; what the GPU augments
costs its whole time. On a CPU both take the training's cores, so that the work itself counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

import torch

from autoseg.decision import Decision, found
from autoseg.machine import count_cores
from autoseg.networks.probing import synchronize
from autoseg.training.batches import BatchMaker, RawBatch
from autoseg.training.device_augmentation import finish

MARGIN = 1.2  # the device must be so much faster: noise must not decide, for equal plans shall give equal weights
MEASURED_S = 2.0  # after each engine has made a batch unmeasured, which opens files and loads code
MEASURED_BATCH = 8  # samples; a batch of pictures may hold hundreds
MIN_ROUNDS = 2

Made = TypeVar("Made")


def measure_engines(maker: BatchMaker, device: torch.device, *, n_workers: int) -> dict[str, float]:
    """Patches per second that each engine finishes while nothing else runs; takes two to four seconds.

    The same batches are read, augmented by the device, and made as workers make them, in turns in this process.
    With the seconds of one patch as reading r, device d and worker w:

        on a GPU:  workers  n_workers / w,  device  1 / max(d, r / n_workers)
        on a CPU:  workers  n_cores / w,    device  1 / (d + r / n_cores)

    Without workers all of it happens one after the other: 1 / w and 1 / (r + d).

    Args:
        maker: of the job, whatever its engine.
        device: of the training.
        n_workers: processes that will make batches.

    Raises:
        WorkspaceError: a case is not preprocessed.
    """
    small = replace(maker, batch_size=min(maker.batch_size, MEASURED_BATCH), part=(0, 1))
    _time_round(small, 0, device)
    seconds, n_rounds, begun = [0.0, 0.0, 0.0], 0, time.perf_counter()
    while n_rounds < MIN_ROUNDS or time.perf_counter() - begun < MEASURED_S:
        n_rounds += 1
        taken = _time_round(small, n_rounds, device)
        seconds = [total + new for total, new in zip(seconds, taken, strict=True)]
    read, finished, made = (total / (n_rounds * small.batch_size) for total in seconds)
    return compute_rates(read, finished, made, n_workers=n_workers, is_cpu=device.type == "cpu", n_cores=count_cores())


def compute_rates(
    read_s: float, finish_s: float, make_s: float, *, n_workers: int, is_cpu: bool, n_cores: int
) -> dict[str, float]:
    """Patches per second of each engine, see `measure_engines`, from the seconds of one patch."""
    if n_workers == 0:
        return {"workers": 1 / make_s, "device": 1 / (read_s + finish_s)}
    if is_cpu:
        return {"workers": n_cores / make_s, "device": 1 / (finish_s + read_s / n_cores)}
    return {"workers": n_workers / make_s, "device": 1 / max(finish_s, read_s / n_workers)}


def choose_engine(rates: Mapping[str, float], *, taken: float | None = None) -> Decision[str]:
    """The engine that makes training faster.

    Args:
        rates: patches per second, as `measure_engines` gives them.
        taken: patches per second that training takes while it waits for none, where workers run beside it (on a GPU)
            and this is known. Then the device augments only if that costs less time than waiting for workers does.
    """
    workers, device = rates["workers"], rates["device"]
    numbers = {name: round(rate, 1) for name, rate in rates.items()}
    if taken is None:
        chosen, other = ("device", "workers") if device > MARGIN * workers else ("workers", "device")
        sentence = f"{rates[chosen]:.1f} patches per second by {chosen}, {rates[other]:.1f} by {other}"
        return found(chosen, sentence, **numbers)
    numbers["taken"] = round(taken, 1)
    if workers >= taken:
        sentence = f"workers make {workers:.1f} patches per second, and training takes no more than {taken:.1f}"
        return found("workers", sentence, **numbers)
    waiting_ms, augmenting_ms = 1000 * (1 / workers - 1 / taken), 1000 / device
    sentence = f"training would wait {waiting_ms:.1f} ms per patch for workers; the device takes {augmenting_ms:.1f} ms"
    return found("device" if augmenting_ms < waiting_ms else "workers", sentence, **numbers)


def _time_round(maker: BatchMaker, iteration: int, device: torch.device) -> tuple[float, float, float]:
    """Seconds to read a batch, to finish it on the device, and to make it as workers do; it was read once before."""
    maker.make_raw(iteration)
    raw, read_s = _time(lambda: maker.make_raw(iteration))
    _, finish_s = _time(lambda: _finish_and_wait(maker, raw, device))
    _, make_s = _time(lambda: maker.make_finished(iteration))
    return read_s, finish_s, make_s


def _time(action: Callable[[], Made]) -> tuple[Made, float]:
    begun = time.perf_counter()
    result = action()
    return result, time.perf_counter() - begun


def _finish_and_wait(maker: BatchMaker, raw: RawBatch, device: torch.device) -> None:
    finish(raw, maker.augmentation, maker.patch_size, device)
    synchronize(device)
