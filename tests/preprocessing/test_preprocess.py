"""Cropping, axis order and resampling of a case, with axes that cannot be mixed up."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from autoseg.data.labels import IGNORED
from autoseg.decision import fixed
from autoseg.planning.choices import Resampling
from autoseg.planning.plan import ChannelPlan, Configuration, Plan
from autoseg.planning.rules.resampling import decide_resampling
from autoseg.preprocessing.preprocess import Placement, align, choose_separate_axes, compute_network_shape, prepare


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


# What determine_do_sep_z_and_axis of nnU-Net 2.8.1 returned for (case, target), and for (target, case) as logits ask.
@pytest.mark.parametrize(
    ("spacing_mm", "target_mm", "there", "back"),
    [
        ((1.0, 1.0, 3.0), (1.0, 1.0, 1.0), None, None),  # exactly 3x is not above 3x
        ((1.0, 1.0, 3.0), (5.0, 1.0, 1.0), 0, 0),  # a case that is not anisotropic follows the target
        ((0.8, 4.0, 0.9), (5.0, 1.0, 1.0), 1, 0),  # an anisotropic case has its own coarsest axis, but for logits
        ((1.0, 1.0, 5.0), (5.0, 1.0, 1.0), 2, 0),
        ((1.0, 1.0, 5.0), (1.0, 1.0, 1.0), 2, 2),
        ((0.5, 2.0, 2.0), (5.0, 1.0, 1.0), None, 0),  # two axes are equally coarse
        ((5.0, 1.0, 1.0), (0.5, 2.0, 2.0), 0, None),
        ((0.5, 3.0, 3.0000005), (1.0, 1.0, 1.0), 2, 2),  # spacings are compared exactly
        ((2.5, 1.0, 1.0), (0.8, 0.8), 0, 0),  # in 2D, slices are 2.5 mm apart on the network grid, too
        ((2.5, 1.0, 1.0), (0.9, 0.9), None, None),
        ((1.0, 4.0, 1.0), (1.0, 1.0), 1, 1),
        ((1.0, 1.0, 1.0), (1.0, 4.0), 2, 2),
    ],
)
def test_which_axis_is_resampled_apart(spacing_mm, target_mm, there, back):
    methods = Resampling() if len(target_mm) == 2 else decide_resampling(spacing_mm=target_mm).value
    assert choose_separate_axes(spacing_mm, target_mm, methods) == (there, back)


@pytest.mark.parametrize(
    ("separate", "spacing_mm", "expected"),
    [
        ("always", (1.2, 1.0, 1.0), (0, 2)),
        ("always", (1.0, 1.2, 1.2), (None, 2)),  # two axes are equally coarse
        ("never", (9.0, 1.0, 1.0), (None, None)),
    ],
)
def test_an_axis_can_be_resampled_apart_always_or_never(separate, spacing_mm, expected):
    methods = Resampling(separate_axis=0, separate=separate)
    assert choose_separate_axes(spacing_mm, (1.0, 1.0, 1.1), methods) == expected


def test_an_axis_that_a_person_set_is_the_answer_of_the_network_grid():
    second = Resampling(separate_axis=1)
    assert choose_separate_axes((1.0, 1.0, 5.0), (1.0, 1.0, 1.0), second) == (2, 1)
    assert choose_separate_axes((2.5, 1.0, 1.0), (0.8, 0.8), second) == (1, 1)
    assert choose_separate_axes((1.0, 1.0, 1.0), (5.0, 1.0, 1.0), Resampling()) == (None, None)


def test_the_placement_keeps_both_axes_and_those_of_before_have_one():
    image = np.ones((1, 4, 6, 8))
    for spacing_mm, back in (((5.0, 1.0, 1.0), None), ((1.0, 1.0, 5.0), 0), ((1.0, 4.0, 1.0), 1)):
        target_mm = (0.5, 2.0, 2.0) if back is None else (5.0, 1.0, 1.0) if back == 0 else (1.0, 1.0, 1.0)
        configuration = make_configuration(*target_mm, separate_axis=0 if back == 0 else None)
        placement = prepare(align(image, None, spacing_mm, make_plan((0, 1, 2))), configuration).placement
        assert (placement.separate_axis, placement.separate_axis_back) == (int(np.argmax(spacing_mm)), back)
        assert Placement.model_validate_json(placement.model_dump_json()) == placement
    before = {name: value for name, value in placement.model_dump().items() if name != "logits_axis"}
    assert Placement(**before).separate_axis_back == 1


def test_in_2d_each_slice_of_an_anisotropic_grid_keeps_its_own_range():
    image = np.random.default_rng(4).normal(size=(1, 4, 9, 12)) + 100 * np.arange(1, 5)[:, None, None]
    prepared = prepare(align(image, None, (2.5, 1.0, 1.0), make_plan((0, 1, 2))), make_configuration(0.8, 0.8))
    for row, source in zip(prepared.image[0], image[0], strict=True):
        assert source.min() - 1e-4 <= row.min() <= row.max() <= source.max() + 1e-4


def test_what_lies_outside_the_mask_is_known_on_the_crop():
    image, segmentation = make_case()
    image[0, 3, 1:5, 3:6] = 0  # at the border of the content: no hole
    prepared = prepare(align(image, segmentation, (1.0, 2.0, 3.0), make_plan((2, 0, 1))), make_configuration(1, 2, 1))
    np.testing.assert_array_equal(prepared.find_outside(), image[0, 2:9, 1:9, 3:8].transpose(2, 0, 1) == 0)
    full = prepare(align(*make_case(), (1.0, 2.0, 3.0), make_plan((2, 0, 1))), make_configuration(1, 2, 1))
    assert full.outside is None
    assert full.find_outside().shape == (5, 7, 8)


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
