"""Where does a label map lie that belongs to no preprocessed case, as the previous segmentation that a cascade sees?

In one file, of the same kind as the arrays of a case.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autoseg.data.labels import LABEL_DTYPE
from autoseg.preprocessing.arrays import Array, choose_type, open_array, read_box, write_array


def write_labels(path: Path, segmentation: Array, *, patch_size: Sequence[int] | None = None) -> None:
    """Store a label map (Z, Y, X) in axis order as one file, replacing an older one; chunks as for `write_array`."""
    write_array(path, segmentation.astype(choose_type(segmentation)), patch_size)


def open_labels(path: Path) -> Any:
    """A lazily read label map. Raises WorkspaceError if it is not there."""
    return open_array(path)


def read_label_patch(labels: Any, start: Sequence[int], shape: Sequence[int]) -> Array:
    """Read the box of a label map (Z, Y, X) that begins at `start`: int16 (*shape), background beyond the map."""
    return read_box(labels, start, shape).astype(LABEL_DTYPE, copy=False)
