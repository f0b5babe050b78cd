"""How does a prediction stay within the memory that it may take?

Before the first image is read, what every step holds is summed up for the images at hand, as `planning.memory` does for
training, and the first way of working is chosen that fits: where the sums of all windows live, how many windows a
network sees together, how large a block restoring works on, and how many cases are in flight at once. The order of
preference is reasoned, not measured: the device before memory before a file, then larger batches, then larger blocks,
then more cases. What is chosen does not change the result.

A GPU's memory and the process's are two budgets: networks, windows and, where they fit, the sums live on the device;
images and what restoring does lie in memory. Elsewhere all of it is one budget, libraries included.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch

from autoseg.errors import ResourceError
from autoseg.machine import measure_free_memory_bytes
from autoseg.planning.footprint import GPU_HOLES, LARGEST_HEAP_BLOCK, PREDICTION_HOLES, PREDICTION_RUNTIME_GB
from autoseg.prediction.memory.case_load import CaseLoad, Pass
from autoseg.prediction.options import Sums

BYTES_PER_GB = 1e9
FREE_SHARE = 0.8  # of the memory that is free, where nobody declares a budget: other programs breathe
SLABS_BYTES = (2**28, 2**26, 2**24)  # blocks of restoring, in the order of preference
CASES_IN_FLIGHT = (3, 2, 1)  # one is written, one computed, one read
WORKING_BYTES = 2 * 2**26  # at most: mirroring.WORKING_VALUES, turned and added
# Of a window's answers, where logits lie in the heap. Three networks with 30 outputs of 31 MB held 55 MB more than with
# every block mapped by itself (`planning.footprint`), mirrored adaptively 145 MB: 0.40 and 0.86 of what is counted of
# answers and deciding, of which what is counted for turning covers the rest.
ANSWER_HOLES = 0.5
# Of the process, beside tensors. On CUDA torch's libraries for it and the context lie in memory, too: assumed, not
# measured.
HOST_RUNTIME_GB = {"cpu": PREDICTION_RUNTIME_GB["cpu"], "cuda": 2.5, "mps": PREDICTION_RUNTIME_GB["mps"]}
RESTORED_BYTES = (
    10  # per original voxel: labels as decided, after postprocessing, in the file's numbers, for the writer
)


@dataclass(frozen=True)
class Resources:
    """What a prediction takes of the machine; the result is the same whatever it says.

    Attributes:
        windows_per_batch: that a network sees at once; None for as many as hold a fixed number of voxels.
        sums: where the logits of all windows are summed up: on the device, in memory, or in a temporary file.
        folder: of temporary files.
        slab_bytes: working memory of one block of restoring.
    """

    windows_per_batch: int | None = None
    sums: Sums = "device"
    folder: Path | None = None
    slab_bytes: int = SLABS_BYTES[0]


@dataclass(frozen=True)
class Allowance:
    """What may be held, in bytes.

    Attributes:
        memory: of the process, libraries included.
        device: of the GPU that networks compute on, its context included; None where they compute in memory.
        is_declared: whether a person said it; else it is a share of what is free.
    """

    memory: float
    device: float | None = None
    is_declared: bool = False


@dataclass(frozen=True)
class Peak:
    """Predicted bytes at the busiest moment, by purpose.

    Attributes:
        runtime: interpreter and libraries.
        weights: of all networks; nothing where they lie on a GPU.
        computing: windows and feature maps, the sums, and images on the network grids, of the case that is computed.
        reading: the case that is read and prepared meanwhile, if three are in flight.
        restoring: all other cases that are there meanwhile, logits included; or what is held at other moments, when
            checkpoints are loaded or no case is computed, beyond `computing`.
    """

    runtime: float
    weights: float
    computing: float
    reading: float = 0.0
    restoring: float = 0.0

    @property
    def total(self) -> float:
        return float(sum(vars(self).values()))

    def in_gb(self) -> dict[str, float]:
        """Each part in GB, by name with its unit."""
        return {f"{name}_gb": round(size / BYTES_PER_GB, 3) for name, size in vars(self).items()}


@dataclass(frozen=True)
class Spending:
    """What was decided, and why.

    Attributes:
        resources: of each case.
        n_in_flight: cases that are in memory at once.
        allowance: what it stays within.
        peak: predicted, of the process.
        device_peak: predicted bytes on the GPU; 0 without one.
        disk: bytes of temporary files.
        reason: the sentence.
    """

    resources: Resources
    n_in_flight: int
    allowance: Allowance
    peak: Peak
    device_peak: float
    disk: float
    reason: str


def declare_allowance(memory_bytes: float | None, device: torch.device, *, weights: float = 0.0) -> Allowance:
    """What a person allows; else most of what is free now. Of a GPU's memory it is always what is free there.

    Args:
        weights: bytes of the networks on the device. Like the libraries they are there already when one asks what is
            free, so that they come on top of it.
    """
    if device.type != "cuda":
        memory = memory_bytes or _count_runtime(device.type) + weights + FREE_SHARE * measure_free_memory_bytes()
        return Allowance(float(memory), None, memory_bytes is not None)
    memory = memory_bytes or _count_runtime("cuda") + FREE_SHARE * measure_free_memory_bytes()
    there = PREDICTION_RUNTIME_GB["cuda"] * BYTES_PER_GB + (1 + GPU_HOLES) * weights
    on_device = there + FREE_SHARE * torch.cuda.mem_get_info(device)[0]
    return Allowance(float(memory), on_device, memory_bytes is not None)


def decide_spending(
    cases: Sequence[CaseLoad],
    allowance: Allowance,
    *,
    folder: Path | None = None,
    what: str = "",
    n_in_flight: int | None = None,
) -> Spending:
    """The preferred way of predicting these cases within an allowance.

    Args:
        cases: what each holds; the largest decides.
        folder: of temporary files; None uses none.
        what: what is predicted by what, for the sentence: `20 images with 3d_fullres (5 folds)`.
        n_in_flight: cases at once; None is at most as many as there are.

    Raises:
        ResourceError: not even the least fits.
    """
    largest = max(cases, key=lambda case: _estimate(case, Resources(sums="memory"), 1, allowance)[0].total)
    numbers = [n for n in CASES_IN_FLIGHT if n <= len(cases)] if n_in_flight is None else [n_in_flight]
    for resources, n_at_once in _list_ways(largest, numbers, allowance, folder):
        peak, on_device = _estimate(largest, resources, n_at_once, allowance)
        if peak.total <= allowance.memory and on_device <= (allowance.device or on_device):
            disk = _count_disk(largest, resources, n_at_once)
            reason = _explain(what, largest, allowance, resources, peak, on_device, disk)
            return Spending(resources, n_at_once, allowance, peak, on_device, disk, reason)
    raise ResourceError(_explain_refusal(largest, allowance, peak, on_device, folder, what))


def _list_ways(
    case: CaseLoad, numbers: Sequence[int], allowance: Allowance, folder: Path | None
) -> Iterator[tuple[Resources, int]]:
    """In the order of preference; the last one holds least."""
    anywhere: tuple[Sums, ...] = ("device", "memory", "file")
    places = [place for place in anywhere if allowance.device is not None or place != "device"]
    places = [place for place in places if folder is not None or place != "file"]
    n_windows = case.most_windows_per_batch
    batches = [n_windows >> halvings for halvings in range(n_windows.bit_length())]
    for sums, n, slab, n_in_flight in product(places, batches, SLABS_BYTES, numbers):
        yield Resources(n, sums, folder if sums == "file" else None, slab), n_in_flight


def _estimate(case: CaseLoad, resources: Resources, n_in_flight: int, allowance: Allowance) -> tuple[Peak, float]:
    """The process's peak, and the GPU's in bytes."""
    is_apart = allowance.device is not None
    windows = [_count_windows(one, resources, is_apart) for one in case.passes]
    kept = _count_kept(case, resources)
    computing = case.prepared + kept + _count_passes(case, resources, [0.0] * len(windows) if is_apart else windows)
    restoring = _count_restoring(case, resources, kept)
    weights = 0.0 if is_apart else case.weights
    at_once = _count_at_once(case, computing, restoring, kept, n_in_flight)
    if allowance.is_declared:  # else networks were loaded before one asked what is free
        at_once = max(at_once, _count_loading(case, is_apart))
    reading = case.reading if n_in_flight > 2 else 0.0
    runtime = _count_runtime("cuda" if is_apart else "cpu")
    peak = Peak(runtime, weights, computing, reading, at_once - computing - reading)
    return peak, _estimate_device(case, resources, max(windows)) if is_apart else 0.0


def _count_at_once(case: CaseLoad, computing: float, restoring: float, kept: float, n_in_flight: int) -> float:
    """Bytes of all cases at the busiest moment, whatever stages they are in (`pipeline.prediction.overlapping`)."""
    if n_in_flight == 1:
        return max(case.reading, restoring, computing)
    if n_in_flight == 2:  # after a case was computed, it may be restored while the next is read
        return max(computing + max(case.reading, restoring), case.reading + restoring)
    # beside a case that is computed one is restored, and the third is read or waits to be restored; or one waits to be
    # computed, and the third is read
    return computing + max(restoring + max(case.reading, kept), case.prepared + case.reading)


def _count_loading(case: CaseLoad, is_apart: bool) -> float:
    """What loading checkpoints holds beside the weights that stay in memory: all of them, and a network on its way."""
    return case.weights * (2 if is_apart else 1)


def _count_passes(case: CaseLoad, resources: Resources, windows: Sequence[float]) -> float:
    """The busiest pass beside images and logits: its windows, or how a cascade comes by what it sees."""
    block = min(resources.slab_bytes, case.restoring_all)
    in_file = resources.sums == "file"
    return max(
        one.previous
        + max(
            held + in_file * one.touched,
            (block + one.segmenting + in_file * resources.slab_bytes) if one.previous else 0.0,
        )
        for one, held in zip(case.passes, windows, strict=True)
    )


def _count_runtime(device: str) -> float:
    return HOST_RUNTIME_GB[device] * BYTES_PER_GB


def _estimate_device(case: CaseLoad, resources: Resources, windows: float) -> float:
    sums = max(one.sums for one in case.passes) if resources.sums == "device" else 0
    runtime = PREDICTION_RUNTIME_GB["cuda"] * BYTES_PER_GB
    return runtime + (1 + GPU_HOLES) * (case.weights + windows + sums)


def _count_windows(one: Pass, resources: Resources, is_apart: bool) -> float:
    """A batch of windows with its maps, what the mirror images and the folds sum up to, and the heap's holes."""
    n = min(resources.windows_per_batch or one.windows_per_batch, one.windows_per_batch)
    moment = one.answers_window + max(one.maps_window, one.deciding_window)
    holes = 0 if is_apart else PREDICTION_HOLES * one.maps_window
    if not is_apart and n * one.logits_window <= LARGEST_HEAP_BLOCK:
        holes += ANSWER_HOLES * (one.answers_window + one.deciding_window)
    turned = min(WORKING_BYTES, n * one.deciding_window)
    return n * (2 * one.input_window + moment + holes) + turned


