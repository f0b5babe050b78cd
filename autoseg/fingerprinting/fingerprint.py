"""The facts of a dataset that decisions rest on.

Source: Isensee et al., Nature Methods 2021 (dataset fingerprint); method part 1. All shapes and spacings are in array
order (z, y, x); spacings in mm; intensities in the unit of the image. A plan needs no more than `channels`, `labels`
and, per case, `spacing_mm` and `shape_after_cropping`. `plans/FINGERPRINT.md` describes the file.
"""

from __future__ import annotations

from numbers import Real
from typing import Annotated, Any, Literal

import numpy as np
import pydantic
from pydantic_core import PydanticCustomError

from autoseg.data.labels import Labels
from autoseg.serialization import Record, digest

FORMAT = 2  # version of the file; facts that were measured under another one are measured again

_TAIL = (0.0, 0.0005, 0.001, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.01, 0.0125, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04)
_SHOULDER = tuple(round(0.05 + 0.01 * step, 2) for step in range(15))  # one case in ten is the dataset's tail
_HALF = (*_TAIL, *_SHOULDER, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45)
QUANTILE_LEVELS = (*_HALF, 0.5, *(round(1 - level, 4) for level in reversed(_HALF)))  # fine where plans clip


SPACING_RANGE_MM = (1e-6, 1e4)  # from a nanometre to ten metres: what lies outside is a slip of the unit
MOST_VOXELS = 10**6  # along one axis


def _require_spacing(value: Any) -> Any:
    if not _is_triple(value) or not all(is_spacing(length) for length in value):
        raise PydanticCustomError(
            "spacing",
            "expected three lengths above 0 in mm, from a nanometre to ten metres, in the order (z, y, x); a picture "
            "has [999, y, x]",
        )
    return value


def _require_shape(value: Any) -> Any:
    if not _is_triple(value) or not all(1 <= n_voxels <= MOST_VOXELS and n_voxels % 1 == 0 for n_voxels in value):
        raise PydanticCustomError(
            "shape",
            "expected three numbers of voxels, from 1 to a million, in the order (z, y, x); a picture has [1, y, x]",
        )
    return value


def is_spacing(length_mm: float) -> bool:
    """Whether voxels can lie so far apart; NaN and infinity are no lengths."""
    return SPACING_RANGE_MM[0] <= length_mm <= SPACING_RANGE_MM[1]


def _is_triple(value: Any) -> bool:
    is_sequence = isinstance(value, list | tuple) and len(value) == 3
    return is_sequence and all(isinstance(item, Real) and not isinstance(item, bool) for item in value)


SpacingMm = Annotated[tuple[float, float, float], pydantic.BeforeValidator(_require_spacing)]
Shape = Annotated[tuple[int, int, int], pydantic.BeforeValidator(_require_shape)]
Place = tuple[float, float, float]
FINITE = pydantic.ConfigDict(allow_inf_nan=False)


class Intensities(Record):
    """Foreground intensities of one channel over the dataset, each case weighing the same."""

    model_config = FINITE

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

    model_config = FINITE

    mean: float
    std: float
    quantiles: tuple[float, ...]


class Components(Record):
    """The connected pieces of one label in one case; voxels that share a corner belong together.

    Attributes:
        n: number of pieces, 0 where the case does not hold the label.
        largest_voxels, smallest_voxels: of the largest and of the smallest piece.
    """

    n: int
    largest_voxels: int = 0
    smallest_voxels: int = 0


class CaseFacts(Record):
    """What was measured in one case.

    Attributes:
        id: the case.
        shape, shape_after_cropping: voxels (z, y, x) before and after cropping to the non-zero region.
        spacing_mm: mm (z, y, x).
        orientation: e.g. `LPS`.
        dtype: pixel type of the first channel as stored.
        label_voxels: voxels of each label 1, 2, ... in order.
        label_components: connected pieces of each label 1, 2, ... in order.
        label_centres: mean position (z, y, x) of each label 1, 2, ... in order, in voxels from the first voxel of the
            whole image; None where the case does not hold the label.
        channel_ranges: (min, max) of each channel over the whole image.
        foreground: one entry per channel; empty if the case has no foreground.
        files: digest of each input file by its position and name, to notice change.
        annotated: names of the labels or regions that the reference annotates; None for all.
    """

    model_config = FINITE

    id: str = ""
    shape_after_cropping: Shape
    spacing_mm: SpacingMm
    shape: Shape | None = None
    orientation: str = ""
    dtype: str = ""
    label_voxels: tuple[int, ...] = ()
    label_components: tuple[Components, ...] = ()
    label_centres: tuple[Place | None, ...] = ()
    channel_ranges: tuple[tuple[float, float], ...] = ()
    foreground: tuple[ForegroundSample, ...] = ()
    files: dict[str, str] = {}
    annotated: tuple[str, ...] | None = None

    @pydantic.model_serializer(mode="wrap")
    def _leave_out_where_all_is_annotated(self, handler: Any) -> Any:
        shown = handler(self)
        if self.annotated is None:
            shown.pop("annotated", None)
        return shown

    @property
    def share_after_cropping(self) -> float:
        """Share of the voxels that cropping keeps."""
        if self.shape is None:
            return 1.0
        return float(np.prod(self.shape_after_cropping) / np.prod(self.shape))


class SidePair(Record):
    """Two labels that are each other's mirror image: the left and the right one of a paired structure.

    Attributes:
        left, right: names of the labels.
        axis: the axis along which they lie apart, counted in array order: 0 is z, 1 is y, 2 is x.
        by: what told them: their names, their positions, or both.
        share_of_cases: of the cases that hold both, the share in which they lie as mirror images along `axis`; 0 where
            no positions are known.
    """

    left: str
    right: str
    axis: int = pydantic.Field(ge=0, le=2)
    by: Literal["name", "name and position", "position"]
    share_of_cases: float = pydantic.Field(default=0.0, ge=0, le=1)


class Oddity(Record):
    """Something that a person should have looked at before training.

    Attributes:
        kind: what sort of oddity; `oddities.KINDS` says what each means and what to do.
        where: the case or cases, the channel, or the labels; a long list is shortened.
        message: the whole sentence, with where, what was found and what to do.
        cases: ids of all the cases that it is about.
    """

    kind: str = "other"
    where: str = ""
    message: str
    cases: tuple[str, ...] = ()

    @pydantic.model_validator(mode="before")
    @classmethod
    def _accept_sentence(cls, data: Any) -> Any:
        """Files of format 1, and people, write the bare sentence."""
        return {"message": data} if isinstance(data, str) else data


class Fingerprint(Record):
    """The fingerprint of a dataset.

    Attributes:
        autoseg_fingerprint: version of this format, `FORMAT`.
        listing: names the state of the files when they were measured (`data.freshness`).
        dataset: name of the dataset.
        channels: channel names.
        labels: names and numbers of the labels.
        intensities: per channel, None where no case has foreground.
        median_share_after_cropping: median over cases.
        side_pairs: labels that are each other's mirror image.
        warnings: outliers and oddities.
        cases: the facts of every case, sorted by id.
    """

    autoseg_fingerprint: int = FORMAT
    listing: str = ""
    dataset: str
    channels: tuple[str, ...]
    labels: Labels
    intensities: tuple[Intensities | None, ...] = ()
    median_share_after_cropping: float = pydantic.Field(default=1.0, ge=0, le=1)
    side_pairs: tuple[SidePair, ...] = ()
    warnings: tuple[Oddity, ...] = ()
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
        return digest(self.model_dump(exclude={"warnings": True, "listing": True, "cases": {"__all__": {"annotated"}}}))
