"""What a prediction says of its own certainty: closed forms, and voxel by voxel."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from autoseg.data.labels import Labels, Region
from autoseg.prediction import confidence
from autoseg.prediction.confidence import average_agreement, count_voxels, measure_confidence, measure_faces
from autoseg.prediction.restoring.restore import Restored, Softness
from autoseg.prediction.windows.agreement import Agreement

LABELS = Labels(names=("background", "organ", "tumour"), values=(0, 1, 2))
REGIONS = LABELS.model_copy(
    update={"regions": (Region(name="whole", labels=(1, 2), paints=1), Region(name="core", labels=(2,), paints=2))}
)


def make_random(shape: tuple[int, int, int], n_labels: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    segmentation = generator.integers(n_labels, size=shape).astype(np.int16)
    return segmentation, generator.integers(256, size=shape).astype(np.uint8)


def mean_over_faces(segmentation: np.ndarray, entropy: np.ndarray, its: tuple[int, ...]) -> float:
    """One pair of neighbours after the other."""
    found = []
    for voxel in itertools.product(*(range(n) for n in segmentation.shape)):
        for axis in range(3):
            other = tuple(index + (each == axis) for each, index in enumerate(voxel))
            inside = other[axis] < segmentation.shape[axis]
            if inside and (segmentation[voxel] in its) != (segmentation[other] in its):
                found.append((float(entropy[voxel]) + float(entropy[other])) / 510)
    return float(np.mean(found))


def test_two_voxels_share_one_face_and_both_count() -> None:
    segmentation = np.array([[[0, 1]]], dtype=np.int16)
    faces = measure_faces(segmentation, np.array([[[51, 204]]], dtype=np.uint8), 2)
    assert faces.measure_mean((1,)) == pytest.approx((0.2 + 0.8) / 2)
    assert faces.counts.tolist() == [[0, 1], [1, 0]]


def test_one_voxel_in_the_middle_has_six_faces_and_at_the_corner_three() -> None:
    for place, n_faces in (((1, 1, 1), 6), ((0, 0, 0), 3)):
        segmentation = np.zeros((3, 3, 3), dtype=np.int16)
        segmentation[place] = 1
        entropy = np.where(segmentation == 1, 255, 0).astype(np.uint8)
        faces = measure_faces(segmentation, entropy, 2)
        assert faces.counts[0, 1] == n_faces
        assert faces.measure_mean((1,)) == pytest.approx(0.5)


@pytest.mark.parametrize("plane_bytes", [1, 100, 2**24])
def test_boundary_entropy_is_that_of_a_walk_from_voxel_to_voxel(
    plane_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confidence, "PLANE_BYTES", plane_bytes)
    segmentation, entropy = make_random((5, 4, 7), 4)
    faces = measure_faces(segmentation, entropy, 4)
    for its in [(1,), (2,), (3,), (1, 2), (1, 3)]:
        assert faces.measure_mean(its) == pytest.approx(mean_over_faces(segmentation, entropy, its))


def test_a_label_without_boundary_has_no_entropy_there() -> None:
    everywhere = np.ones((2, 3, 4), dtype=np.int16)
    faces = measure_faces(everywhere, np.full(everywhere.shape, 9, dtype=np.uint8), 3)
    assert faces.measure_mean((1,)) is None
    assert faces.measure_mean((2,)) is None


def test_voxels_are_counted_in_planes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confidence, "PLANE_BYTES", 60)
    segmentation, _ = make_random((9, 4, 5), 3)
    assert count_voxels(segmentation, 5).tolist() == [*np.bincount(segmentation.ravel()), 0, 0]


def restored(segmentation: np.ndarray, softness: Softness | None = None, entropy: np.ndarray | None = None) -> Restored:
    return Restored(segmentation, entropy=entropy, softness=softness)


def test_sums_become_volume_and_expected_dice() -> None:
    segmentation = np.zeros((2, 3, 4), dtype=np.int16)
    segmentation[0, 0] = 1
    softness = Softness(np.array([20.0, 4, 0]), np.array([18.0, 3, 0]), np.array([19.0, 4, 0.5]))
    organ, tumour = measure_confidence(restored(segmentation, softness), (), LABELS, 0.25)
    assert (organ.label, organ.n_voxels, organ.volume_ml) == ("organ", 4, 1.0)
    assert organ.expected_dice == pytest.approx(2 * 3 / (4 + 4))
    assert (tumour.n_voxels, tumour.volume_ml, tumour.expected_dice) == (0, 0.0, 0.0)
    assert (organ.agreement, organ.boundary_entropy) == (None, None)


def test_hard_probabilities_expect_to_be_right_and_none_at_all_expects_nothing() -> None:
    segmentation = np.ones((1, 2, 2), dtype=np.int16)
    softness = Softness(*(np.array([0.0, 4, 0]) for _ in range(3)))
    organ, tumour = measure_confidence(restored(segmentation, softness), (), LABELS, math.nan)
    assert (organ.expected_dice, tumour.expected_dice) == (1.0, None)
    assert (organ.n_voxels, organ.volume_ml) == (4, None)


def test_regions_are_unions_with_an_output_each() -> None:
    segmentation, entropy = make_random((3, 4, 5), 3)
    softness = Softness(np.array([40.0, 20]), np.array([30.0, 15]), np.array([35.0, 20]))
    whole, core = measure_confidence(restored(segmentation, softness, entropy), (), REGIONS, 1.0)
    assert (whole.label, core.label) == ("whole", "core")
    assert whole.n_voxels == (segmentation > 0).sum()
    assert (whole.expected_dice, core.expected_dice) == (pytest.approx(60 / 75), pytest.approx(30 / 40))
    assert whole.boundary_entropy == pytest.approx(mean_over_faces(segmentation, entropy, (1, 2)))


def agree(dices: list[float], n_members: int) -> Agreement:
    """Every pair agrees alike, about outputs of unit size."""
    n_pairs = n_members * (n_members - 1) // 2
    return Agreement(n_members, np.tile(dices, (n_pairs, 1)), np.ones((n_members, len(dices))))


def test_agreement_is_averaged_over_the_pairs_of_all_configurations() -> None:
    both = average_agreement([agree([1.0, 0.5, 0.8], 2), None, agree([1.0, 0.9, 0.8], 3)])
    assert both == pytest.approx((1.0, (0.5 + 3 * 0.9) / 4, 0.8))
    assert average_agreement([None]) == ()
    assert average_agreement([agree([], 1)]) == ()


def test_what_no_member_finds_has_no_agreement() -> None:
    nothing = Agreement(2, np.array([[1.0, 0.6, 0.0]]), np.array([[1.0, 0.8, 0.0], [1.0, 0.8, 0.0]]))
    segmentation = np.zeros((1, 2, 2), dtype=np.int16)
    organ, tumour = measure_confidence(restored(segmentation), [nothing], LABELS, 1.0)
    assert (organ.agreement, tumour.agreement) == (pytest.approx(0.75), None)
