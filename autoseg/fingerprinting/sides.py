"""Which labels are the left and the right one of a pair, and along which axis do they lie apart?

A flipped image shows the left one where the right one belongs, so that a network that sees such images cannot tell them
apart: that axis is not mirrored (`planning.rules.mirroring`). Names tell most pairs (`side_names`); where cases were
measured, positions confirm them and say the axis. Without telling names a pair is taken only from positions that leave
no doubt: nearly all of at least ten cases, along the axis that their headers call left to right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from autoseg.data.geometry import FLAT_SPACING_MM
from autoseg.data.labels import Labels
from autoseg.fingerprinting.fingerprint import CaseFacts, SidePair
from autoseg.fingerprinting.side_names import match_names

LEAST_SHARE_OF_EXTENT = 0.05  # of the image, apart; what lies on both sides of the body has its centre in the middle
LAST_AXIS = 2  # x: left to right in most images


@dataclass(frozen=True)
class _Standard:
    """How alike two labels must be to count as mirror images.

    Attributes:
        aside: distance along either other axis, as a share of that along the pair's own, at most.
        volume_ratio: the larger of the two against the smaller, at most.
        share_of_cases, n_cases: how many of the cases that hold both must show it, at least.
    """

    aside: float
    volume_ratio: float
    share_of_cases: float
    n_cases: int


CONFIRMATION = _Standard(aside=0.5, volume_ratio=2.0, share_of_cases=0.75, n_cases=1)  # of what names tell
PROOF = _Standard(aside=0.33, volume_ratio=1.5, share_of_cases=0.95, n_cases=10)  # by positions alone


@dataclass(frozen=True)
class _Sides:
    """Two labels in the cases that hold both, one row per case.

    Attributes:
        case_ids: the cases.
        offsets_mm: (n, 3) from the first label's centre to the second's, in array order.
        extents_mm: (n, 3) of the images.
        volume_ratios: (n,) the larger label against the smaller.
        lateral_axes: (n,) the axis from left to right by the header, -1 where that is unknown.
        leftward: (n,) 1 where that axis grows to the patient's left, -1 where to the right, 0 where that is unknown.
    """

    case_ids: tuple[str, ...]
    offsets_mm: np.ndarray
    extents_mm: np.ndarray
    volume_ratios: np.ndarray
    lateral_axes: np.ndarray
    leftward: np.ndarray

    @property
    def axes(self) -> np.ndarray:
        """(n,) the axis of the largest distance."""
        found: np.ndarray = np.abs(self.offsets_mm).argmax(axis=1)
        return found

    @property
    def asides(self) -> np.ndarray:
        """(n,) the largest distance along the two other axes, as a share of that along the labels' own."""
        middle, farthest = np.sort(np.abs(self.offsets_mm), axis=1).T[1:]
        shares: np.ndarray = np.divide(middle, farthest, out=np.ones_like(middle), where=farthest > 0)
        return shares

    def are_mirrored(self, standard: _Standard) -> np.ndarray:
        """(n,) whether they lie far apart along one axis, near each other along the others, and are alike in size."""
        rows = np.arange(len(self.case_ids))
        shares = np.abs(self.offsets_mm[rows, self.axes]) / self.extents_mm[rows, self.axes]
        found: np.ndarray = (
            (self.asides <= standard.aside)
            & (self.volume_ratios <= standard.volume_ratio)
            & (shares >= LEAST_SHARE_OF_EXTENT)
        )
        return found

    @property
    def is_first_on_the_left(self) -> np.ndarray:
        """(n,) 1 where the first label is the patient's left one, -1 where the second is, 0 where nobody knows."""
        rows = np.arange(len(self.case_ids))
        signs: np.ndarray = -np.sign(self.offsets_mm[rows, self.lateral_axes]) * self.leftward
        return signs


def find_side_pairs(cases: Sequence[CaseFacts], labels: Labels) -> tuple[SidePair, ...]:
    """Pairs of labels that are each other's mirror image, those with telling names first; and regions of such names.

    Args:
        cases: facts of all cases; without `label_centres` names alone decide.
        labels: the dataset's labels.
    """
    foreground = labels.names[1:]
    named = [_confirm(cases, labels, left, right) for left, right in match_names(foreground)]
    taken = {name for pair in named for name in (pair.left, pair.right)}
    others = [name for name in foreground if name not in taken]
    regions = [name for name in labels.output_names if name not in labels.names]
    of_regions = [_trust_names(cases, left, right) for left, right in match_names(regions)]
    return (*named, *_find_by_position(cases, labels, others), *of_regions)


def find_swapped_sides(cases: Sequence[CaseFacts], labels: Labels, pair: SidePair) -> tuple[str, ...]:
    """Cases in which the left label lies on the patient's right of the other one, by what their headers say.

    Nobody knows of regions, whose centres are not measured.
    """
    if not {pair.left, pair.right} <= set(labels.names):
        return ()
    sides = _look_at_both(cases, labels, pair.left, pair.right)
    is_swapped = (sides.is_first_on_the_left == -1) & (sides.axes == sides.lateral_axes)
    return tuple(case_id for case_id, swapped in zip(sides.case_ids, is_swapped, strict=True) if swapped)


