"""How does a volume that is larger than memory become a compressed NIfTI file?

It is spooled, uncompressed and filled in any order, in a file without a name, whose disk space goes with the array;
from there it is compressed slice by slice. SimpleITK would want all of it at once, as floats. Source: the NIfTI-1
header (nifti1.h): world axes point right, anterior, superior, where autoseg's point left, posterior, superior.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autoseg.data.geometry import Geometry
from autoseg.data.unlinked import map_unlinked, release_pages
from autoseg.errors import DatasetError
from autoseg.serialization import replacing

TYPES = {"uint8": 2, "int16": 4, "float32": 16}  # NIfTI's codes
HEADER_BYTES = 352  # with four zeros: no extension follows
LARGEST_AXIS = 2**15 - 1
MILLIMETRES = 2
SCANNER = 1  # the axes are those of the scanner, not of an atlas
COMPRESSION = 1  # zlib's fastest: masks and probabilities are mostly one value, which every level packs
CHUNK_BYTES = 2**22

Array = np.ndarray


def make_spool(shape: Sequence[int], dtype: str, folder: Path, *, fill: float = 0) -> Array:
    """An array in an unlinked file, which the disk takes back when the array goes or the process dies.

    Raises:
        ResourceError: the folder's disk has not enough space for it.
    """
    remedy = "Free disk space there, or choose another folder."
    spool = map_unlinked(shape, dtype, folder, purpose="to write probabilities", remedy=remedy)
    if fill:
        for plane in spool:
            plane[...] = fill
        release_pages(spool)
    return spool


def write_nifti(path: Path, volume: Array, geometry: Geometry, *, slope: float = 1.0) -> None:
    """Write a volume (Z, Y, X), in memory or spooled, as `.nii.gz`, wholly or not at all.

    Args:
        path: of the file.
        volume: uint8, int16 or float32.
        geometry: where its voxels lie; a picture is written with two axes.
        slope: a voxel's value is what is stored times this.

    Raises:
        DatasetError: NIfTI-1 does not hold such a type or shape, or the geometry is another volume's.
    """
    if volume.shape != geometry.shape:
        raise DatasetError(f"{path}: the array has shape {volume.shape}, but its geometry has {geometry.shape}.")
    header = make_header(geometry, volume.dtype.name, slope, where=str(path))
    n_planes = max(1, CHUNK_BYTES // max(1, volume[:1].nbytes))
    with (
        replacing(path) as temporary,
        temporary.open("wb") as file,
        gzip.GzipFile("", "wb", COMPRESSION, file, mtime=0) as stream,
    ):
        stream.write(header)
        for start in range(0, len(volume), n_planes):
            planes = volume[start : start + n_planes]
            stream.write(np.ascontiguousarray(planes, dtype=planes.dtype.newbyteorder("<")).data)
            release_pages(volume)


def make_header(geometry: Geometry, dtype: str, slope: float, *, where: str = "NIfTI") -> bytes:
    """A NIfTI-1 header of a little-endian file of one part, with the position as quaternion and as matrix.

    Raises:
        DatasetError: NIfTI-1 does not hold such a type or shape.
    """
    if dtype not in TYPES or max(geometry.shape) > LARGEST_AXIS:
        raise DatasetError(
            f"{where}: {dtype} of shape {geometry.shape} cannot be written. Types: {', '.join(TYPES)}; "
            f"at most {LARGEST_AXIS} voxels along an axis."
        )
    axes, offset = find_world_axes(geometry)
    qfac, quaternion = find_quaternion(axes)
    sizes, spacing = geometry.shape[::-1], geometry.spacing[::-1]
    content = bytearray(HEADER_BYTES)
    struct.pack_into("<i", content, 0, 348)
    struct.pack_into("<8h", content, 40, geometry.n_dimensions, *sizes, 1, 1, 1, 1)
    struct.pack_into("<2h", content, 70, TYPES[dtype], 8 * np.dtype(dtype).itemsize)
    struct.pack_into("<8f", content, 76, qfac, *spacing, 1, 1, 1, 1)
    struct.pack_into("<3f", content, 108, HEADER_BYTES, slope, 0)
    struct.pack_into("<B", content, 123, MILLIMETRES)
    struct.pack_into("<2h", content, 252, SCANNER, SCANNER)
    struct.pack_into("<6f", content, 256, *quaternion, *offset)
    for row in range(3):
        struct.pack_into("<4f", content, 280 + 16 * row, *(axes[row] * spacing), offset[row])
    content[344:348] = b"n+1\0"
    return bytes(content)


def find_world_axes(geometry: Geometry) -> tuple[Array, Array]:
    """Direction cosines (3, 3), a column for each of x, y, z, and the first voxel, right-anterior-superior."""
    flip = np.array([-1.0, -1.0, 1.0])
    return flip[:, None] * np.reshape(geometry.direction, (3, 3)), flip * np.array(geometry.origin)


def find_quaternion(axes: Array) -> tuple[float, tuple[float, float, float]]:
    """NIfTI's qfac, -1 where the axes are left-handed, and the quaternion (b, c, d) of the rotation that is left.

    The quaternion is the eigenvector of largest eigenvalue of a symmetric matrix (Bar-Itzhack 2000), which no rotation
    is too near 180 degrees for; its sign is chosen so that the part that NIfTI leaves out, a, is not negative.
    """
    qfac = 1.0 if np.linalg.det(axes) >= 0 else -1.0
    r = axes * np.array([1.0, 1.0, qfac])
    symmetric = np.array(
        [
            [r[0, 0] + r[1, 1] + r[2, 2], r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]],
            [r[2, 1] - r[1, 2], r[0, 0] - r[1, 1] - r[2, 2], r[0, 1] + r[1, 0], r[0, 2] + r[2, 0]],
            [r[0, 2] - r[2, 0], r[0, 1] + r[1, 0], r[1, 1] - r[0, 0] - r[2, 2], r[1, 2] + r[2, 1]],
            [r[1, 0] - r[0, 1], r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], r[2, 2] - r[0, 0] - r[1, 1]],
        ]
    )
    a, b, c, d = np.linalg.eigh(symmetric)[1][:, -1]
    sign = -1.0 if a < 0 else 1.0
    return qfac, (float(sign * b), float(sign * c), float(sign * d))
