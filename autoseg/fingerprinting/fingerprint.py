"""The facts of a dataset that decisions rest on.

Source: Isensee et al., Nature Methods 2021 (dataset fingerprint); method part 1. All shapes and spacings are in array
order (z, y, x); spacings in mm; intensities in the unit of the image. A plan needs no more than `channels`, `labels`
and, per case, `spacing_mm` and `shape_after_cropping`.
"""

from __future__ import annotations

import numpy as np
import pydantic

from autoseg.data.labels import Labels
from autoseg.serialization import Record, digest

_TAIL = (0.0, 0.0005, 0.001, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.01, 0.0125, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04)
_SHOULDER = tuple(round(0.05 + 0.01 * step, 2) for step in range(15))  # one case in ten is the dataset's tail
_HALF = (*_TAIL, *_SHOULDER, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45)
QUANTILE_LEVELS = (*_HALF, 0.5, *(round(1 - level, 4) for level in reversed(_HALF)))  # fine where plans clip


class Intensities(Record):
    """Foreground intensities of one channel over the dataset, each case weighing the same."""

    mean: float
    std: float
    min: float
    max: float
    median: float
    percentile_00_5: float
    percentile_99_5: float


class ForegroundSample(Record):
    """Foreground intensities of one channel in one case: what the dataset's statistics are merged from.

    Attributes:
        mean, std: over all foreground voxels of the case.
        quantiles: intensities at `QUANTILE_LEVELS`, ascending.
    """

    mean: float
    std: float
    quantiles: tuple[float, ...]


class CaseFacts(Record):
    """What was measured in one case.

    Attributes:
        id: the case.
        shape, shape_after_cropping: voxels (z, y, x) before and after cropping to the non-zero region.
        spacing_mm: mm (z, y, x).
        orientation: e.g. `LPS`.
        dtype: pixel type of the first channel as stored.
        label_voxels: voxels of each label 1, 2, ... in order.
        channel_ranges: (min, max) of each channel over the whole image.
        foreground: one entry per channel; empty if the case has no foreground.
        files: digest of each input file by its position and name, to notice change.
    """

    id: str = ""
    shape_after_cropping: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    shape: tuple[int, int, int] | None = None
    orientation: str = ""
    dtype: str = ""
    label_voxels: tuple[int, ...] = ()
    channel_ranges: tuple[tuple[float, float], ...] = ()
    foreground: tuple[ForegroundSample, ...] = ()
    files: dict[str, str] = {}

    @property
    def share_after_cropping(self) -> float:
        """Share of the voxels that cropping keeps."""
        if self.shape is None:
            return 1.0
        return float(np.prod(self.shape_after_cropping) / np.prod(self.shape))


class Fingerprint(Record):
    """The fingerprint of a dataset.

    Attributes:
        autoseg_fingerprint: version of this format.
        listing: names the state of the files when they were measured (`data.freshness`).
        dataset: name of the dataset.
        channels: channel names.
        labels: names and numbers of the labels.
        intensities: per channel, None where no case has foreground.
        median_share_after_cropping: median over cases.
        warnings: outliers and oddities, one sentence each.
        cases: the facts of every case, sorted by id.
    """

    autoseg_fingerprint: int = 1
    listing: str = ""
    dataset: str
    channels: tuple[str, ...]
    labels: Labels
    intensities: tuple[Intensities | None, ...] = ()
    median_share_after_cropping: float = 1.0
    warnings: tuple[str, ...] = ()
    cases: tuple[CaseFacts, ...] = pydantic.Field(min_length=1)

    @property
    def n_cases(self) -> int:
        return len(self.cases)

    @property
    def spacings_mm(self) -> np.ndarray:
        """(n_cases, 3) in (z, y, x)."""
        return np.array([case.spacing_mm for case in self.cases], dtype=np.float64)

    @property
    def shapes_after_cropping(self) -> np.ndarray:
        """(n_cases, 3) in (z, y, x)."""
        return np.array([case.shape_after_cropping for case in self.cases], dtype=np.int64)

    @property
    def digest(self) -> str:
        """Names the facts a plan can rest on: two fingerprints with one digest give one plan."""
        return digest(self.model_dump(exclude={"warnings", "listing"}))
