"""Where are the probabilities of a predicted case, and how are they read without being in memory at once?

`autoseg predict-ensemble --probabilities` writes an image per label or region beside each segmentation,
`CASE_<name>.probability.nii.gz`, uint8 that its header scales to 0..1. Here they are found again and read slab
by slab, so that a volume of any depth takes the memory of one slab.
"""

from __future__ import annotations

import gzip
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from autoseg.data.geometry import Geometry, describe_differences
from autoseg.data.image_io import read_header
from autoseg.data.labels import Labels
from autoseg.data.nifti import VOXEL_TYPES, NiftiHeader, is_compressed, read_nifti_header
from autoseg.errors import DatasetError

PROBABILITY = "probability.nii.gz"
SLAB_VOXELS = 2**20  # read at once, and at least one slice
TOLERANCE = 1e-5  # by which a scaled value may leave 0..1

FloatArray = np.ndarray


def name_outputs(names: Sequence[str]) -> list[str]:
    """Names of labels as parts of file names; those that become alike get their number, capitals being no difference.

    Labels `lung left` and `lung_left`, the first and the second after background: `lung_left_1`, `lung_left_2`.
    """
    plain = [re.sub(r"[^\w-]", "_", name) for name in names]
    folded = [name.lower() for name in plain]
    return [name if folded.count(name.lower()) == 1 else f"{name}_{number}" for number, name in enumerate(plain)]


def find_probabilities(folder: Path, case_id: str, labels: Labels) -> dict[str, Path]:
    """The probability file of every label or region that is scored, by its name; background is none.

    Args:
        folder: of the predictions.
        case_id: the segmentation's file name without its ending.
        labels: that the case was predicted with.

    Raises:
        DatasetError: a file is missing.
    """
    outputs = dict(zip(labels.output_names, name_outputs(labels.output_names), strict=True))
    files = {name: folder / f"{case_id}_{outputs[name]}.{PROBABILITY}" for name, _ in labels.targets}
    missing = [path for path in files.values() if not path.is_file()]
    if missing:
        others = f" (and {len(missing) - 1} more of this case)" if len(missing) > 1 else ""
        raise DatasetError(
            f"{missing[0]}: there is no such file{others}, but calibration is measured from it. Predict with "
            "`autoseg predict-ensemble --probabilities`, or evaluate without probabilities."
        )
    return files


def read_probabilities(path: Path, geometry: Geometry) -> Iterator[tuple[slice, FloatArray]]:
    """Read a probability file, slab by slab from the first slice on.

    Args:
        path: a NIfTI file.
        geometry: of the reference, on which it must lie.

    Yields:
        The slices, and their probabilities float32 (n, Y, X), 0..1.

    Raises:
        DatasetError: no NIfTI file of one channel, damaged, on another grid, or with values outside of 0..1.
    """
    header = _read_matching_header(path, geometry)
    dtype = np.dtype(header.byte_order + VOXEL_TYPES[header.datatype])
    depth, *plane = geometry.shape
    n_slices = max(1, SLAB_VOXELS // math.prod(plane))
    try:
        with gzip.open(path) if is_compressed(path) else path.open("rb") as stream:
            stream.read(header.start)
            for start in range(0, depth, n_slices):
                rows = slice(start, min(start + n_slices, depth))
                shape = (rows.stop - start, *plane)
                content = stream.read(math.prod(shape) * dtype.itemsize)
                yield rows, _scale(np.frombuffer(content, dtype).reshape(shape), header, path)
            stream.read(1)  # where gzip compares its checksum
    except (EOFError, OSError, zlib.error) as problem:
        raise DatasetError(f"{path}: is damaged ({problem}). Copy it or predict it again.") from None


def _read_matching_header(path: Path, geometry: Geometry) -> NiftiHeader:
    known = read_header(path)
    if differences := describe_differences(geometry, known.geometry):
        raise DatasetError(
            f"{path}: does not lie on the reference: {'; '.join(differences)} (reference against probabilities). "
            "Resample it onto the reference's grid, or predict the reference's image."
        )
    header = read_nifti_header(path) if path.name.lower().endswith((".nii", ".nii.gz")) else None
    if header is None or header.datatype not in VOXEL_TYPES or known.n_channels != 1:
        raise DatasetError(f"{path}: probabilities are a NIfTI file of one channel of real numbers, but this is none.")
    return header


def _scale(stored: FloatArray, header: NiftiHeader, path: Path) -> FloatArray:
    """Stored numbers as probabilities; a slope of 0 means that nothing is scaled (nifti1.h)."""
    values = stored.astype(np.float32)
    if header.slope:
        values *= np.float32(header.slope)
        values += np.float32(header.intercept)
    if not (values.min() >= -TOLERANCE and values.max() <= 1 + TOLERANCE):  # NaN is neither
        raise DatasetError(
            f"{path}: holds numbers from {values.min():g} to {values.max():g}, but probabilities lie in 0..1."
        )
    return np.clip(values, 0, 1, out=values)