def _confirm(cases: Sequence[CaseFacts], labels: Labels, left: str, right: str) -> SidePair:
    """A pair that names tell: its axis by the positions if these agree, else by the headers."""
    sides = _look_at_both(cases, labels, left, right)
    are_mirrored = sides.are_mirrored(CONFIRMATION)
    axis = _most_frequent_axis(sides.axes[are_mirrored])
    share = _share(are_mirrored & (sides.axes == axis))
    if share >= CONFIRMATION.share_of_cases:
        return SidePair(left=left, right=right, axis=axis, by="name and position", share_of_cases=share)
    pair = _trust_names(cases, left, right)
    return pair.model_copy(update={"share_of_cases": _share(are_mirrored & (sides.axes == pair.axis))})


def _trust_names(cases: Sequence[CaseFacts], left: str, right: str) -> SidePair:
    """A pair that names alone tell, along the axis that most headers call left to right."""
    lateral = [found for found in map(_lateral_axis, cases) if found is not None]
    axis = _most_frequent_axis(np.array(lateral)) if lateral else LAST_AXIS
    return SidePair(left=left, right=right, axis=axis, by="name")


def _find_by_position(cases: Sequence[CaseFacts], labels: Labels, names: Sequence[str]) -> Iterator[SidePair]:
    """Pairs that positions alone prove, each label in one pair, the most alike first."""
    volumes = _median_volumes(cases, labels)
    candidates = []
    for one, other in combinations(names, 2):
        if max(volumes[one], volumes[other]) <= PROOF.volume_ratio * min(volumes[one], volumes[other]):
            sides = _look_at_both(cases, labels, one, other)
            if pair := _judge_positions(sides, one, other):
                candidates.append((float(np.mean(sides.asides + sides.volume_ratios)), pair))
    taken: set[str] = set()
    for _, pair in sorted(candidates, key=lambda candidate: candidate[0]):
        if not taken & {pair.left, pair.right}:
            taken |= {pair.left, pair.right}
            yield pair


def _judge_positions(sides: _Sides, one: str, other: str) -> SidePair | None:
    """The pair, the patient's left label first, if nearly all cases show it along their headers' left to right."""
    are_mirrored = sides.are_mirrored(PROOF) & (sides.axes == sides.lateral_axes)
    axis = _most_frequent_axis(sides.axes[are_mirrored])
    for sign, (left, right) in {1: (one, other), -1: (other, one)}.items():
        share = _share(are_mirrored & (sides.axes == axis) & (sides.is_first_on_the_left == sign))
        if share >= PROOF.share_of_cases and len(sides.case_ids) >= PROOF.n_cases:
            return SidePair(left=left, right=right, axis=axis, by="position", share_of_cases=share)
    return None


def _most_frequent_axis(axes: np.ndarray) -> int:
    return int(np.bincount(axes, minlength=3).argmax())


def _share(are_so: np.ndarray) -> float:
    return round(float(are_so.mean()), 3) if are_so.size else 0.0


def _look_at_both(cases: Sequence[CaseFacts], labels: Labels, one: str, other: str) -> _Sides:
    first, second = labels.names.index(one) - 1, labels.names.index(other) - 1
    held = [facts for facts in cases if _holds(facts, first) and _holds(facts, second)]
    spacings = np.array([facts.spacing_mm for facts in held]).reshape(-1, 3)
    shapes = np.array([facts.shape or facts.shape_after_cropping for facts in held]).reshape(-1, 3)
    centres = np.array([(facts.label_centres[first], facts.label_centres[second]) for facts in held], dtype=float)
    centres = centres.reshape(-1, 2, 3)
    volumes = np.array([(facts.label_voxels[first], facts.label_voxels[second]) for facts in held]).reshape(-1, 2)
    lateral = [_lateral_axis(facts) for facts in held]
    return _Sides(
        case_ids=tuple(facts.id for facts in held),
        offsets_mm=(centres[:, 1] - centres[:, 0]) * spacings,
        extents_mm=shapes * spacings,
        volume_ratios=volumes.max(axis=1) / volumes.min(axis=1),
        lateral_axes=np.array([-1 if axis is None else axis for axis in lateral], dtype=int),
        leftward=np.array([_leftward(facts, axis) for facts, axis in zip(held, lateral, strict=True)], dtype=int),
    )


def _holds(facts: CaseFacts, index: int) -> bool:
    is_measured = index < len(facts.label_centres) and index < len(facts.label_voxels)
    return is_measured and facts.label_centres[index] is not None


def _median_volumes(cases: Sequence[CaseFacts], labels: Labels) -> dict[str, float]:
    """Median voxels of each label over the cases that hold it, by name; 0 where none does."""
    found = {}
    for index, name in enumerate(labels.names[1:]):
        voxels = [facts.label_voxels[index] for facts in cases if _holds(facts, index)]
        found[name] = float(np.median(voxels)) if voxels else 0.0
    return found


def _lateral_axis(facts: CaseFacts) -> int | None:
    """The array axis that the header calls left to right; a picture's header is a convention and says nothing."""
    letters = facts.orientation[::-1]  # stored for x, y, z
    if len(letters) != 3 or facts.spacing_mm[0] == FLAT_SPACING_MM:
        return None
    return next((axis for axis, letter in enumerate(letters) if letter in "LR"), None)


def _leftward(facts: CaseFacts, axis: int | None) -> int:
    if axis is None:
        return 0
    return 1 if facts.orientation[::-1][axis] == "L" else -1
