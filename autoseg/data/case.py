"""What is one case, once its files are in memory?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autoseg.data.dataset import Case
from autoseg.data.geometry import Geometry, describe_differences
from autoseg.data.image_io import read_header, read_image, read_segmentation
from autoseg.data.labels import Labels, encode_labels
from autoseg.errors import DatasetError


@dataclass(frozen=True)
class LoadedCase:
    """A case in memory.

    Attributes:
        id: the case.
        image: float32 (C, Z, Y, X).
        segmentation: int16 (Z, Y, X) with labels 0, 1, 2, ... and `IGNORED`; None where there is no reference.
        geometry: where the voxels lie, taken from the first image file.
        dtype: pixel type of the first image file as stored.
    """

    id: str
    image: np.ndarray
    segmentation: np.ndarray | None
    geometry: Geometry
    dtype: str


def read_case(case: Case, *, labels: Labels, n_channels: int) -> LoadedCase:
    """Read the files of a case and hold them against each other.

    Raises:
        DatasetError: a file is unreadable, channels are missing, grids differ, or a label is not declared.
        NumericalError: the image holds NaN or infinity.
    """
    image, geometry = read_image(case.images)
    if image.shape[0] != n_channels:
        names = ", ".join(path.name for path in case.images)
        raise DatasetError(
            f"{case.id}: expected {n_channels} channels, but {names} hold{'s' if len(case.images) == 1 else ''} "
            f"{image.shape[0]}. Give one file per channel (CASE_0000, CASE_0001, ...) or one file with all of them."
        )
    segmentation = _read_reference(case, geometry, labels)
    return LoadedCase(case.id, image, segmentation, geometry, read_header(case.images[0]).dtype)


def _read_reference(case: Case, geometry: Geometry, labels: Labels) -> np.ndarray | None:
    if case.segmentation is None:
        return None
    stored, its_geometry = read_segmentation(case.segmentation)
    if differences := describe_differences(geometry, its_geometry):
        raise DatasetError(
            f"{case.segmentation}: a segmentation must lie on the grid of its image {case.images[0].name}, but differs "
            f"in {'; '.join(differences)} (image first). Resample the segmentation onto the image."
        )
    return encode_labels(stored, labels, where=str(case.segmentation))
