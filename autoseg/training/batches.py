"""How do patches become batches, and always the same ones?

Batch i is a pure function of (seed, i): every sample has a generator of its own. So it does not matter which process
makes it, and a training that resumes at iteration i sees what it would have seen; of several processes that train
together each makes its samples of the batch. Torch is not loaded here: where the training device augments, a `RawBatch`
says what is left to do, and `device_augmentation` does it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from autoseg.errors import UsageError
from autoseg.planning.choices import Augmentation, Corruption
from autoseg.training.augmentation import Variation, augment, augment_labels, draw_variation
from autoseg.training.corrupting import damage, draw_damage
from autoseg.training.custom_transforms import apply_custom
from autoseg.training.reading import add_slice, open_pool, open_previous, open_stored, read_source
from autoseg.training.sampling import (
    CASE_SAMPLINGS,
    PatchPlace,
    draw_case,
    draw_place,
    is_foreground_sample,
)
from autoseg.training.turning import compute_margin


@dataclass(frozen=True)
class Batch:
    """What a network sees in one iteration.

    Attributes:
        image: float32 (B, C, *patch).
        segmentation: int16 (B, *patch) with labels and `IGNORED`.
        places: where each patch was cut.
        previous: int16 (B, *patch) with labels, the previous segmentation of a cascade; None without one.
        annotated: bool (B, n_outputs), which outputs each patch's case says anything about; None where all say all.
    """

    image: np.ndarray
    segmentation: np.ndarray
    places: tuple[PatchPlace, ...]
    previous: np.ndarray | None = None
    annotated: np.ndarray | None = None


@dataclass(frozen=True)
class RawBatch:
    """What the training device augments: patches as they were read, and what to do with each.

    Attributes:
        images: float32 (C, *source) of each sample: the patch and the margin that its own turn needs.
        segmentations: int16 (*source) of each sample, with labels and `IGNORED`.
        variations: what to do with each; None where nothing is varied and sources are patches.
        patch_size: that they are made into.
        places: where each patch was cut.
        previous: as in `Batch`, and finished: connected components are found on the CPU.
        annotated: as in `Batch`.
    """

    images: tuple[np.ndarray, ...]
    segmentations: tuple[np.ndarray, ...]
    variations: tuple[Variation, ...] | None
    patch_size: tuple[int, ...]
    places: tuple[PatchPlace, ...]
    previous: np.ndarray | None = None
    annotated: np.ndarray | None = None


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
        batch_size: samples per batch, over all processes.
        foreground_share: share of the samples that is centred on foreground.
        augmentation: None leaves patches as they are, for validation.
        mirroring_axes: axes of the patch that augmentation may flip.
        seed: not negative.
        previous: of a cascade; None for networks that see the image alone.
        engine: who augments: the `workers` that make batches, or the training `device`.
        case_sampling: a name out of `sampling.CASE_SAMPLINGS`.
        annotated: for cases that are annotated for some outputs only, which ones, (n_outputs,) by case id.
        part: (rank, n) of n processes that train together: samples rank, rank + n, ... of each batch are made here.
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
    engine: Literal["workers", "device"] = "workers"
    case_sampling: str = "uniform"
    annotated: Mapping[str, tuple[bool, ...]] = field(default_factory=dict)
    part: tuple[int, int] = (0, 1)

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
        if self.part[1] > self.batch_size:
            raise UsageError(
                f"{self.folder}: {self.part[1]} processes share a batch of {self.batch_size}, so that some would have "
                f"nothing to do. Start at most {self.batch_size} processes, or raise batch_size in the plan."
            )
        if self.case_sampling not in CASE_SAMPLINGS:
            raise UsageError(
                f"{self.folder}: there is no case_sampling {self.case_sampling}. Choose {', '.join(CASE_SAMPLINGS)}."
            )

    def make(self, iteration: int) -> Batch | RawBatch:
        """Make batch number `iteration`, counted from 0, as far as the engine says: a `RawBatch` for the device.

        Raises what reading a stored case raises.
        """
        return self.make_raw(iteration) if self.engine == "device" else self.make_finished(iteration)

    def make_finished(self, iteration: int) -> Batch:
        """Make a batch and augment it here, whatever the engine."""
        samples = [self._draw_sample(iteration, position) for position in self._positions]
        images, maps = zip(*(self._finish(sample) for sample in samples), strict=True)
        labels = np.stack(maps, axis=1)
        previous = labels[1] if self.previous is not None else None
        return Batch(
            np.stack(images), labels[0], _list_places(samples), previous, self._list_annotated(_list_places(samples))
        )

    def make_raw(self, iteration: int) -> RawBatch:
        """Make a batch that is left to the device to augment, whatever the engine; the same samples."""
        samples = [self._draw_sample(iteration, position) for position in self._positions]
        varied = [sample.variation for sample in samples if sample.variation is not None]
        previous = (
            np.stack([self._finish_previous(sample) for sample in samples]) if self.previous is not None else None
        )
        return RawBatch(
            tuple(sample.image for sample in samples),
            tuple(sample.labels[0] for sample in samples),
            tuple(varied) if varied else None,
            self.patch_size,
            _list_places(samples),
            previous,
            self._list_annotated(_list_places(samples)),
        )

    @property
    def _positions(self) -> range:
        rank, n_processes = self.part
        return range(rank, self.batch_size, n_processes)

    def _draw_sample(self, iteration: int, position: int) -> _Sample:
        rng = np.random.default_rng([self.seed, iteration, position])
        foreground = is_foreground_sample(iteration * self.batch_size + position, self.foreground_share)
        pool = open_pool(self.folder, self.case_ids)
        case_id, label = draw_case(rng, pool, sampling=self.case_sampling, foreground=foreground)
        case = open_stored(self.folder, case_id)
        window = add_slice(self.patch_size, 1)
        place = draw_place(rng, case_id, case.shape, case.locations, window, foreground=foreground, label=label)
        previous = None if self.previous is None else open_previous(self.previous.files[case_id])
        variation, margin = None, (0,) * len(self.patch_size)
        if self.augmentation is not None:
            variation = draw_variation(
                rng, self.augmentation, n_dimensions=len(self.patch_size), mirroring_axes=self.mirroring_axes
            )
            margin = compute_margin(self.patch_size, variation.turn)
        image, labels = read_source(case, previous, place.start, self.patch_size, margin)
        return _Sample(image, labels, variation, place, rng)

    def _finish(self, sample: _Sample) -> tuple[np.ndarray, np.ndarray]:
        """Image (C, *patch), label maps (1 or 2, *patch)."""
        image, labels, variation = sample.image, sample.labels, sample.variation
        if self.augmentation is None or variation is None:
            return image, self._damage(labels, sample.rng)
        image, labels = augment(image, labels, self.augmentation, variation, patch_size=self.patch_size)
        labels = self._damage(labels, sample.rng)
        return apply_custom(image, labels, self.augmentation.custom, variation.custom_seed)

    def _finish_previous(self, sample: _Sample) -> np.ndarray:
        """The previous segmentation int16 (*patch), but for custom transforms."""
        labels = sample.labels
        if sample.variation is not None:
            labels = augment_labels(labels, sample.variation, patch_size=self.patch_size)
        finished: np.ndarray = self._damage(labels, sample.rng)[1]
        return finished

    def _damage(self, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if self.previous is not None and self.previous.corruption is not None:
            planned = draw_damage(rng, self.previous.corruption, n_labels=self.previous.n_labels)
            labels[1] = damage(labels[1], planned)
        return labels

    def _list_annotated(self, places: tuple[PatchPlace, ...]) -> np.ndarray | None:
        if not self.annotated:
            return None
        everything = (True,) * len(next(iter(self.annotated.values())))
        return np.array([self.annotated.get(place.case_id, everything) for place in places], dtype=bool)


@dataclass(frozen=True)
class _Sample:
    """A patch as it was read, image (C, *source) and label maps (1 or 2, *source), and what will be done to it.

    `rng` stands behind the draws of the variation, where those of the damage begin.
    """

    image: np.ndarray
    labels: np.ndarray
    variation: Variation | None
    place: PatchPlace
    rng: np.random.Generator


def _list_places(samples: list[_Sample]) -> tuple[PatchPlace, ...]:
    return tuple(sample.place for sample in samples)
