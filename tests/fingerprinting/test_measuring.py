"""Are the facts those that numpy counts, and the same whether measured anew or known?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autoseg.data.case import LoadedCase, read_case
from autoseg.data.dataset import Dataset
from autoseg.data.geometry import Geometry
from autoseg.data.image_io import read_image, write_volume
from autoseg.data.labels import IGNORED, Labels
from autoseg.data.layouts import read_dataset
from autoseg.data.phantom import write_phantom_dataset
from autoseg.fingerprinting import measuring
from autoseg.fingerprinting.fingerprint import FORMAT, Fingerprint
from autoseg.fingerprinting.fingerprint_file import read_fingerprint
from autoseg.fingerprinting.measuring import QUANTILE_LEVELS, measure_case, measure_fingerprint
from autoseg.serialization import dump_json, write_json

LABELS = Labels(names=("background", "a", "b"), values=(0, 1, 2))
GEOMETRY = Geometry((6, 9, 12), (7.5, 1.25, 0.5))


@pytest.fixture
def loaded() -> LoadedCase:
    """Two channels in a box of (2, 4, 8) voxels, half of them ignored."""
    rng = np.random.default_rng(0)
    image = np.zeros((2, 6, 9, 12), dtype=np.float32)
    image[:, 1:3, 2:6, 3:11] = rng.normal(100, 20, size=(2, 2, 4, 8))
    segmentation = np.zeros((6, 9, 12), dtype=np.int16)
    segmentation[1:3, 2:6, 3:11] = rng.choice([IGNORED, 0, 1, 2], size=(2, 4, 8))
    return LoadedCase("case", image, segmentation, GEOMETRY, "int16")


@pytest.fixture
def phantom(tmp_path: Path) -> Dataset:
    write_phantom_dataset(tmp_path, n_cases=4, n_test=0)
    return read_dataset(tmp_path)


def pooled_foreground(dataset: Dataset, channel: int) -> tuple[np.ndarray, np.ndarray]:
    """All foreground voxels in ascending order, and weights that make every case weigh the same."""
    values, weights = [], []
    for case in dataset.cases:
        one = read_case(case, labels=dataset.labels, n_channels=len(dataset.channels))
        foreground = one.image[channel][one.segmentation > 0].astype(np.float64)
        values.append(foreground)
        weights.append(np.full(foreground.size, 1 / foreground.size / len(dataset.cases)))
    order = np.argsort(np.concatenate(values))
    return np.concatenate(values)[order], np.concatenate(weights)[order]


def test_facts_of_a_case(loaded: LoadedCase) -> None:
    facts = measure_case(loaded, LABELS, {"0 a.nii.gz": "0123"})
    assert (facts.shape, facts.shape_after_cropping, facts.spacing_mm) == ((6, 9, 12), (2, 4, 8), (7.5, 1.25, 0.5))
    assert facts.share_after_cropping == pytest.approx(64 / 648)
    assert facts.label_voxels == ((loaded.segmentation == 1).sum(), (loaded.segmentation == 2).sum())
    assert [pieces.n > 0 for pieces in facts.label_components] == [True, True]
    np.testing.assert_allclose(facts.label_centres[1], np.argwhere(loaded.segmentation == 2).mean(axis=0), rtol=1e-5)
    assert facts.channel_ranges[1] == pytest.approx((loaded.image[1].min(), loaded.image[1].max()), rel=1e-5)
    assert (facts.orientation, facts.dtype, facts.files) == ("LPS", "int16", {"0 a.nii.gz": "0123"})


def test_ignored_voxels_are_no_foreground(loaded: LoadedCase) -> None:
    for channel, sample in enumerate(measure_case(loaded, LABELS, {}).foreground):
        values = loaded.image[channel][loaded.segmentation > 0].astype(np.float64)
        assert (sample.mean, sample.std) == pytest.approx((values.mean(), values.std()), rel=1e-5)
        np.testing.assert_allclose(sample.quantiles, np.quantile(values, QUANTILE_LEVELS), rtol=1e-5)


def test_slices_that_are_not_annotated_change_nothing_but_their_own_labels(loaded: LoadedCase) -> None:
    """A case of one annotated slice is measured like the slice, on the grid and in the crop of the whole case."""
    whole, sparse = measure_case(loaded, LABELS, {}), loaded.segmentation.copy()
    sparse[[0, 1, 3, 4, 5]] = IGNORED
    facts = measure_case(replace(loaded, segmentation=sparse), LABELS, {})
    assert (facts.shape_after_cropping, facts.channel_ranges) == (whole.shape_after_cropping, whole.channel_ranges)
    assert facts.label_voxels == ((loaded.segmentation[2] == 1).sum(), (loaded.segmentation[2] == 2).sum())
    assert [centre[0] for centre in facts.label_centres] == [2, 2]
    foreground = loaded.image[0, 2][loaded.segmentation[2] > 0].astype(np.float64)
    assert facts.foreground[0].mean == pytest.approx(foreground.mean(), rel=1e-5)


def test_what_a_case_annotates_is_a_fact_that_follows_the_dataset(
    phantom: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = measure_fingerprint(phantom)
    monkeypatch.setattr("autoseg.fingerprinting.measuring.measure_case", lambda *_: 1 / 0)
    name = phantom.labels.names[1]
    cases = (phantom.cases[0].model_copy(update={"annotated": (name,)}), *phantom.cases[1:])
    marked = measure_fingerprint(phantom.model_copy(update={"cases": cases}), known)
    assert [facts.annotated for facts in marked.cases] == [(name,), None, None, None]
    assert marked.digest == known.digest
    write_json(tmp_path / "fingerprint.json", marked)
    assert read_fingerprint(tmp_path / "fingerprint.json") == marked
    assert measure_fingerprint(phantom, marked) == known


def test_a_case_without_foreground_has_no_sample(loaded: LoadedCase) -> None:
    loaded.segmentation[loaded.segmentation > 0] = IGNORED
    facts = measure_case(loaded, LABELS, {})
    assert (facts.foreground, facts.label_voxels) == ((), (0, 0))


def test_levels_are_symmetric_and_fine_at_the_ends() -> None:
    levels = np.array(QUANTILE_LEVELS)
    np.testing.assert_allclose(levels, 1 - levels[::-1], atol=1e-12)
    assert (np.diff(levels) > 0).all()
    assert {0.0, 0.005, 0.5, 0.995, 1.0} <= set(QUANTILE_LEVELS)


def test_statistics_of_the_dataset_are_those_of_all_its_voxels(phantom: Dataset) -> None:
    found = measure_fingerprint(phantom).intensities[0]
    values, weights = pooled_foreground(phantom, 0)
    mean = np.sum(weights * values)
    assert found.mean == pytest.approx(mean, rel=1e-5)
    assert found.std == pytest.approx(np.sqrt(np.sum(weights * (values - mean) ** 2)), rel=1e-5)
    assert (found.min, found.max) == (values[0], values[-1])
    for percentile, share in ((found.percentile_00_5, 0.005), (found.median, 0.5), (found.percentile_99_5, 0.995)):
        assert np.sum(weights[values <= percentile]) == pytest.approx(share, abs=0.002)


@pytest.mark.parametrize("name", ["Dataset010_SarcomaCT", "Dataset011_SarcomaMultimodal"])
def test_percentiles_of_real_datasets(shared_data: Path, name: str) -> None:
    dataset = read_dataset(shared_data / name)
    for channel, found in enumerate(measure_fingerprint(dataset).intensities):
        values, weights = pooled_foreground(dataset, channel)
        shares = [np.sum(weights[values <= p]) for p in (found.percentile_00_5, found.median, found.percentile_99_5)]
        assert shares == pytest.approx([0.005, 0.5, 0.995], abs=0.008)


def test_progress_is_told(phantom: Dataset) -> None:
    seen: list[tuple[int, int]] = []
    measure_fingerprint(phantom, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_known_facts_give_the_same_fingerprint(phantom: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    first = measure_fingerprint(phantom)
    stored = Fingerprint.model_validate_json(dump_json(first))
    assert stored == first
    monkeypatch.setattr(measuring, "read_case", None)
    assert measure_fingerprint(phantom, known=stored) == first


def test_only_what_changed_is_measured_again(phantom: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    first = measure_fingerprint(phantom)
    path = phantom.cases[1].images[0]
    image, geometry = read_image([path])
    write_volume(path, 2 * image[0], geometry)
    remaining = phantom.model_copy(update={"cases": phantom.cases[:3]})
    read: list[str] = []
    monkeypatch.setattr(measuring, "read_case", lambda case, **rest: read.append(case.id) or read_case(case, **rest))
    updated = measure_fingerprint(remaining, known=first)
    assert read == [phantom.cases[1].id]
    assert updated == measure_fingerprint(remaining)


def test_an_added_case_alone_is_measured(phantom: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    fewer = phantom.model_copy(update={"cases": phantom.cases[1:]})
    first = measure_fingerprint(fewer)
    read: list[str] = []
    monkeypatch.setattr(measuring, "read_case", lambda case, **rest: read.append(case.id) or read_case(case, **rest))
    measure_fingerprint(phantom, known=first)
    assert read == [phantom.cases[0].id]


def test_facts_of_another_format_are_not_reused(phantom: Dataset) -> None:
    first = measure_fingerprint(phantom)
    bare = [facts.model_copy(update={"label_centres": ()}) for facts in first.cases]
    old = first.model_copy(update={"autoseg_fingerprint": FORMAT - 1, "cases": tuple(bare)})
    assert measure_fingerprint(phantom, known=old) == first


def test_channels_in_another_order_are_measured_again(phantom: Dataset, tmp_path: Path) -> None:
    case = phantom.cases[0]
    image, geometry = read_image(case.images)
    write_volume(tmp_path / "twice.nii.gz", 2 * image[0], geometry)
    images = (case.images[0], tmp_path / "twice.nii.gz")
    datasets = [
        phantom.model_copy(update={"channels": ("T1", "T2"), "cases": (case.model_copy(update={"images": order}),)})
        for order in (images, images[::-1])
    ]
    known = measure_fingerprint(datasets[0])
    ranges = known.cases[0].channel_ranges
    assert measure_fingerprint(datasets[1], known=known).cases[0].channel_ranges == ranges[::-1] != ranges


def test_facts_under_other_labels_are_not_reused(phantom: Dataset) -> None:
    first = measure_fingerprint(phantom)
    ignoring = Labels(names=("background", "organ_a", "organ_b"), values=(0, 1, 2), ignore_value=3)
    changed = phantom.model_copy(update={"labels": ignoring})
    assert measure_fingerprint(changed, known=first) == measure_fingerprint(changed) != first


def test_pictures_have_one_slice_and_the_flat_spacing(shared_data: Path) -> None:
    fingerprint = measure_fingerprint(read_dataset(shared_data / "nuclei_png"))
    assert (fingerprint.n_cases, len(fingerprint.intensities)) == (90, 3)
    assert set(map(tuple, fingerprint.shapes_after_cropping.tolist())) == {(1, 256, 256), (1, 256, 320)}
    assert set(map(tuple, fingerprint.spacings_mm.tolist())) == {(999.0, 1.0, 1.0)}


def test_the_hippocampus_has_two_intensity_scales(shared_data: Path) -> None:
    fingerprint = measure_fingerprint(read_dataset(shared_data / "Dataset004_Hippocampus"))
    np.testing.assert_array_equal(np.median(fingerprint.shapes_after_cropping, axis=0), [36, 50, 35])
    assert fingerprint.side_pairs == ()
    dtypes, scales = fingerprint.warnings
    assert dtypes.message.endswith(
        "38 more: pixels are stored as uint8, but those of 165 of 208 cases as float32. Were they converted, and the "
        "intensities changed with it?"
    )
    assert (scales.kind, len(scales.cases)) == ("intensity_scale", 47)
    assert "hippocampus_044" in scales.message
    assert "42 more: foreground intensities of MRI span" in scales.message
