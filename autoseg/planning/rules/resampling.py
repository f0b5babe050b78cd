"""How are images, segmentations and logits interpolated between grids?

Source: Isensee et al., Nature Methods 2021: cubic splines, but a coarse axis on its own and by nearest neighbour, since
splines across thick slices invent structure.
"""

from __future__ import annotations

from collections.abc import Sequence

from autoseg.decision import Decision, ruled
from autoseg.planning.plan import Resampling

ANISOTROPY = 3.0  # coarsest over finest spacing beyond which the coarse axis is resampled on its own; borrowed


def decide_resampling(*, spacing_mm: Sequence[float], median_case_mm: Sequence[float]) -> Decision[Resampling]:
    """Spline orders, and the axis that is treated apart.

    Args:
        spacing_mm: of the configuration's grid; two values for 2D.
        median_case_mm: median spacing of the images before resampling, along the same axes.
    """
    if len(spacing_mm) == 2:
        return ruled(Resampling(), "slices are resampled one by one, by cubic splines")
    for name, spacing in (("images", median_case_mm), ("the target grid", spacing_mm)):
        ratio, axis = _find_coarse_axis(spacing)
        if axis is not None:
            return ruled(
                Resampling(separate_axis=axis),
                f"in {name} axis {axis} is {ratio:.1f} times coarser than the finest, more than {ANISOTROPY:g}: "
                "it is resampled on its own, by nearest neighbour",
                anisotropy=round(ratio, 2),
            )
    return ruled(Resampling(), f"no axis is more than {ANISOTROPY:g} times coarser: cubic splines along all axes")


def _find_coarse_axis(spacing_mm: Sequence[float]) -> tuple[float, int | None]:
    """Anisotropy, and the one axis that causes it; None where spacings are alike or two axes are coarse."""
    ratio = max(spacing_mm) / min(spacing_mm)
    coarsest = [axis for axis, value in enumerate(spacing_mm) if value == max(spacing_mm)]
    return ratio, coarsest[0] if ratio > ANISOTROPY and len(coarsest) == 1 else None
