"""Do the transforms of training patches hold together? Probabilities, ranges that mean something, nothing that does
nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from autoseg.planning.choices import Augmentation, Transform
from autoseg.planning.problems import Problem, show
from autoseg.serialization import Record


class Bounds(NamedTuple):
    """What the strength of a transform is drawn between; `is_above`: the low end itself is excluded."""

    low: float
    high: float
    unit: str
    is_above: bool = False

    def hold(self, drawn: tuple[float, float]) -> bool:
        """Whether a range lies within."""
        return (self.low < drawn[0] if self.is_above else self.low <= drawn[0]) and drawn[1] <= self.high

    def __str__(self) -> str:
        above = "above " if self.is_above else "from "
        to = "" if self.high == math.inf else f" to {self.high:g}"
        return f"{above}{self.low:g}{to} {self.unit}"


BOUNDS: Mapping[str, Bounds] = {
    "rotation_deg": Bounds(-180, 180, "degrees"),
    "scaling": Bounds(0, 10, "(a factor)", is_above=True),
    "gaussian_noise": Bounds(0, math.inf, "(standard deviations)"),
    "gaussian_blur": Bounds(0, math.inf, "voxels"),
    "brightness": Bounds(0, math.inf, "(a factor)", is_above=True),
    "contrast": Bounds(0, math.inf, "(a factor)", is_above=True),
    "low_resolution": Bounds(0, 1, "(a share of the voxels per axis)", is_above=True),
    "inverted_gamma": Bounds(0, math.inf, "(an exponent)", is_above=True),
    "gamma": Bounds(0, math.inf, "(an exponent)", is_above=True),
    "elastic": Bounds(0, 6.4, "voxels; beyond, space would fold"),  # training.turning.CONTROL_SPACING
}
PER_CHANNEL = ("gaussian_noise", "gaussian_blur", "contrast", "low_resolution")  # may leave channels out
MIRRORING = "mirroring"


def check_augmentation(place: str, augmentation: Augmentation) -> Iterator[Problem]:
    """Every transform of training patches by itself; keys begin with `place`."""
    faults = [*check_transforms(place, augmentation)]
    yield from faults
    for name, bounds in BOUNDS.items():
        key, transform = f"{place}.{name}", getattr(augmentation, name)
        if any(fault.key.startswith(key) for fault in faults):
            continue
        if transform.range is None and transform.probability > 0:
            yield Problem(key, f"has a probability, but no range to draw from. Give one: {bounds}.")
        elif transform.range is not None and not bounds.hold(transform.range):
            yield Problem(f"{key}.range", f"is {show(transform.range)}, but must lie {bounds}.")
    yield from _check_idle(place, augmentation)


def check_transforms(place: str, transforms: Record) -> Iterator[Problem]:
    """Probabilities from 0 to 1, and finite ranges with the lower end first."""
    for name in type(transforms).model_fields:
        transform = getattr(transforms, name)
        if not isinstance(transform, Transform):
            continue
        if not (0 <= transform.probability <= 1 and 0 <= transform.probability_per_channel <= 1):
            yield Problem(f"{place}.{name}", "has a probability outside of 0 to 1.")
        if transform.range is not None and not -math.inf < transform.range[0] <= transform.range[1] < math.inf:
            sentence = f"is {show(transform.range)}, but must be finite, the lower end first."
            yield Problem(f"{place}.{name}.range", sentence)


def _check_idle(place: str, augmentation: Augmentation) -> Iterator[Problem]:
    """What is given, and would do nothing."""
    for name in (*BOUNDS, MIRRORING):
        if name not in PER_CHANNEL and getattr(augmentation, name).probability_per_channel != 1:
            sentence = f"is given, but {name} treats all channels alike. Leave it out."
            yield Problem(f"{place}.{name}.probability_per_channel", sentence)
    if augmentation.mirroring.range is not None:
        yield Problem(f"{place}.mirroring.range", "is given, but a patch is mirrored or not. Leave it out.")
