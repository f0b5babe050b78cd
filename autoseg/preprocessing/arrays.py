"""How does an array lie on disk, so that a box of it is read without reading the whole?

Compressed by blosc2 in small blocks: a box decompresses only the blocks that it touches.

LZ4 at level 5: of a CT (one case of SarcomaCT) a patch of 40x128x128 is read in 1.6 ms, at 82% of the size of float32;
Zstandard at level 1 needs 4.6 ms, at 74% (2-core machine, one thread, memory-mapped).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from autoseg.errors import WorkspaceError
from autoseg.serialization import replacing

BLOCK = (16, 32, 32)  # 64 KiB of float32: fits the cache of a core
BLOCK_2D = (1, 64, 64)
SLICES_PER_CHUNK_2D = 8  # a chunk per slice would make writing four times slower

Array = np.ndarray


def write_array(path: Path, array: Array, patch_size: Sequence[int] | None) -> None:
    """Store an array (..., Z, Y, X), replacing an older one; chunks are shaped after what is read at once."""
    import blosc2

    chunks, blocks = choose_chunks(array.shape, patch_size)
    parameters = {"codec": blosc2.Codec.LZ4, "clevel": 5, "typesize": array.dtype.itemsize, "nthreads": 1}
    with replacing(path) as temporary:
        contiguous = np.ascontiguousarray(array)
        blosc2.asarray(contiguous, urlpath=str(temporary), chunks=chunks, blocks=blocks, cparams=parameters)


def open_array(path: Path) -> Any:
    """A lazily read array; one thread, because training has workers of its own. WorkspaceError without a file."""
    import blosc2

    if not path.is_file():
        raise WorkspaceError(f"{path}: is missing. Run the same command again, which makes what is missing.")
    return blosc2.open(str(path), mode="r", mmap_mode="r", dparams={"nthreads": 1})


def read_box(array: Any, start: Sequence[int], shape: Sequence[int]) -> Array:
    """Read the box that begins at `start`, which may reach beyond the array on any side.

    Args:
        array: (..., Z, Y, X); of its last three axes a box is read, of the others everything.
        start: first voxel, may be negative.
        shape: voxels per axis.

    Returns:
        (..., *shape) of the array's type, 0 beyond the array: in a segmentation, background.
    """
    leading = array.shape[:-3]
    box = np.zeros((*leading, *shape), dtype=array.dtype)
    inside, target = _overlap(start, shape, array.shape[-3:])
    if all(part.start < part.stop for part in inside):
        everything = (slice(None),) * len(leading)
        box[(*everything, *target)] = array[(*everything, *inside)]
    return box


def choose_chunks(shape: Sequence[int], patch_size: Sequence[int] | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Chunks about as large as a patch, in whole blocks; blocks are what is decompressed at once.

    Args:
        shape: of the array; its last three axes are spatial, a leading one holds channels, which stay apart.
        patch_size: three axes, two for 2D, None for the whole case.

    Returns:
        shapes of a chunk and of a block.
    """
    spatial = shape[-3:]
    is_flat = patch_size is not None and (len(patch_size) == 2 or patch_size[0] == 1)
    patch = (*(SLICES_PER_CHUNK_2D,) * is_flat, *patch_size[-2 if is_flat else -3 :]) if patch_size else spatial
    block = tuple(min(n, size) for n, size in zip(BLOCK_2D if is_flat else BLOCK, spatial, strict=True))
    chunk = tuple(min(size, math.ceil(n / step) * step) for n, step, size in zip(patch, block, spatial, strict=True))
    leading = (1,) * (len(shape) - 3)
    return (*leading, *chunk), (*leading, *block)


def choose_type(segmentation: Array) -> type[np.signedinteger[Any]]:
    """The smallest integer type that holds these labels."""
    return np.int8 if int(segmentation.max()) <= np.iinfo(np.int8).max else np.int16


def _overlap(
    start: Sequence[int], shape: Sequence[int], size: Sequence[int]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where a box lies within a volume, and where that part lies within the box."""
    inside = tuple(_clip(a, n, whole) for a, n, whole in zip(start, shape, size, strict=True))
    return inside, tuple(slice(part.start - a, part.stop - a) for part, a in zip(inside, start, strict=True))


def _clip(start: int, length: int, size: int) -> slice:
    """The part of an interval that lies in 0..size, empty if none does."""
    first = min(max(0, start), size)
    return slice(first, max(first, min(start + length, size)))
