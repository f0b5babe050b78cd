"""How is a patch read out of a stored case, with as much around it as its augmentation needs?

Cases stay open in each process, so that a patch costs no more than reading its chunks.
"""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from autoseg.data.labels import LABEL_DTYPE
from autoseg.preprocessing.label_maps import open_labels, read_label_patch
from autoseg.preprocessing.store import StoredCase, open_case
from autoseg.training.sampling import Axes3, CasePool

MAX_OPEN_CASES = 64
"""Per process: four files each, with the previous segmentation, stay far below the usual limit of 1024."""


def read_source(
    case: StoredCase, previous: Any, start: Axes3, patch_size: tuple[int, ...], margin: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Read a patch and its margin, without the slice axis in 2D.

    Returns:
        image (C, *source), and label maps (1 or 2, *source): the segmentation, and the previous one if there is any.
    """
    before = add_slice(margin, 0)
    first = tuple(begin - n for begin, n in zip(start, before, strict=True))
    source = tuple(size + 2 * n for size, n in zip(patch_size, margin, strict=True))
    image, segmentation = case.read_patch(first, add_slice(source, 1))
    maps = [segmentation] if previous is None else [segmentation, read_label_patch(previous, first, segmentation.shape)]
    labels = np.stack(maps).astype(LABEL_DTYPE, copy=False)
    return image.reshape(len(image), *source), labels.reshape(len(maps), *source)


def add_slice(values: tuple[int, ...], of_slice: int) -> Axes3:
    """Values per axis of a patch, (y, x) or (z, y, x), as (z, y, x)."""
    z, y, x = values if len(values) == 3 else (of_slice, *values)
    return z, y, x


@lru_cache(maxsize=4)  # one for training and one for validation, and as many of an earlier job
def open_pool(folder: Path, case_ids: tuple[str, ...]) -> CasePool:
    """The cases to draw from, whose facts are read when they are asked for."""
    return CasePool(case_ids, partial(_read_facts, folder))


def _read_facts(folder: Path, case_id: str) -> tuple[Axes3, tuple[int, ...]]:
    case = open_case(folder, case_id)
    return case.shape, tuple(case.locations)


@lru_cache(maxsize=MAX_OPEN_CASES)
def open_stored(folder: Path, case_id: str) -> StoredCase:
    """Cases stay open in each process; the least recently used is let go."""
    return open_case(folder, case_id)


@lru_cache(maxsize=MAX_OPEN_CASES)
def open_previous(path: Path) -> Any:
    """A previous segmentation; they stay open as cases do."""
    return open_labels(path)
