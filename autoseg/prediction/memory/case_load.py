"""How much does each step of a prediction hold? Bytes of one case, before anything is read.

Images are taken as they lie in their files, not cropped to what is not zero, so that every number is an upper one. The
feature maps are those of `planning.peaks`; the rest is counted off the code: `data.image_io` and
`preprocessing.preprocess` before the windows, `prediction.windows.sliding_window`, and `prediction.restoring.restore`
after them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from autoseg.data.geometry import Geometry
from autoseg.planning.forecasting import sketch_configuration
from autoseg.planning.layers import NetworkSketch
from autoseg.planning.memory import RESTORING_BYTES_PER_LOGIT, count_parameters
from autoseg.planning.peaks import Arithmetic, peak_of_forward
from autoseg.planning.plan import Plan
from autoseg.prediction.options import PredictionOptions
from autoseg.prediction.windows.sliding_window import choose_windows_per_batch
from autoseg.prediction.windows.sums import SLAB_VALUES
from autoseg.preprocessing.preprocess import compute_network_shape

FLOAT32_BYTES = 4
LABEL_BYTES = 2  # int16
PAGE_BYTES = 4096
COPIES_OF_RESAMPLING = 3  # of one channel, on the finer of both grids
MASK_BYTES = 6  # per voxel: what is not zero, its holes, and numbers of their components
NORMALIZING_BYTES = 8  # per voxel of one channel
DECIDING_BYTES = (
    32  # per voxel of a window: its two largest outputs, what is decided, comparisons, and weights of voxels
)


@dataclass(frozen=True)
class Pass:
    """One configuration's way over one image; bytes, of a single window where the name says so.

    Attributes:
        configuration: its name.
        n_networks: folds.
        windows_per_batch: windows and mirror images that a network sees at once where memory is no matter.
        n_windows: over the image.
        effort: of all of them by all networks, for progress: voxels that pass through a network.
        input_window, logits_window, maps_window: what a window holds.
        answers_window: what is kept of a window's logits while a network sees it: sums over mirror images and
            networks, and what each network decides.
        deciding_window: what is held beside them once the network has seen it.
        image: on the network grid.
        sums: logits of the whole grid.
        touched: what is resident of sums in a file at a time.
        previous: of a cascade, the segmentation that it sees, on its network grid.
        segmenting: of a cascade that sees what was decided on the original grid, that segmentation and its copy in
            axis order.
    """

    configuration: str
    n_networks: int
    windows_per_batch: int
    n_windows: int
    effort: float
    input_window: float
    logits_window: float
    maps_window: float
    answers_window: float
    deciding_window: float
    image: float
    sums: float
    touched: float
    previous: float = 0.0
    segmenting: float = 0.0


@dataclass(frozen=True)
class CaseLoad:
    """What a case holds on its way; bytes where nothing else is said.

    Attributes:
        id: the case.
        n_voxels: of the image as it lies in its file.
        n_outputs: labels, background included, or regions.
        reading: while it is read, cropped, normalised and resampled; the image as it was read goes once it is
            normalised (`passes.prepare_case`).
        prepared: its images on the network grids of all passes.
        weights: of all networks.
        restoring_all: working memory of restoring if it were one block.
        passes: in the order in which they are computed.
    """

    id: str
    n_voxels: int
    n_outputs: int
    reading: float
    prepared: float
    weights: float
    restoring_all: float
    passes: tuple[Pass, ...]

    @property
    def most_windows_per_batch(self) -> int:
        return max(one.windows_per_batch for one in self.passes)


@dataclass(frozen=True)
class Speaker:
    """Who predicts: a configuration of a plan, how many networks of it, and how.

    Attributes:
        options: steps and mirroring.
        compares: whether the networks' decisions are compared.
    """

    plan: Plan
    configuration: str
    n_networks: int
    options: PredictionOptions = field(default_factory=PredictionOptions)
    compares: bool = True


def measure_load(
    case_id: str, geometry: Geometry, n_stored_bytes: int, passes: tuple[Speaker, ...], device: str
) -> CaseLoad:
    """What predicting an image holds.

    Args:
        geometry: of the image as it lies in its file.
        n_stored_bytes: of one voxel of one channel in the file.
        passes: every configuration that is computed, each once.
        device: `cpu`, `cuda` or `mps`.
    """
    counted = tuple(_count_pass(one, geometry, device) for one in passes)
    plan = passes[0].plan
    n_voxels, n_channels = math.prod(geometry.shape), len(plan.channels)
    image = FLOAT32_BYTES * n_channels * n_voxels
    prepared = sum(one.image for one in counted)
    largest = max([n_voxels, *(one.image / (FLOAT32_BYTES * n_channels) for one in counted)])
    decoding = image + n_stored_bytes * n_channels * n_voxels
    aligning = image + max(MASK_BYTES * n_voxels, n_voxels + image + NORMALIZING_BYTES * n_voxels)
    preparing = image + prepared + COPIES_OF_RESAMPLING * FLOAT32_BYTES * largest
    return CaseLoad(
        id=case_id,
        n_voxels=n_voxels,
        n_outputs=plan.labels.n_outputs,
        reading=max(decoding, aligning, preparing),
        prepared=prepared,
        weights=sum(FLOAT32_BYTES * one.n_networks * count_parameters(_sketch(one)) for one in passes),
        restoring_all=RESTORING_BYTES_PER_LOGIT * plan.labels.n_outputs * n_voxels,
        passes=counted,
    )


def count_voxel_bytes(dtype: str) -> int:
    """Bytes of a voxel of this pixel type."""
    return int(np.dtype(dtype).itemsize)


def _sketch(member: Speaker) -> NetworkSketch:
    settings, labels = member.plan.find_configuration(member.configuration), member.plan.labels
    return sketch_configuration(
        settings, n_channels=len(member.plan.channels), n_labels=labels.n_labels, n_outputs=labels.n_outputs
    )


def _count_pass(member: Speaker, geometry: Geometry, device: str) -> Pass:
    settings, sketch = member.plan.find_configuration(member.configuration), _sketch(member)
    grid = find_grid(member.plan, member.configuration, geometry)
    patch = settings.patch_size.value
    volume = (1,) * (3 - len(patch)) + tuple(patch)
    voxels, n_outputs = math.prod(grid), member.plan.labels.n_outputs
    step = member.options.step
    steps = (max(math.ceil((size - n) / max(1.0, n * step)), 0) for size, n in zip(grid, volume, strict=True))
    n_windows = math.prod(step + 1 for step in steps)
    n_mirrorings = 2 ** len(settings.mirroring_axes.value) if member.options.mirroring == "all" else 1
    most = choose_windows_per_batch(volume, torch.device(device))
    answers, deciding = _count_answers(member, math.prod(patch))
    through_original = settings.cascade is not None and settings.cascade.through.value == "original_grid"
    return Pass(
        configuration=member.configuration,
        n_networks=member.n_networks,
        windows_per_batch=min(most, n_windows * n_mirrorings),
        n_windows=n_windows,
        effort=n_windows * member.n_networks * math.prod(patch),
        input_window=FLOAT32_BYTES * sketch.n_channels * math.prod(patch),
        logits_window=FLOAT32_BYTES * n_outputs * math.prod(patch),
        maps_window=peak_of_forward(sketch, tuple(patch), Arithmetic(device)),
        answers_window=answers,
        deciding_window=deciding,
        image=FLOAT32_BYTES * len(member.plan.channels) * voxels,
        sums=FLOAT32_BYTES * n_outputs * voxels,
        touched=_count_touched(FLOAT32_BYTES * n_outputs * voxels, volume, grid),
        previous=LABEL_BYTES * voxels if settings.cascade is not None else 0,
        segmenting=2 * LABEL_BYTES * math.prod(geometry.shape) if through_original else 0,
    )


def _count_answers(member: Speaker, voxels: int) -> tuple[float, float]:
    """What a window's answers hold while a network sees it, and what comes beside them when it has.

    All mirror images: the sum over those of one network, and over the networks before. Adaptively: a sum for each
    network if they are compared, else one for all; beside it their total, and one that is added to it; and what was
    decided before and is decided now (`windows.adaptive_mirroring`).
    """
    labels, n = member.plan.labels, member.n_networks
    logits = FLOAT32_BYTES * labels.n_outputs * voxels
    decision = (labels.n_outputs if labels.regions else LABEL_BYTES) * voxels
    compares = member.compares and n > 1
    decisions = n * decision if compares else 0
    if member.options.mirroring == "adaptive":
        held = (n if compares else 1) * logits + 2 * decision
    else:
        held = min(n, 2) * logits + decisions
    return held, 2 * logits + decisions + DECIDING_BYTES * voxels


def _count_touched(sums: float, patch: Sequence[int], grid: Sequence[int]) -> float:
    """Pages of the sums that lie under a slab of a window: rows as long as the grid's, and a page for each plane."""
    inside = [min(n, size) for n, size in zip(patch, grid, strict=True)]
    n_planes = max(1, SLAB_VALUES // math.prod(inside)) * inside[0]
    rows = n_planes * (FLOAT32_BYTES * inside[1] * grid[2] + PAGE_BYTES)
    return min(max(rows, FLOAT32_BYTES * SLAB_VALUES), sums + PAGE_BYTES)


def find_grid(plan: Plan, configuration: str, geometry: Geometry) -> tuple[int, int, int]:
    """Voxels of a configuration's network grid over a whole image, in axis order."""
    first, second, third = plan.axis_order.value
    shape = (geometry.shape[first], geometry.shape[second], geometry.shape[third])
    spacing_mm = (geometry.spacing[first], geometry.spacing[second], geometry.spacing[third])
    return compute_network_shape(shape, spacing_mm, plan.find_configuration(configuration).spacing_mm.value)
