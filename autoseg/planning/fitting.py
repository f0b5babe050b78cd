"""How large a patch does the budget hold?

Patch, width and batch share one budget of memory and time. Here stand the limits that a patch can break, and the search
for the largest patch that breaks none. More memory never leads to a smaller patch times batch: patches are tried along
one path, from the largest down, and each must hold as much as the larger ones would have shown (`count_wanted`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from autoseg.planning.choices import Topology
from autoseg.planning.layers import NetworkSketch
from autoseg.planning.reference import MIN_BATCH
from autoseg.planning.rules.batch_size import count_wanted
from autoseg.planning.rules.features import ENOUGH_ITERATIONS, FULL_WIDTH, WIDTHS
from autoseg.planning.rules.patch_size import Patch, PatchSearch, search_patch
from autoseg.planning.rules.topology import derive_topology, pad_to_divisor
from autoseg.planning.situation import (
    Situation,
    count_training_iterations,
    exceeds_yardstick,
    is_holdable,
)

# Below so many iterations training takes smaller patches instead. In 3 minutes on Hippocampus, 598 iterations of
# 40x56x40 reached a Dice of 0.867, 1,221 of 32x40x32 one of 0.874; nuclei did as well with either (benchmarks/LOG.md).
FEWEST_ITERATIONS = 1000

# Where a patch covers more than this share of a case, a smaller one still shows enough of it, and training takes it
# until the time holds so many iterations anyway. On Hippocampus, of 40x56x40 and 32x40x32 (0.65 of the median case),
# the smaller reached the higher Dice at every budget: 0.874 to 0.867 in 3 minutes, 0.8845 to 0.882 in 10, 0.888 to
# 0.8845 in 30 (598, 2,099 and 2,342 iterations of the larger; one run each, benchmarks/LOG.md). Pictures did as well
# with either, and keep theirs; other volumes were not tried.
ENOUGH_OF_CASE = 0.66
MANY_ITERATIONS = 12_000


@dataclass(frozen=True)
class Fit:
    """A patch that the budget holds, and the width it was found with, unless a person pinned the features.

    Attributes:
        ruled: how the rule finds a patch, where a person pinned another one.
    """

    width: int
    search: PatchSearch
    ruled: PatchSearch | None = None

    def count_wanted(self, situation: Situation) -> tuple[int, int | None]:
        """Patches that memory must hold at least, and a batch has at most (`batch_size.count_wanted`)."""
        return _count_wanted(situation, self.search.patch_size, self.search.larger)


def fit_patch(situation: Situation) -> Fit:
    """The largest patch that the budget holds.

    On a GPU at full width; if not even the smallest patch fits, that patch at the first narrower width that does. On a
    CPU, where time is short, at the narrowest width; what time is left then widens it. By the published rules, at full
    width and no other.
    """
    width = WIDTHS[-1] if situation.is_on_cpu else FULL_WIDTH
    if "patch_size" in situation.pins:
        return _take_pinned(situation, width)
    fit = fit_patch_at(situation, width)
    if situation.as_published or "features" in situation.pins:
        return fit
    for narrower in (one for one in WIDTHS if one < width):
        if fit.search.unmet is None:
            break
        limit = _find_limit(situation, narrower, fit.search.patch_size, fit.search.topology, fit.search.larger)
        fit = Fit(narrower, replace(fit.search, unmet=limit))
    return fit


def _take_pinned(situation: Situation, width: int) -> Fit:
    """The patch that a person set, with what it breaks, if anything."""
    patch = tuple(situation.pins.values["patch_size"])
    topology = derive_topology(situation.grid.spacing_mm.value, patch)
    unmet = _find_limit(situation, width, patch, topology, ())
    ruled = fit_patch(replace(situation, pins=situation.pins.without("patch_size"))).search
    return Fit(width, PatchSearch(patch, patch, topology, (), (), unmet), ruled)


def fit_patch_at(situation: Situation, width: int) -> Fit:
    """The largest patch that the budget holds at one width."""

    def find_limit(patch_size: Patch, topology: Topology, larger: Sequence[int]) -> str | None:
        return _find_limit(situation, width, patch_size, topology, larger)

    search = search_patch(
        spacing_mm=situation.grid.spacing_mm.value,
        median_shape=situation.grid.median_shape,
        find_limit=find_limit,
        as_published=situation.as_published,
    )
    return Fit(width, search)


def _find_limit(
    situation: Situation, width: int, patch_size: Patch, topology: Topology, larger: Sequence[int]
) -> str | None:
    """What a patch breaks, in words, or None if the budget holds it."""
    patch_size, topology = fit_topology(situation, patch_size, topology)
    sketch = situation.sketch(topology, situation.features_at(width, topology))
    preset, memory_gb = situation.preset, situation.memory_gb
    if exceeds_yardstick(situation, sketch, patch_size):
        allowed = preset.scale(situation.n_dimensions, memory_gb)
        return f"feature maps would exceed the {allowed / 1e6:,.0f} million values of the published {preset.name}"
    if situation.as_published:
        return None
    wanted, _ = _count_wanted(situation, patch_size, larger)
    if not is_holdable(situation, sketch, patch_size, wanted):
        return f"training {max(wanted, 1)} patches would need more than the {memory_gb:g} GB there are"
    return _find_lack_of_time(situation, topology, patch_size)


def fit_topology(situation: Situation, patch_size: Patch, topology: Topology) -> tuple[Patch, Topology]:
    """A pinned topology takes the place of the patch's own, and pads the patch."""
    pinned = situation.pins.values.get("topology")
    if not isinstance(pinned, Topology):
        return patch_size, topology
    return patch_size if "patch_size" in situation.pins else pad_to_divisor(patch_size, pinned.divisor), pinned


def _find_lack_of_time(situation: Situation, topology: Topology, patch_size: Patch) -> str | None:
    """Where time is short, even the narrowest network must get a number of iterations."""
    if not situation.is_short_of_time:
        return None
    narrowest: NetworkSketch = situation.sketch(topology, situation.features_at(WIDTHS[-1], topology))
    n_iterations = count_training_iterations(situation, narrowest, patch_size)
    if n_iterations < min(FEWEST_ITERATIONS, count_needed(situation)):
        return f"{situation.time} would hold only {n_iterations:,} iterations"
    shown = math.prod(patch_size) / math.prod(situation.grid.median_shape)
    many = situation.length.value.n_iterations or MANY_ITERATIONS
    if situation.n_dimensions == 3 and shown > ENOUGH_OF_CASE and n_iterations < many:
        return f"{shown:.0%} of a case is more than needed while {situation.time} holds {n_iterations:,} iterations"
    return None


def count_needed(situation: Situation) -> int:
    """Iterations that a width should get."""
    return situation.length.value.n_iterations or ENOUGH_ITERATIONS


def _count_wanted(situation: Situation, patch_size: Patch, larger: Sequence[int]) -> tuple[int, int | None]:
    bearable = math.inf
    if not situation.is_on_cpu and "batch_size" not in situation.pins:
        bearable = situation.share_of_dataset * situation.grid.dataset_voxels
    sizes = [*larger, math.prod(patch_size)]
    wanted, ceiling = count_wanted(sizes, usual=situation.usual_batch, bearable_voxels=max(bearable, MIN_BATCH))
    return max(wanted, 1), ceiling
