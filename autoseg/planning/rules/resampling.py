"""How are images, segmentations and logits interpolated between grids?

Source: Isensee et al., Nature Methods 2021: cubic splines, but a coarse axis on its own and by nearest neighbour, since
splines across thick slices invent structure.
"""

from __future__ import annotations

from collections.abc import Sequence

from autoseg.decision import Decision, ruled
from autoseg.planning.choices import Resampling

ANISOTROPY = 3.0  # coarsest over finest spacing beyond which the coarse axis is resampled on its own; borrowed


def decide_resampling(*, spacing_mm: Sequence[float]) -> Decision[Resampling]:
    """Spline orders, and the axis that is treated apart where a case's own spacing does not decide it.

    A case that is more anisotropic than `ANISOTROPY` itself has its own coarse axis treated apart, whatever is planned
    (`preprocessing.preprocess.choose_separate_axes`).

    Args:
        spacing_mm: of the configuration's grid; two values for 2D.
    """
    if len(spacing_mm) == 2:
        return ruled(Resampling(), "slices are resampled one by one, by cubic splines")
    ratio = measure_anisotropy(spacing_mm)
    axis = find_coarse_axis(spacing_mm)
    if axis is None:
        reason = (
            f"no axis is more than {ANISOTROPY:g} times coarser than the finest: cubic splines along all axes, "
            "but for cases whose own spacing is"
        )
        return ruled(Resampling(), reason, anisotropy=round(ratio, 2))
    return ruled(
        Resampling(separate_axis=axis),
        f"axis {axis} is {ratio:.1f} times coarser than the finest, more than {ANISOTROPY:g}: it is resampled on its "
        "own, by nearest neighbour",
        anisotropy=round(ratio, 2),
    )


def measure_anisotropy(spacing_mm: Sequence[float]) -> float:
    """Coarsest over finest spacing."""
    return max(spacing_mm) / min(spacing_mm)


def find_coarse_axis(spacing_mm: Sequence[float]) -> int | None:
    """The coarsest axis, if it is more than `ANISOTROPY` times coarser than the finest; None otherwise, and where
    several axes are as coarse."""
    return find_coarsest_axis(spacing_mm) if measure_anisotropy(spacing_mm) > ANISOTROPY else None


def find_coarsest_axis(spacing_mm: Sequence[float]) -> int | None:
    """The one axis of the coarsest spacing, None where several axes share it. Spacings are compared exactly, as in
    nnU-Net: of 3.0 and 3.0000005 the second is coarser."""
    coarsest = [axis for axis, value in enumerate(spacing_mm) if value == max(spacing_mm)]
    return coarsest[0] if len(coarsest) == 1 else None
