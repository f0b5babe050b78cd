"""Where the voxels of an array lie in the world.

Everything in autoseg is in array order (z, y, x); only `image_io` knows SimpleITK's (x, y, z). Origin and direction are
kept as the image gave them (world x, y, z; direction row by row), to be compared and to be written back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from autoseg.errors import DatasetError

SPACING_TOLERANCE = 1e-3  # share of a spacing: what float32 headers lose
ORIGIN_TOLERANCE_VOXELS = 0.1  # a tenth of a voxel moves no boundary
DIRECTION_TOLERANCE = 1e-3  # cosine
FLAT_SPACING_MM = 999.0  # the through-plane spacing of a picture that has none (borrowed from nnU-Net's fingerprints)

Axes3 = tuple[int, int, int]
Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class Geometry:
    """Shape and position of a volume; a 2D picture is a volume with one slice.

    Attributes:
        shape: voxels per axis (z, y, x).
        spacing: mm between voxel centres (z, y, x).
        origin: world position (x, y, z) of the first voxel in mm.
        direction: nine direction cosines, row by row, columns in (x, y, z) order.
        n_dimensions: 3, or 2 for a picture, so that it can be written as a picture again.
        has_spacing: False where the format stores none and `spacing` is a convention: 1 mm, and `FLAT_SPACING_MM`
            across a picture. Nothing in mm or ml follows from it.
    """

    shape: Axes3
    spacing: Spacing
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    n_dimensions: int = 3
    has_spacing: bool = True

    @property
    def voxel_volume_ml(self) -> float:
        """Millilitres per voxel, NaN where the format stores no spacing."""
        z, y, x = self.spacing
        return z * y * x / 1000.0 if self.has_spacing else math.nan

    @property
    def orientation(self) -> str:
        """Anatomical direction in which the array's x, y and z axes grow, e.g. `LPS` for an identity direction."""
        letters = []
        for axis in range(3):
            column = [self.direction[3 * row + axis] for row in range(3)]
            world = max(range(3), key=lambda row: abs(column[row]))
            letters.append("LPS"[world] if column[world] >= 0 else "RAI"[world])
        return "".join(letters)


def refuse_bad_spacing(geometry: Geometry, where: str) -> None:
    """Raise DatasetError if no length can be measured by a spacing: it is not above 0, not finite, or no number."""
    if geometry.has_spacing and not all(0 < step < math.inf for step in geometry.spacing):
        raise DatasetError(
            f"{where}: its spacing is {_rounded(geometry.spacing)} mm (z, y, x), but must be above 0 and finite. Write "
            "the spacing of the image into its header."
        )


def describe_differences(one: Geometry, other: Geometry) -> list[str]:
    """Name what keeps two volumes from lying voxel on voxel; an empty list if nothing does.

    Where a format stores no spacing there is no position in the world either, and only shapes are compared. The
    through-plane spacing of a picture is a convention and is not compared.
    """
    differences = []
    if one.shape != other.shape:
        differences.append(f"shape {one.shape} against {other.shape}")
    if not (one.has_spacing and other.has_spacing):
        return differences
    first_axis = 1 if 2 in (one.n_dimensions, other.n_dimensions) else 0
    pairs = zip(one.spacing[first_axis:], other.spacing[first_axis:], strict=True)
    if any(abs(a - b) > SPACING_TOLERANCE * a for a, b in pairs):
        differences.append(f"spacing {_rounded(one.spacing)} against {_rounded(other.spacing)} mm")
    shift = max(abs(a - b) for a, b in zip(one.origin, other.origin, strict=True))
    if shift > ORIGIN_TOLERANCE_VOXELS * min(one.spacing):
        differences.append(f"origin {_rounded(one.origin)} against {_rounded(other.origin)} mm")
    if max(abs(a - b) for a, b in zip(one.direction, other.direction, strict=True)) > DIRECTION_TOLERANCE:
        differences.append(f"direction {_rounded(one.direction)} against {_rounded(other.direction)}")
    return differences


def _rounded(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(round(value, 4) for value in values)