def _count_kept(case: CaseLoad, resources: Resources) -> float:
    """Logits of all passes; in a file they are not held."""
    return 0.0 if resources.sums == "file" else float(sum(one.sums for one in case.passes))


def _count_restoring(case: CaseLoad, resources: Resources, kept: float) -> float:
    touched = resources.slab_bytes if resources.sums == "file" else 0
    block = min(resources.slab_bytes, case.restoring_all)
    return kept + touched + block + RESTORED_BYTES * case.n_voxels


def _count_disk(case: CaseLoad, resources: Resources, n_in_flight: int) -> float:
    if resources.sums != "file":
        return 0.0
    return min(n_in_flight, 2) * sum(one.sums for one in case.passes)


def _explain(
    what: str,
    case: CaseLoad,
    allowance: Allowance,
    resources: Resources,
    peak: Peak,
    on_device: float,
    disk: float,
) -> str:
    of = "that are declared" if allowance.is_declared else "that may be used"
    sentence = f"Predicting {what}: up to {_gb(peak.total)} of {_gb(allowance.memory)} {of}"
    if allowance.device is not None:
        sentence += f", and {_gb(on_device)} of {_gb(allowance.device)} on the GPU"
    if resources.sums == "file":
        sentence += f"; the sums of {case.n_outputs} outputs ({_gb(disk)}) go to a temporary file in {resources.folder}"
    elif allowance.device is not None and resources.sums == "memory":
        sentence += f"; the sums of {case.n_outputs} outputs are kept in memory, not on the GPU"
    return f"{sentence}."


def _explain_refusal(
    case: CaseLoad, allowance: Allowance, peak: Peak, on_device: float, folder: Path | None, what: str
) -> str:
    """What is needed, where it goes, and what to set."""
    if allowance.device is not None and on_device > allowance.device:
        return (
            f"Predicting {what} needs at least {_gb(on_device)} on the GPU, of which {_gb(allowance.device)} are free. "
            "Choose fewer folds by --fold, or compute on --device cpu."
        )
    parts = ", ".join(f"{name} {_gb(size)}" for name, size in vars(peak).items() if size)
    declared = "--memory allows" if allowance.is_declared else "may be used of what is free:"
    scratch = "" if folder is not None else " or name a folder on a disk for temporary files by --scratch"
    return (
        f"{case.id}: predicting {what} needs at least {_gb(peak.total)} ({parts}), but {declared} "
        f"{_gb(allowance.memory)}. Allow more by --memory {math.ceil(peak.total / 1e8) / 10:g}GB{scratch}, "
        "close other programs, or choose fewer folds by --fold."
    )


def _gb(size: float) -> str:
    return f"{size / BYTES_PER_GB:.1f} GB"
