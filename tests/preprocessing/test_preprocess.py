"""Cropping, axis order and resampling of a case, with axes that cannot be mixed up."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from autoseg.data.labels import IGNORED
from autoseg.decision import fixed
from autoseg.planning.choices import Resampling
from autoseg.planning.plan import ChannelPlan, Configuration, Plan
from autoseg.preprocessing.preprocess import align, choose_separate_axis, compute_network_shape, prepare


def make_plan(axis_order: tuple[int, int, int], scheme: str = "none") -> Plan:
    channel = ChannelPlan(
        channel="first", scheme=fixed(scheme, "test"), inside_mask=fixed(False, "test"), intensities=fixed(None, "test")
    )
    plan: Plan = SimpleNamespace(axis_order=fixed(axis_order, "test"), normalization=(channel,))  # type: ignore
    return plan


def make_configuration(*spacing_mm: float, separate_axis: int | None = None) -> Configuration:
    resampling = Resampling(separate_axis=separate_axis)
    configuration: Configuration = SimpleNamespace(  # type: ignore
        spacing_mm=fixed(spacing_mm, "test"), resampling=fixed(resampling, "test")
    )
    return configuration


def make_case() -> tuple[np.ndarray, np.ndarray]:
    """An image of shape (12, 10, 8) whose content fills z 2..9, y 1..9, x 3..8."""
    image = np.zeros((1, 12, 10, 8), dtype=np.float32)
    image[0, 2:9, 1:9, 3:8] = 1 + np.arange(7 * 8 * 5).reshape(7, 8, 5)
    return image, (image[0] > 100).astype(np.int16)


def test_the_crop_is_put_into_axis_order():
    image, segmentation = make_case()
    aligned = align(image, segmentation, (1.0, 2.0, 3.0), make_plan((2, 0, 1)))
    np.testing.assert_array_equal(aligned.image[0], image[0, 2:9, 1:9, 3:8].transpose(2, 0, 1))
    np.testing.assert_array_equal(aligned.segmentation, segmentation[2:9, 1:9, 3:8].transpose(2, 0, 1))
    assert aligned.spacing_mm == (3.0, 1.0, 2.0)
    assert aligned.image.flags.c_contiguous


def test_the_placement_says_where_the_crop_was():
    placement = align(*make_case(), (1.0, 2.0, 3.0), make_plan((2, 0, 1))).placement
    assert placement.original_shape == (12, 10, 8)
    assert placement.box == ((2, 9), (1, 9), (3, 8))
    assert placement.cropped_shape == placement.network_shape == (5, 7, 8)


def test_a_case_without_reference_and_without_content_passes():
    prepared = prepare(
        align(np.zeros((1, 4, 5, 6)), None, (2, 1, 1), make_plan((0, 1, 2), "zscore")), make_configuration(1, 1, 1)
    )
    assert prepared.segmentation is None
    assert prepared.image.shape == (1, 8, 5, 6)
    assert not prepared.image.any()


def test_prepare_reaches_the_target_spacing_along_each_axis():
    aligned = align(*make_case(), (1.0, 2.0, 3.0), make_plan((2, 0, 1)))
    prepared = prepare(aligned, make_configuration(1.5, 2.0, 1.0))
    assert prepared.placement.network_shape == prepared.image.shape[1:] == prepared.segmentation.shape == (10, 4, 16)
    assert prepared.spacing_mm == (1.5, 2.0, 1.0)


def test_a_2d_configuration_keeps_slices_and_their_spacing():
    aligned = align(*make_case(), (1.0, 2.0, 3.0), make_plan((0, 1, 2)))
    prepared = prepare(aligned, make_configuration(1.0, 1.5))
    assert prepared.image.shape == (1, 7, 16, 10)
    assert prepared.spacing_mm == (1.0, 1.0, 1.5)


def test_no_axis_vanishes():
    assert compute_network_shape((1, 40, 7), (0.5, 1.0, 1.0), (5.0, 0.8, 1.0)) == (1, 50, 7)


@pytest.mark.parametrize(
    ("spacing_mm", "planned", "chosen"),
    [
        ((1.0, 1.0, 3.0), None, None),  # exactly 3x is not above 3x
        ((1.0, 1.0, 3.0), 0, 0),  # a case that is not anisotropic follows the target
        ((0.8, 4.0, 0.9), 0, 1),  # an anisotropic case has its own coarsest axis
        ((0.24, 1.25, 1.25), 0, None),  # two axes are equally coarse
        ((0.24, 1.25, 1.2501), 0, None),  # a header's rounding makes no difference
    ],
)
def test_which_axis_is_resampled_apart(spacing_mm, planned, chosen):
    assert choose_separate_axis(spacing_mm, planned) == chosen


def test_an_anisotropic_case_repeats_slices_instead_of_blending_them():
    image = np.repeat(np.arange(1.0, 4.0), 30).reshape(1, 3, 5, 6)
    prepared = prepare(align(image, None, (4.0, 1.0, 1.0), make_plan((0, 1, 2))), make_configuration(2.0, 1.0, 1.0))
    np.testing.assert_allclose(prepared.image[0, :, 0, 0], [1, 1, 2, 2, 3, 3])
    assert prepared.placement.separate_axis == 0


@pytest.mark.parametrize(("target_mm", "n_slices"), [((2.0, 1.0, 3.0), 1), ((1.0, 1.0, 3.0), 2), ((3.0, 1.0, 3.0), 1)])
def test_annotated_slices_among_ignored_ones_stay_where_they_are(target_mm, n_slices):
    """Two slices along x of a case of (12, 10, 8) voxels that is stored with x first: one in the crop, one outside."""
    image, segmentation = make_case()
    sparse = np.full_like(segmentation, IGNORED)
    sparse[..., [0, 5]] = segmentation[..., [0, 5]]
    aligned = align(image, sparse, (1.0, 3.0, 2.0), make_plan((2, 0, 1)))
    prepared = prepare(aligned, make_configuration(*target_mm))
    supervised = (prepared.segmentation != IGNORED).all(axis=(1, 2))
    assert (prepared.segmentation[~supervised] == IGNORED).all()
    assert supervised.sum() == n_slices
    assert supervised.argmax() == {5: 2, 10: 4, 3: 1}[len(supervised)]
    expected = segmentation[2:9, 1:9, 5]
    assert all((plane == expected).all() for plane in prepared.segmentation[supervised])
