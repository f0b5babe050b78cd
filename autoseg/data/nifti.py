"""What do the bytes of a NIfTI file say that ITK keeps to itself?

ITK's NIfTI library reads what is missing or damaged in a file as zeros, and turns NaN and infinity into zeros as well;
a person who has them in an image should hear of it. So the size that a file should have is computed from its header,
and voxels are decoded here, with the checksum of gzip. Sources: the NIfTI-1 and NIfTI-2 headers (nifti1.h, nifti2.h).
"""

from __future__ import annotations

import gzip
import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HEADER_BYTES = 540  # of NIfTI-2, the longer one
GZIP_MARK = b"\x1f\x8b"
TYPE_CODES = (2, 4, 8, 16, 64, 256, 512, 768, 1024, 1280)  # colours and complex numbers are left to ITK
VOXEL_TYPES = dict(zip(TYPE_CODES, ("u1", "i2", "i4", "f4", "f8", "i1", "u2", "u4", "i8", "u8"), strict=True))
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class NiftiHeader:
    """The part of a NIfTI header that tells where its voxels are.

    Attributes:
        shape: voxels per axis, x first and as many axes as there are.
        datatype: code of the voxel type.
        n_bits: bits per voxel.
        start: offset of the first voxel in bytes.
        slope, intercept: stored values times slope plus intercept are the image, unless slope is 0.
        byte_order: `<` or `>`.
    """

    shape: tuple[int, ...]
    datatype: int
    n_bits: int
    start: int
    slope: float
    intercept: float
    byte_order: str

    @property
    def n_bytes(self) -> int:
        """Bytes of the whole uncompressed file."""
        return self.start + math.prod(self.shape) * self.n_bits // 8


def is_compressed(path: Path) -> bool:
    """Whether a file is gzip by its first bytes, whatever it is called."""
    with path.open("rb") as stream:
        return stream.read(len(GZIP_MARK)) == GZIP_MARK


def read_nifti_header(path: Path) -> NiftiHeader | None:
    """Read the header of a NIfTI file, compressed or not; None if it is none. Raises EOFError or gzip's errors."""
    with gzip.open(path) if is_compressed(path) else path.open("rb") as stream:
        return parse_nifti_header(stream.read(HEADER_BYTES))


def parse_nifti_header(content: bytes) -> NiftiHeader | None:
    """Read a NIfTI-1 or NIfTI-2 header from the first bytes of a file; None if they are none."""
    for order in "<>":
        length = struct.unpack_from(order + "i", content)[0] if len(content) >= 348 else 0
        if length == 348:
            n_axes, *axes = struct.unpack_from(order + "8h", content, 40)
            datatype, n_bits = struct.unpack_from(order + "2h", content, 70)
            start, slope, intercept = struct.unpack_from(order + "3f", content, 108)
        elif length == 540 and len(content) >= 540:
            datatype, n_bits = struct.unpack_from(order + "2h", content, 12)
            n_axes, *axes = struct.unpack_from(order + "8q", content, 16)
            start, slope, intercept = struct.unpack_from(order + "q2d", content, 168)
        else:
            continue
        shape = tuple(max(1, n) for n in axes[: max(0, n_axes)])
        return NiftiHeader(shape, datatype, n_bits, int(start), slope, intercept, order)
    return None


def count_bytes(path: Path, expected: int) -> int:
    """Uncompressed size of a file: where the end of a gzip file confirms `expected`, that; else by reading it all."""
    if not is_compressed(path):
        return path.stat().st_size
    with path.open("rb") as stream:
        stream.seek(-4, 2)
        if struct.unpack("<I", stream.read(4))[0] == expected % 2**32:
            return expected
    with gzip.open(path) as content:
        return sum(len(chunk) for chunk in iter(lambda: content.read(CHUNK_BYTES), b""))


def read_voxels(path: Path) -> np.ndarray | None:
    """Read the voxels of a NIfTI file as they are, NaN included.

    Returns:
        array with the last axis first, (..., Z, Y, X), scaled as the header says (integers become float32 by that);
        None if this is no NIfTI file or its voxels are no plain numbers.

    Raises:
        EOFError, OSError, zlib.error: the file is damaged.
    """
    header = read_nifti_header(path)
    if header is None or header.datatype not in VOXEL_TYPES:
        return None
    content = gzip.decompress(path.read_bytes()) if is_compressed(path) else path.read_bytes()
    dtype = np.dtype(header.byte_order + VOXEL_TYPES[header.datatype])
    stored = np.frombuffer(content, dtype, count=math.prod(header.shape), offset=header.start)
    voxels = stored.astype(dtype.newbyteorder("="), copy=False).reshape(header.shape[::-1])
    return _scale(voxels, header)


def _scale(voxels: np.ndarray, header: NiftiHeader) -> np.ndarray:
    if header.slope == 0 or not math.isfinite(header.slope) or (header.slope, header.intercept) == (1, 0):
        return voxels
    dtype = voxels.dtype if voxels.dtype.kind == "f" else np.dtype(np.float32)
    return voxels.astype(dtype) * dtype.type(header.slope) + dtype.type(header.intercept)
