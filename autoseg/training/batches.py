"""How do patches become batches, and always the same ones?

Batch i is a pure function of (seed, i): every sample has a generator of its own. So it does not matter which process
makes it, and a training that resumes at iteration i sees what it would have seen. Torch is not loaded here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from autoseg.data.labels import LABEL_DTYPE
from autoseg.errors import UsageError
from autoseg.planning.choices import Augmentation, Corruption
from autoseg.preprocessing.label_maps import open_labels, read_label_patch
from autoseg.preprocessing.store import StoredCase, open_case
from autoseg.training.augmentation import augment, draw_variation
from autoseg.training.corrupting import damage, draw_damage
from autoseg.training.sampling import Axes3, PatchPlace, draw_case, draw_place, is_foreground_sample
from autoseg.training.turning import compute_margin

MAX_OPEN_CASES = (
    64  # per process: four files each, with the previous segmentation, stay far below the usual limit of 1024
)


@dataclass(frozen=True)
class Batch:
    """What a network sees in one iteration.

    Attributes:
        image: float32 (B, C, *patch).
        segmentation: int16 (B, *patch) with labels and `IGNORED`.
        places: where each patch was cut.
        previous: int16 (B, *patch) with labels, the previous segmentation of a cascade; None without one.
    """

    image: np.ndarray
    segmentation: np.ndarray
    places: tuple[PatchPlace, ...]
    previous: np.ndarray | None = None


@dataclass(frozen=True)
class PreviousSegmentations:
    """What a cascade sees beside the image.

    Attributes:
        files: the label map of each case, by case id, on the grid of the preprocessed cases.
        n_labels: background included.
        corruption: how patches are damaged; None leaves them as they are, for validation.
    """

    files: Mapping[str, Path]
    n_labels: int
    corruption: Corruption | None = None


@dataclass(frozen=True)
class BatchMaker:
    """Everything that decides what is in a batch.

    Attributes:
        folder: of the preprocessed cases.
        case_ids: cases to draw from.
        patch_size: (z, y, x), or (y, x) for a 2D network.
        batch_size: samples per batch.
        foreground_share: share of the samples that is centred on foreground.
        augmentation: None leaves patches as they are, for validation.
        mirroring_axes: axes of the patch that augmentation may flip.
        seed: not negative.
        previous: of a cascade; None for networks that see the image alone.
    """

    folder: Path
    case_ids: tuple[str, ...]
    patch_size: tuple[int, ...]
    batch_size: int
    foreground_share: float
    augmentation: Augmentation | None
    mirroring_axes: tuple[int, ...]
    seed: int
    previous: PreviousSegmentations | None = None

    def __post_init__(self) -> None:
        if not self.case_ids:
            raise UsageError(
                f"{self.folder}: batches need at least one case to draw patches from, but the list is empty."
            )
        if self.previous is not None and (missing := sorted(set(self.case_ids) - set(self.previous.files))):
            raise UsageError(
                f"{self.folder}: a cascade trains on previous segmentations, but {missing[0]} has none "
                f"({len(missing)} of {len(self.case_ids)} cases). Train through `autoseg train`, which makes them."
            )

    def make(self, iteration: int) -> Batch:
        """Make batch number `iteration`, counted from 0. Raises what reading a stored case raises."""
        samples = [self._make_sample(iteration, position) for position in range(self.batch_size)]
        images, maps, places = zip(*samples, strict=True)
        labels = np.stack(maps, axis=1)
        return Batch(np.stack(images), labels[0], places, labels[1] if self.previous is not None else None)

    def _make_sample(self, iteration: int, position: int) -> tuple[np.ndarray, np.ndarray, PatchPlace]:
        """Image (C, *patch), label maps (1 or 2, *patch), and where they were cut."""
        rng = np.random.default_rng([self.seed, iteration, position])
        foreground = is_foreground_sample(iteration * self.batch_size + position, self.foreground_share)
        case_id = draw_case(rng, self.case_ids)
        case = _open_case(self.folder, case_id)
        window = _add_slice(self.patch_size, 1)
        place = draw_place(rng, case_id, case.shape, case.locations, window, foreground=foreground)
        previous = None if self.previous is None else _open_labels(self.previous.files[case_id])
        image, labels = self._cut(case, previous, place.start, rng)
        if self.previous is not None and self.previous.corruption is not None:
            planned = draw_damage(rng, self.previous.corruption, n_labels=self.previous.n_labels)
            labels[1] = damage(labels[1], planned)
        return image, labels, place

    def _cut(
        self, case: StoredCase, previous: Any, start: Axes3, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        size, axes = self.patch_size, self.mirroring_axes
        if self.augmentation is None:
            return _read(case, previous, start, size, (0,) * len(size))
        variation = draw_variation(rng, self.augmentation, n_dimensions=len(size), mirroring_axes=axes)
        image, labels = _read(case, previous, start, size, compute_margin(size, variation.turn))
        return augment(image, labels, self.augmentation, variation, patch_size=size)


def _read(
    case: StoredCase, previous: Any, start: Axes3, patch_size: tuple[int, ...], margin: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Read a patch and its margin, without the slice axis in 2D.

    Returns:
        image (C, *source), and label maps (1 or 2, *source): the segmentation, and the previous one if there is any.
    """
    before = _add_slice(margin, 0)
    first = tuple(begin - n for begin, n in zip(start, before, strict=True))
    source = tuple(size + 2 * n for size, n in zip(patch_size, margin, strict=True))
    image, segmentation = case.read_patch(first, _add_slice(source, 1))
    maps = [segmentation] if previous is None else [segmentation, read_label_patch(previous, first, segmentation.shape)]
    labels = np.stack(maps).astype(LABEL_DTYPE, copy=False)
    return image.reshape(len(image), *source), labels.reshape(len(maps), *source)


def _add_slice(values: tuple[int, ...], of_slice: int) -> Axes3:
    """Values per axis of a patch, (y, x) or (z, y, x), as (z, y, x)."""
    z, y, x = values if len(values) == 3 else (of_slice, *values)
    return z, y, x


@lru_cache(maxsize=MAX_OPEN_CASES)
def _open_case(folder: Path, case_id: str) -> StoredCase:
    """Cases stay open in each process; the least recently used is let go."""
    return open_case(folder, case_id)


@lru_cache(maxsize=MAX_OPEN_CASES)
def _open_labels(path: Path) -> Any:
    return open_labels(path)
