"""How does a prediction stay within the memory that it may take?

Before the first image is read, what every step holds is summed up for the images at hand, as `planning.memory` does for
training, and the fastest way of working is chosen that fits: how many cases are in flight at once, how many windows a
network sees together, where the sums of all windows live, and how large a block restoring works on. What is chosen does
not change the result.

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
from autoseg.planning.footprint import GPU_HOLES, PREDICTION_HOLES, PREDICTION_RUNTIME_GB
from autoseg.prediction.memory.case_load import CaseLoad, Pass
from autoseg.prediction.options import Sums

BYTES_PER_GB = 1e9
FREE_SHARE = 0.8  # of the memory that is free, where nobody declares a budget: other programs breathe
SLABS_BYTES = (2**28, 2**26, 2**24)  # blocks of restoring, in the order of preference
CASES_IN_FLIGHT = (3, 2, 1)  # one is written, one computed, one read
WORKING_BYTES = 2 * 2**26  # mirroring.WORKING_VALUES, turned and added
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
        device: of the GPU that networks compute on; None where they compute in memory.
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
        weights: of all networks.
        computing: windows and feature maps, the sums, and images on the network grids, of the case that is computed.
        reading: the case that is read and prepared meanwhile.
        restoring: the case that is restored and written meanwhile, its logits included; or what one case alone holds
            before and after its windows, where that is more.
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


def declare_allowance(memory_bytes: float | None, device: torch.device) -> Allowance:
    """What a person allows; else most of what is free now. Of a GPU's memory it is always what is free there."""
    runtime = PREDICTION_RUNTIME_GB["cpu"] * BYTES_PER_GB  # the libraries are there already when one asks what is free
    memory = memory_bytes or runtime + FREE_SHARE * measure_free_memory_bytes()
    on_device = None
    if device.type == "cuda":
        on_device = PREDICTION_RUNTIME_GB["cuda"] * BYTES_PER_GB + FREE_SHARE * torch.cuda.mem_get_info(device)[0]
    return Allowance(float(memory), on_device, memory_bytes is not None)


def decide_spending(
    cases: Sequence[CaseLoad], allowance: Allowance, *, folder: Path | None = None, what: str = ""
) -> Spending:
    """The fastest way of predicting these cases within an allowance.

    Args:
        cases: what each holds; the largest decides.
        folder: of temporary files; None uses none.
        what: what is predicted by what, for the sentence: `20 images with 3d_fullres (5 folds)`.

    Raises:
        ResourceError: not even the least fits.
    """
    largest = max(cases, key=lambda case: _estimate(case, Resources(sums="memory"), 1, allowance)[0].total)
    for resources, n_in_flight in _list_ways(largest, min(len(cases), max(CASES_IN_FLIGHT)), allowance, folder):
        peak, on_device = _estimate(largest, resources, n_in_flight, allowance)
        if peak.total <= allowance.memory and on_device <= (allowance.device or on_device):
            disk = _count_disk(largest, resources, n_in_flight)
            reason = _explain(what, largest, allowance, resources, peak, on_device, disk)
            return Spending(resources, n_in_flight, allowance, peak, on_device, disk, reason)
    raise ResourceError(_explain_refusal(largest, allowance, peak, on_device, folder, what))


def _list_ways(
    case: CaseLoad, most_in_flight: int, allowance: Allowance, folder: Path | None
) -> Iterator[tuple[Resources, int]]:
    """From the fastest to the one that holds least."""
    anywhere: tuple[Sums, ...] = ("device", "memory", "file")
    places = [place for place in anywhere if allowance.device is not None or place != "device"]
    places = [place for place in places if folder is not None or place != "file"]
    n_windows = case.most_windows_per_batch
    batches = [n_windows >> halvings for halvings in range(n_windows.bit_length())]
    in_flight = [n for n in CASES_IN_FLIGHT if n <= most_in_flight]
    for sums, n, slab, n_in_flight in product(places, batches, SLABS_BYTES, in_flight):
        yield Resources(n, sums, folder if sums == "file" else None, slab), n_in_flight


def _estimate(case: CaseLoad, resources: Resources, n_in_flight: int, allowance: Allowance) -> tuple[Peak, float]:
    """The process's peak, and the GPU's in bytes."""
    is_apart = allowance.device is not None
    windows = [_count_windows(one, resources, is_apart) for one in case.passes]
    kept = _count_kept(case, resources)
    computing = case.prepared + kept + max(0 if is_apart else each for each in windows)
    if resources.sums == "file":
        computing += max(one.touched for one in case.passes)
    restoring = _count_restoring(case, resources, kept)
    runtime, weights = PREDICTION_RUNTIME_GB["cpu"] * BYTES_PER_GB, case.weights
    if n_in_flight == 1:
        alone = max(case.reading, restoring, weights, computing)  # while weights are loaded they are there twice
        peak = Peak(runtime, weights, computing, restoring=alone - computing)
    elif n_in_flight == 2:
        peak = Peak(runtime, weights, computing, restoring=max(case.reading, restoring))
    else:  # the third case may wait to be computed, or to be restored
        behind = max(restoring + max(case.reading, kept), case.prepared + case.reading)
        peak = Peak(runtime, weights, computing, case.reading, behind - case.reading)
    return peak, _estimate_device(case, resources, max(windows)) if is_apart else 0.0


def _estimate_device(case: CaseLoad, resources: Resources, windows: float) -> float:
    sums = max(one.sums for one in case.passes) if resources.sums == "device" else 0
    runtime = PREDICTION_RUNTIME_GB["cuda"] * BYTES_PER_GB
    return runtime + (1 + GPU_HOLES) * (case.weights + windows + sums)


def _count_windows(one: Pass, resources: Resources, is_apart: bool) -> float:
    """A batch of windows with its maps, what the mirror images and the folds sum up to, and the heap's holes."""
    n = min(resources.windows_per_batch or one.windows_per_batch, one.windows_per_batch)
    sums = (2 if one.n_networks > 1 else 1) * one.logits_window
    moment = max(one.maps_window, one.logits_window * (2 if one.n_networks > 1 else 1))
    holes = 0 if is_apart else PREDICTION_HOLES * one.maps_window
    return n * (2 * one.input_window + sums + moment + holes) + WORKING_BYTES


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
    scratch = "" if folder is not None else " or name a folder for temporary files by --scratch"
    return (
        f"{case.id}: predicting {what} needs at least {_gb(peak.total)} ({parts}), but {declared} "
        f"{_gb(allowance.memory)}. Allow more by --memory {math.ceil(peak.total / 1e8) / 10:g}GB{scratch}, "
        "close other programs, or choose fewer folds by --fold."
    )


def _gb(size: float) -> str:
    return f"{size / BYTES_PER_GB:.1f} GB"
