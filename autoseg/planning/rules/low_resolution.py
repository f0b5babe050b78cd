"""Is a pass at low resolution due, and at which spacing?

Source: Isensee et al., Nature Methods 2021: where a full-resolution patch covers less than a quarter of the median
case, a coarser grid gives the network the context it lacks, if it saves enough to be another view at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from autoseg.decision import Decision, ruled

ENOUGH_CONTEXT = 0.25  # share of the median case that a patch should cover; borrowed
COARSEN_BY = 1.03  # spacing per step of the search; borrowed
COMPARABLE_SPACING = 2.0  # axes finer than the coarsest by more are coarsened first; borrowed
MIN_SAVING = 2.0  # voxels at full over voxels at low resolution; borrowed

PlanPatch = Callable[[tuple[float, ...], tuple[float, ...]], tuple[int, ...]]


def decide_low_resolution(
    *, spacing_mm: Sequence[float], median_shape: Sequence[float], patch_size: Sequence[int], plan_patch: PlanPatch
) -> Decision[tuple[float, ...] | None]:
    """The spacing of a low-resolution pass, None if there is none to be made.

    Args:
        spacing_mm, median_shape, patch_size: of the full-resolution configuration, in axis order.
        plan_patch: the patch that the budget holds on a grid of another spacing and median shape.
    """
    full_voxels = math.prod(median_shape)
    covered = math.prod(patch_size) / full_voxels
    inputs = {"covered": round(covered, 3)}
    if covered >= ENOUGH_CONTEXT:
        sentence = f"the patch covers {_show(min(covered, 1))} of the median case, no low-resolution pass is needed"
        return ruled(None, sentence, **inputs)
    coarse, voxels = _search(tuple(spacing_mm), tuple(median_shape), patch_size, plan_patch)
    saving = full_voxels / voxels
    inputs["saving"] = round(saving, 2)
    if saving < MIN_SAVING:
        return ruled(
            None,
            f"the patch covers {_show(covered)} of the median case, but a low-resolution pass would save only a factor "
            f"{saving:.1f} of its voxels",
            **inputs,
        )
    shown = " x ".join(f"{value:.2f}" for value in coarse)
    return ruled(
        coarse,
        f"the patch covers {_show(covered)} of the median case: a low-resolution pass is due at {shown} mm",
        **inputs,
    )


def _show(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"


def _search(
    spacing_mm: tuple[float, ...], median_shape: tuple[float, ...], patch_size: Sequence[int], plan_patch: PlanPatch
) -> tuple[tuple[float, ...], float]:
    """Coarsen until a patch covers enough. Returns spacing and voxels of the median case there."""
    coarse, voxels = spacing_mm, math.prod(median_shape)
    while math.prod(patch_size) / voxels < ENOUGH_CONTEXT:
        coarse = _coarsen(coarse)
        shape = tuple(full / low * size for full, low, size in zip(spacing_mm, coarse, median_shape, strict=True))
        voxels = math.prod(shape)
        patch_size = plan_patch(coarse, tuple(float(max(round(size), 1)) for size in shape))
    return coarse, voxels


def _coarsen(spacing_mm: tuple[float, ...]) -> tuple[float, ...]:
    """One step: the axes much finer than the coarsest, or all of them where none is."""
    coarsest = max(spacing_mm)
    is_fine = [coarsest / spacing > COMPARABLE_SPACING for spacing in spacing_mm]
    return tuple(
        spacing * COARSEN_BY if fine or not any(is_fine) else spacing
        for spacing, fine in zip(spacing_mm, is_fine, strict=True)
    )
