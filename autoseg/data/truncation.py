"""Is a file all there, or did a copy, a download or a full disk end early?

Image libraries read half a NIfTI file as an image whose second half is zero, half a TIFF stack as a shorter stack and
half a JPEG as a grey lower half, and none of them says so. These checks look at sizes and end marks alone, so that
they cost next to nothing. Sources: RFC 1952 (the last four bytes of a gzip file are the length of its content),
TIFF 6.0 (directories form a chain), ITU-T T.81 (JPEG ends in FF D9).
"""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

from autoseg.data.nifti import count_bytes, read_nifti_header
from autoseg.errors import DatasetError

JPEG_END = b"\xff\xd9"


def require_whole(path: Path) -> None:
    """Raise DatasetError if `path` ends before its content does; formats that notice by themselves pass."""
    name = path.name.lower()
    if name.endswith((".nii", ".nii.gz")):
        _require_whole_nifti(path)
    elif name.endswith((".tif", ".tiff")):
        _require_whole_tiff(path)
    elif name.endswith((".jpg", ".jpeg")) and JPEG_END not in path.read_bytes():
        raise _truncated(path, "its end mark is missing")


def _truncated(path: Path, why: str) -> DatasetError:
    return DatasetError(f"{path}: the file ends too early, {why}. Copy or download it again.")


def _require_whole_nifti(path: Path) -> None:
    try:
        header = read_nifti_header(path)
        size = count_bytes(path, header.n_bytes) if header else 0
    except (EOFError, gzip.BadGzipFile, zlib.error) as problem:
        raise _truncated(path, f"its compression is broken ({problem})") from None
    if header and size < header.n_bytes:
        raise _truncated(path, f"it holds {size} of {header.n_bytes} bytes")


def _require_whole_tiff(path: Path) -> None:
    """Follow the chain of image directories; each must lie inside the file."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        mark = stream.read(4)
        order = {b"II*\0": "<", b"MM\0*": ">"}.get(mark)
        if order is None:
            return
        seen: set[int] = set()
        offset = struct.unpack(order + "I", _read_exactly(stream.read(4), 4, path))[0]
        while offset and offset not in seen:
            seen.add(offset)
            stream.seek(offset)
            n_entries = struct.unpack(order + "H", _read_exactly(stream.read(2), 2, path))[0]
            stream.seek(min(size, offset + 2 + 12 * n_entries))
            offset = struct.unpack(order + "I", _read_exactly(stream.read(4), 4, path))[0]


def _read_exactly(found: bytes, n_bytes: int, path: Path) -> bytes:
    if len(found) < n_bytes:
        raise _truncated(path, "its chain of images is cut off")
    return found
