"""Is the phantom the same every time, and is it what it claims to be?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from autoseg.data.checking import check_dataset
from autoseg.data.dataset import Case
from autoseg.data.layouts import read_dataset
from autoseg.data.phantom import LABELS, make_phantom, write_phantom_dataset
from autoseg.errors import UsageError

SEEDS = range(12)


def draw(seed: int) -> tuple[np.ndarray, np.ndarray]:
    image, segmentation, _ = make_phantom(np.random.default_rng((0, seed)))
    return image, segmentation


def bytes_of(case: Case) -> list[bytes]:
    return [path.read_bytes() for path in case.images]


def test_the_dataset_is_sound_and_holds_out_test_cases(tmp_path: Path) -> None:
    write_phantom_dataset(tmp_path, n_cases=7, n_test=2)
    dataset = read_dataset(tmp_path)
    assert (len(dataset.cases), [case.id for case in dataset.test_cases]) == (5, ["phantom_006", "phantom_007"])
    assert dataset.labels.names == ("background", "organ_a", "organ_b", "lesion")
    assert check_dataset(dataset) == ()
    assert sorted(path.name for path in (tmp_path / "labelsTs").iterdir()) == [
        "phantom_006.nii.gz",
        "phantom_007.nii.gz",
    ]


def test_the_same_seed_gives_the_same_voxels(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("same", 3), ("other", 4)):
        write_phantom_dataset(tmp_path / name, n_cases=2, n_test=0, seed=seed)
    one, same, other = (read_dataset(tmp_path / name).cases[0] for name in ("one", "same", "other"))
    assert bytes_of(one) == bytes_of(same) != bytes_of(other)


def test_grids_are_anisotropic_and_vary() -> None:
    geometries = [make_phantom(np.random.default_rng(seed))[2] for seed in SEEDS]
    assert len({geometry.shape for geometry in geometries}) > 6
    for geometry in geometries:
        assert geometry.spacing == pytest.approx((3.0, 1.2, 1.0), rel=0.051)
        assert all(low <= n <= high for n, low, high in zip(geometry.shape, (18, 56, 64), (22, 64, 72), strict=True))


@pytest.mark.parametrize("seed", SEEDS)
def test_organs_touch_and_the_lesion_lies_inside_the_first(seed: int) -> None:
    _, segmentation = draw(seed)
    organ_a, organ_b, lesion = (segmentation == LABELS[name] for name in ("organ_a", "organ_b", "lesion"))
    assert (ndimage.binary_dilation(organ_a) & organ_b).any()
    around = ndimage.binary_dilation(lesion) & ~lesion
    assert organ_a[around].all()
    assert lesion.sum() >= 50
    assert all(ndimage.label(mask)[1] == 1 for mask in (organ_a | lesion, organ_b, lesion))


@pytest.mark.parametrize("seed", SEEDS)
def test_organs_lie_within_the_volume(seed: int) -> None:
    _, segmentation = draw(seed)
    inner = segmentation[1:-1, 1:-1, 1:-1]
    assert (segmentation > 0).sum() == (inner > 0).sum()


def test_no_threshold_finds_an_organ() -> None:
    """The best window of brightness, chosen with the reference in hand, leaves each label far from found."""
    for name, label in LABELS.items():
        if label == 0:
            continue
        assert np.mean([best_window_dice(*draw(seed), label) for seed in range(4)]) < 0.6, name


def best_window_dice(image: np.ndarray, segmentation: np.ndarray, label: int) -> float:
    edges = np.quantile(image, np.linspace(0, 1, 101))
    inside = np.concatenate([[0], np.cumsum(np.histogram(image[segmentation == label], edges)[0])])
    everywhere = np.concatenate([[0], np.cumsum(np.histogram(image, edges)[0])])
    hits, sizes = inside[None] - inside[:, None], everywhere[None] - everywhere[:, None]
    return float((2 * hits / np.maximum(sizes + inside[-1], 1)).max())


def test_every_case_has_a_scale_of_its_own() -> None:
    scales = [np.quantile(draw(seed)[0], 0.99) for seed in SEEDS]
    assert max(scales) / min(scales) > 5


def test_too_many_test_cases_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="24 cases cannot hold out 24"):
        write_phantom_dataset(tmp_path, n_cases=24, n_test=24)
