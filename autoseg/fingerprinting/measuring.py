"""What is there to know about a dataset before anything is decided?

Each case is decoded once and forgotten; what stays are its facts, with the distribution of its foreground as a few
quantiles, so that memory does not grow with the number of cases and a changed case is measured alone. Every case
weighs the same in the dataset's statistics, as if equally many voxels had been drawn from each.
Source: Isensee et al., Nature Methods 2021 (dataset fingerprint); method part 1.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from autoseg.data.case import LoadedCase, read_case
from autoseg.data.cropping import find_box
from autoseg.data.dataset import Case, Dataset
from autoseg.data.labels import Labels
from autoseg.data.parallel import Progress, count_threads, map_in_threads
from autoseg.fingerprinting.fingerprint import FORMAT, QUANTILE_LEVELS, CaseFacts, Fingerprint, ForegroundSample
from autoseg.fingerprinting.label_facts import measure_labels
from autoseg.fingerprinting.merging import merge_intensities, rounded
from autoseg.fingerprinting.outliers import find_oddities
from autoseg.fingerprinting.sides import find_side_pairs
from autoseg.serialization import digest_file

__all__ = ["QUANTILE_LEVELS", "measure_case", "measure_fingerprint"]


def measure_fingerprint(
    dataset: Dataset, known: Fingerprint | None = None, on_progress: Progress | None = None
) -> Fingerprint:
    """Measure a dataset.

    Args:
        known: an earlier fingerprint; facts of cases whose files have not changed since are taken from it, unless it
            is of another format or of other channels or labels.
        on_progress: called with (cases done, cases in all).

    Returns:
        The same fingerprint whether cases were measured anew or known.

    Raises:
        DatasetError, NumericalError: a case cannot be used; `autoseg check` lists all such cases at once.
    """
    earlier = _reusable_facts(dataset, known)
    cases = map_in_threads(
        lambda case: _measure_or_reuse(case, dataset, earlier.get(case.id)),
        dataset.cases,
        n_threads=count_threads(dataset.cases),
        on_progress=on_progress,
    )
    return _summarize(dataset, tuple(sorted(cases, key=lambda facts: facts.id)))


def measure_case(loaded: LoadedCase, labels: Labels, files: dict[str, str]) -> CaseFacts:
    """Measure one case.

    Args:
        loaded: image and segmentation in memory; voxels that are ignored are no foreground.
        labels: the dataset's labels.
        files: digest of each input file by its position and name.
    """
    box = find_box((loaded.image != 0).any(axis=0))
    shape = tuple(side.stop - side.start for side in box)
    label_facts = measure_labels(loaded.segmentation, labels)
    return CaseFacts(
        id=loaded.id,
        shape=loaded.geometry.shape,
        shape_after_cropping=(shape[0], shape[1], shape[2]),
        spacing_mm=loaded.geometry.spacing,
        orientation=loaded.geometry.orientation,
        dtype=loaded.dtype,
        label_voxels=label_facts.voxels,
        label_components=label_facts.components,
        label_centres=label_facts.centres,
        channel_ranges=tuple((rounded(channel.min()), rounded(channel.max())) for channel in loaded.image),
        foreground=_sample_foreground(loaded),
        files=files,
    )


def _reusable_facts(dataset: Dataset, known: Fingerprint | None) -> dict[str, CaseFacts]:
    """Facts by case id, unless channels, labels or the facts themselves mean something else by now."""
    if known is None or known.autoseg_fingerprint != FORMAT:
        return {}
    if known.channels != dataset.channels or known.labels != dataset.labels:
        return {}
    return {facts.id: facts for facts in known.cases}


def _measure_or_reuse(case: Case, dataset: Dataset, earlier: CaseFacts | None) -> CaseFacts:
    files = {
        f"{position} {_name_in(dataset.folder, path)}": digest_file(path)
        for position, path in enumerate(_files_of(case))
    }
    if earlier is None or earlier.files != files:
        loaded = read_case(case, labels=dataset.labels, n_channels=len(dataset.channels))
        earlier = measure_case(loaded, dataset.labels, files)
    return earlier.model_copy(update={"annotated": case.annotated})


def _files_of(case: Case) -> tuple[Path, ...]:
    return (*case.images, *([case.segmentation] if case.segmentation else []))


def _name_in(folder: Path, path: Path) -> str:
    """A file's name for the fingerprint: relative to the dataset, so that a moved dataset is still the same."""
    return Path(os.path.relpath(path, folder)).as_posix()


def _sample_foreground(loaded: LoadedCase) -> tuple[ForegroundSample, ...]:
    if loaded.segmentation is None or not (loaded.segmentation > 0).any():
        return ()
    mask = loaded.segmentation > 0
    return tuple(_sample(channel[mask]) for channel in loaded.image)


def _sample(values: np.ndarray) -> ForegroundSample:
    """Mean, standard deviation and quantiles (linear between neighbours) of a channel's foreground voxels (n,)."""
    ascending = np.sort(values).astype(np.float64)
    positions = np.array(QUANTILE_LEVELS) * (ascending.size - 1)
    quantiles = np.interp(positions, np.arange(ascending.size), ascending)
    return ForegroundSample(
        mean=rounded(ascending.mean()), std=rounded(ascending.std()), quantiles=tuple(map(rounded, quantiles))
    )


def _summarize(dataset: Dataset, cases: tuple[CaseFacts, ...]) -> Fingerprint:
    samples = [facts.foreground for facts in cases if facts.foreground]
    intensities = tuple(
        merge_intensities([sample[channel] for sample in samples]) if samples else None
        for channel in range(len(dataset.channels))
    )
    side_pairs = find_side_pairs(cases, dataset.labels)
    return Fingerprint(
        dataset=dataset.name,
        channels=dataset.channels,
        labels=dataset.labels,
        intensities=intensities,
        median_share_after_cropping=rounded(np.median([facts.share_after_cropping for facts in cases])),
        side_pairs=side_pairs,
        warnings=find_oddities(cases, channels=dataset.channels, labels=dataset.labels, side_pairs=side_pairs),
        cases=cases,
    )
