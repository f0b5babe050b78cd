"""Where do the sums of windows live that are too large for memory? In an unlinked file, on a disk.

Pages count as resident memory while they are mapped, so that whoever fills the array releases them now and then; the
system then keeps or writes them back as it sees fit.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autoseg.data.unlinked import map_unlinked, release_pages

MOUNTS = Path("/proc/self/mounts")  # Linux: device, folder and kind of every file system
KINDS_IN_MEMORY = ("tmpfs", "ramfs")
LASTING = Path("/var/tmp")  # temporary files that outlive a restart, so on a disk (Filesystem Hierarchy Standard)

Array = np.ndarray


def make_zeros(shape: Sequence[int], *, folder: Path | None = None) -> Array:
    """Make a float32 array of zeros in memory, or in an unlinked file.

    Args:
        shape: of the array.
        folder: whose disk holds the file; None is memory.

    Raises:
        ResourceError: the folder's disk has not enough space, or the folder takes no file.
    """
    if folder is None or math.prod(shape) == 0:  # an empty file cannot be mapped
        return np.zeros(tuple(shape), dtype=np.float32)
    remedy = "Name another folder by --scratch, free disk space there, or allow more memory."
    return map_unlinked(shape, "float32", folder, purpose="for intermediate results", remedy=remedy)


def lies_in_memory(folder: Path) -> bool:
    """Whether files in a folder take memory, as in many systems' /tmp; False where the system does not say."""
    try:
        lines = [line.split() for line in MOUNTS.read_text().splitlines()]
    except OSError:
        return False
    place = folder.resolve()
    kinds = {Path(where.encode().decode("unicode_escape")): kind for _, where, kind, *_ in lines}  # the last one counts
    return next((kinds[one] for one in (place, *place.parents) if one in kinds), "") in KINDS_IN_MEMORY


def find_scratch() -> Path:
    """The system's folder of temporary files, or, where that lies in memory, the one whose files outlive a restart."""
    usual = Path(tempfile.gettempdir())
    return LASTING if lies_in_memory(usual) and LASTING.is_dir() and os.access(LASTING, os.W_OK) else usual


def release(array: Array) -> None:
    """Let the touched pages of a spilled array leave the resident set; its values stay. Nothing happens in memory."""
    release_pages(array)
