"""What does a network say about an image that is larger than its patch?

Source: Isensee et al., Nature Methods 2021; method part 5. The logits of overlapping windows are averaged in float32,
weighted by importance. Networks of an ensemble see the same windows, so that each is cut out and moved to the device
once; the image is never there as a whole, for a window's way is short beside the passes of all networks and mirrorings.

Windows of one constant value, as in the air around a body, are asked about once per value: a network answers equal
input equally, mirror images included.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from autoseg.errors import NumericalError
from autoseg.networks.device import computing_exactly
from autoseg.networks.previous import join_previous
from autoseg.prediction.options import PredictionOptions, Sums
from autoseg.prediction.windows.agreement import Agreement, AgreementCount
from autoseg.prediction.windows.fast_convolutions import FastConvolutions
from autoseg.prediction.windows.fold_average import Answer, Ensemble, ask
from autoseg.prediction.windows.mirroring import Network
from autoseg.prediction.windows.placing import (
    Window,
    compute_importance,
    cut_windows,
    group_windows,
    place_windows,
)
from autoseg.prediction.windows.sums import LogitSums

VOXELS_PER_BATCH = 2**20  # keeps the activations of a batch of windows near 1 GB for 32 features

Array = np.ndarray
Batch = Sequence[Sequence[Window]]  # windows that show the same, in groups


@dataclass(frozen=True)
class Logits:
    """What networks say about an image.

    Attributes:
        values: float32 (K, Z, Y, X), mean over networks and mirrorings; in memory, or mapped from an unlinked file.
        agreement: between the networks, if it was counted and there are several.
        n_windows: that cover the image.
        n_skipped: windows of one constant value whose answer was known from another.
        n_mirrorings: mirror images that each network saw, itself included, summed over windows that were not skipped.
    """

    values: Array
    agreement: Agreement | None
    n_windows: int
    n_skipped: int
    n_mirrorings: int


def predict_logits(
    networks: Sequence[Network],
    image: Array,
    *,
    patch_size: Sequence[int],
    n_outputs: int,
    previous: Array | None = None,
    n_labels: int | None = None,
    options: PredictionOptions | None = None,
    mirroring_axes: Sequence[int] = (),
    regions: bool = False,
    device: str | torch.device = "cpu",
    windows_per_batch: int | None = None,
    sums: Sums = "device",
    folder: Path | None = None,
    count_agreement: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Logits:
    """Predict an image window by window.

    Args:
        networks: each (B, C, *patch) -> logits (B, K, *patch), in evaluation mode and on `device`.
        image: float32 (C, Z, Y, X); zeros are thought on both sides where it is smaller than the patch.
        patch_size: three axes; two for networks that see one slice at a time.
        n_outputs: K, one per label, background included, or one per region.
        previous: integer (Z, Y, X), the previous segmentation of a cascade, whose networks see a channel more for each
            of its labels but the background.
        n_labels: that it may hold, background included; None where each is an output.
        options: the window step, and whether `mirroring_axes` are used; None is their default.
        mirroring_axes: axes of the patch, counted from 0, along which the plan allows mirroring.
        regions: whether outputs are regions, each decided alone, not labels of which the largest wins.
        device: where networks and windows live.
        windows_per_batch: windows, mirror images included, that a network sees at once; None chooses by voxels.
        sums: where logits are summed: on the device, in memory, or in an unlinked file.
        folder: whose disk holds that file.
        count_agreement: whether the segmentations of several networks are compared.
        on_progress: called with (windows done, windows in all).

    Raises:
        NumericalError: a network's output is not finite.
        ResourceError: the folder's disk has not enough space.
        UsageError: sums belong into a file, but no folder is named.
    """
    options = options or PredictionOptions()
    patch = (1,) * (3 - len(patch_size)) + tuple(patch_size)
    volumes = [image] if previous is None else [image, previous[None]]
    windows = place_windows(image.shape[1:], patch, options.step)
    grouped = group_windows(windows, volumes)
    importance = torch.from_numpy(compute_importance(patch)).to(device)
    total = LogitSums(n_outputs, image.shape[1:], importance, place=sums, folder=folder)
    compares = count_agreement and len(networks) > 1
    count = AgreementCount(len(networks), n_outputs, importance.device) if compares else None
    ensemble = Ensemble(
        networks, len(patch_size), options.mirroring, mirroring_axes, regions=regions, keep_decisions=compares
    )
    most = windows_per_batch or choose_windows_per_batch(patch, torch.device(device))
    n_done = n_mirrorings = 0
    with torch.inference_mode(), FastConvolutions(), computing_exactly():
        for batch in _split([*((window,) for window in grouped.varied), *grouped.constant], most):
            shown = _show(volumes, [alike[0] for alike in batch], patch, n_labels or n_outputs, importance.device)
            answer = ask(ensemble, shown, most)
            _check_finite(answer.logits, batch)
            _add(answer, batch, total, count, importance)
            n_done += sum(map(len, batch))
            n_mirrorings += answer.n_mirrorings
            del shown, answer  # before the networks see the next windows
            if on_progress is not None:
                on_progress(n_done, len(windows))
        values = total.finish()
    agreement = None if count is None else count.finish()
    n_skipped = len(windows) - len(grouped.varied) - len(grouped.constant)
    return Logits(values, agreement, len(windows), n_skipped, n_mirrorings)


def choose_windows_per_batch(patch: Sequence[int], device: torch.device) -> int:
    """How many windows, mirror images included, a network sees at once: on a CPU one, else by their voxels.

    With one thread, a U-Net of 8 to 64 features took 0.057, 0.054, 0.053 and 0.069 s per window of 40x56x40 in batches
    of 1, 2, 4 and 8, and 0.327, 0.362 and 0.492 s per window of 64x96x96 in batches of 1, 2 and 4.
    """
    return 1 if device.type == "cpu" else max(1, VOXELS_PER_BATCH // math.prod(patch))


def _show(
    volumes: Sequence[Array], windows: Sequence[Window], patch: Sequence[int], n_labels: int, device: torch.device
) -> Tensor:
    """What networks see (B, C, *patch): windows of the image, and of a previous segmentation as channels."""
    shown = torch.from_numpy(cut_windows(volumes[0], windows, patch, np.dtype(np.float32))).to(device)
    if len(volumes) == 1:
        return shown
    before = torch.from_numpy(cut_windows(volumes[1], windows, patch, volumes[1].dtype)).to(device)
    return join_previous(shown, before[:, 0], n_labels)


def _add(answer: Answer, batch: Batch, total: LogitSums, count: AgreementCount | None, importance: Tensor) -> None:
    for i, alike in enumerate(batch):
        for window in alike:
            total.add(window, answer.logits[i])
            if count is not None:
                count.add([decisions[i] for decisions in answer.decisions], importance, window.within)


def _split(groups: Sequence[Sequence[Window]], length: int) -> Iterator[Batch]:
    for begin in range(0, len(groups), length):
        yield groups[begin : begin + length]


def _check_finite(logits: Tensor, batch: Batch) -> None:
    kind = torch.float64 if logits.device.type == "cpu" else torch.float32
    if bool(torch.isfinite(torch.stack([output.sum(dtype=kind) for output in logits.unbind(dim=1)])).all()):
        return  # an output at a time, for the sum is made of a copy of that type
    broken = [alike[0].start for alike, one in zip(batch, logits, strict=True) if not bool(torch.isfinite(one).all())]
    if broken:  # else the sum alone was too large
        raise NumericalError(
            f"The network's output for the window at {broken[0]} is not finite. "
            "Predict in float32, or train again: the weights or the image hold values out of range."
        )
