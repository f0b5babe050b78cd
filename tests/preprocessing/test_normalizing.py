"""Normalisation schemes against their formulas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage import exposure
from sklearn.preprocessing import robust_scale

from autoseg.decision import fixed
from autoseg.errors import PlanError
from autoseg.fingerprinting.fingerprint import Intensities
from autoseg.planning.plan import ChannelPlan
from autoseg.preprocessing.equalizing import choose_tile, equalize_locally
from autoseg.preprocessing.normalizing import SCHEMES, normalize

CT = Intensities(mean=40, std=20, min=-1000, max=3000, median=42, percentile_00_5=-10, percentile_99_5=90)


def plan_channel(scheme: str, *, inside_mask: bool = False, intensities: Intensities | None = None) -> ChannelPlan:
    return ChannelPlan(
        channel="first",
        scheme=fixed(scheme, "test"),
        inside_mask=fixed(inside_mask, "test"),
        intensities=fixed(intensities, "test"),
    )


def run(values: np.ndarray, plan: ChannelPlan, mask: np.ndarray | None = None) -> np.ndarray:
    volume = np.asarray(values, dtype=np.float32).reshape(1, 1, 1, -1)
    inside = np.ones(volume.shape[1:], dtype=bool) if mask is None else mask.reshape(volume.shape[1:])
    return normalize(volume, inside, [plan]).ravel()


def test_ct_clips_then_standardises_by_the_dataset():
    normalized = run([-500, -10, 40, 60, 900], plan_channel("ct", intensities=CT))
    np.testing.assert_allclose(normalized, [-2.5, -2.5, 0, 1, 2.5])


def test_ct_without_intensities_says_what_to_do():
    with pytest.raises(PlanError, match="channel first: scheme ct needs intensities"):
        run([1, 2], plan_channel("ct"))


def test_zscore_has_mean_zero_and_deviation_one():
    normalized = run([2, 4, 4, 6], plan_channel("zscore"))
    np.testing.assert_allclose(normalized, np.array([-1, 0, 0, 1]) * np.sqrt(2), rtol=1e-6)


def test_zscore_inside_the_mask_leaves_zero_outside():
    mask = np.array([True, True, False, False])
    normalized = run([3, 5, 0, 7], plan_channel("zscore", inside_mask=True), mask)
    np.testing.assert_allclose(normalized, [-1, 1, 0, 0])


def test_zscore_of_an_empty_mask_and_of_a_constant_is_zero():
    nothing = run([0, 0], plan_channel("zscore", inside_mask=True), np.zeros(2, dtype=bool))
    constant = run([7, 7], plan_channel("zscore"))
    np.testing.assert_array_equal([nothing, constant], 0)


def test_zscore_of_a_large_offset_keeps_its_digits():
    values = 30_000 + np.random.default_rng(0).normal(size=50_000)
    normalized = run(values, plan_channel("zscore"))
    assert abs(normalized.mean(dtype=np.float64)) < 1e-3
    assert abs(normalized.std(dtype=np.float64) - 1) < 1e-3


def test_rescale_rgb_and_none():
    np.testing.assert_allclose(run([-2, 0, 6], plan_channel("rescale")), [0, 0.25, 1])
    np.testing.assert_allclose(run([0, 51, 255], plan_channel("rgb")), [0, 0.2, 1])
    np.testing.assert_allclose(run([-2, 0, 6], plan_channel("none")), [-2, 0, 6])


BY_CASE = ("zscore", "rescale", "percentile_clip", "robust", "histogram_equalization", "clahe")


def make_channel(offset: float = 0.0) -> np.ndarray:
    """Skewed greys with some bright voxels."""
    generator = np.random.default_rng(2)
    values = generator.gamma(2.0, 30.0, size=(9, 20, 26)) + offset
    values[generator.random(values.shape) < 0.003] += 3000
    return values.astype(np.float32)


def test_percentile_clip_maps_what_lies_between_the_percentiles_to_one():
    channel = make_channel()
    low, high = np.quantile(channel.astype(np.float64), [0.005, 0.995])
    expected = exposure.rescale_intensity(channel, in_range=(low, high), out_range=(0.0, 1.0))
    normalized = run(channel, plan_channel("percentile_clip"))
    np.testing.assert_allclose(normalized, expected.ravel(), atol=1e-5)


def test_percentiles_that_are_equal_give_way_to_the_range():
    values = np.zeros(1000)
    values[[3, 4]] = [2, 4]
    assert run(values, plan_channel("percentile_clip"))[:5].tolist() == [0, 0, 0, 0.5, 1]


def test_dataset_percentile_clip_is_the_same_in_every_case():
    plan = plan_channel("dataset_percentile_clip", intensities=CT)
    np.testing.assert_allclose(run([-500, -10, 40, 900], plan), [0, 0, 0.5, 1])
    np.testing.assert_allclose(run([15, 40], plan), [0.25, 0.5])


def test_robust_equals_the_scaler_of_scikit_learn():
    channel = make_channel()
    expected = robust_scale(channel.reshape(-1, 1).astype(np.float64)).ravel()
    np.testing.assert_allclose(run(channel, plan_channel("robust")), expected, atol=1e-5, rtol=1e-5)


def test_robust_of_equal_quartiles_divides_by_the_root_mean_square():
    normalized = run([5, 5, 5, 5, 5, 5, 5, 13], plan_channel("robust"))
    np.testing.assert_allclose(normalized, [0, 0, 0, 0, 0, 0, 0, np.sqrt(8)], rtol=1e-6)


def test_histogram_equalization_equals_scikit_image_and_uses_all_greys_alike():
    channel = make_channel()
    normalized = run(channel, plan_channel("histogram_equalization"))
    np.testing.assert_allclose(normalized, exposure.equalize_hist(channel, nbins=4096).ravel(), atol=1e-5)
    np.testing.assert_allclose(np.quantile(normalized, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.01)


def test_clahe_equals_scikit_image_with_tiles_of_an_eighth_and_at_least_eight_voxels():
    channel = make_channel(offset=-700)
    expected = exposure.equalize_adapthist(channel / np.ptp(channel) - channel.min() / np.ptp(channel), (8, 8, 8))
    normalized = normalize(channel[None], np.ones(channel.shape, dtype=bool), [plan_channel("clahe")])[0]
    assert np.abs(normalized - expected).mean() < 1e-3  # of 16384 greys one may be rounded the other way
    assert normalized.dtype == np.float32


def test_a_neighbourhood_is_as_wide_in_mm_as_it_is_deep():
    assert choose_tile((200, 512, 512)) == (25, 64, 64)
    assert choose_tile((20, 512, 256)) == (8, 64, 32)
    assert choose_tile((1, 100, 5)) == (1, 12, 5)


@pytest.mark.parametrize("shape", [(1, 40, 30), (40, 30, 1), (12, 20, 3), (4, 9, 4), (1, 1, 50), (1, 2, 1)])
def test_clahe_of_pictures_and_of_what_looks_like_colours(shape: tuple[int, ...]):
    """The axes mean the same wherever they stand, and three voxels in a row are no colour."""
    channel = np.random.default_rng(1).gamma(2.0, 30.0, size=shape).astype(np.float32)
    normalized = equalize_locally(channel.copy())
    turned = np.moveaxis(equalize_locally(np.moveaxis(channel, 2, 0).copy()), 0, 2)
    assert normalized.shape == shape
    np.testing.assert_allclose(normalized, turned, atol=2e-4)
    assert (normalized.min(), normalized.max()) == (0, 1)


@pytest.mark.parametrize("scheme", BY_CASE)
@pytest.mark.filterwarnings("error")
def test_a_channel_without_contrast_is_zero(scheme: str):
    for value in (0, 7, -1e5):
        channel = np.full((1, 4, 10, 12), value, dtype=np.float32)
        np.testing.assert_array_equal(normalize(channel, channel[0] == value, [plan_channel(scheme)]), 0)


OBEYING = ("zscore", "percentile_clip", "robust", "histogram_equalization", "clahe")


@pytest.mark.parametrize("scheme", [name for name in SCHEMES if name not in OBEYING])
def test_schemes_that_map_values_alike_everywhere_do_not_look_at_the_mask(scheme: str):
    """As nnU-Net's, of which ZScoreNormalization alone reads the mask."""
    channel, mask = make_channel(offset=50), np.zeros((9, 20, 26), dtype=bool)
    mask[2:7, 3:18] = True
    plans = [plan_channel(scheme, inside_mask=obeys, intensities=CT) for obeys in (True, False)]
    first, second = (normalize(channel[None], mask, [plan])[0] for plan in plans)
    np.testing.assert_array_equal(first, second)
    assert np.ptp(first[~mask]) > 0.3


@pytest.mark.parametrize("scheme", OBEYING)
@pytest.mark.filterwarnings("error")
def test_what_lies_outside_the_mask_counts_for_nothing_and_becomes_zero(scheme: str):
    plan = plan_channel(scheme, inside_mask=True, intensities=CT)
    channel, mask = make_channel(offset=50), np.zeros((9, 20, 26), dtype=bool)
    mask[2:7, 3:18] = True
    normalized = normalize(np.where(mask, channel, 0)[None], mask, [plan])[0]
    np.testing.assert_array_equal(normalized, normalize(np.where(mask, channel, 9e4)[None], mask, [plan])[0])
    assert (normalized[~mask] == 0).all()
    assert np.ptp(normalized[mask]) > 0.3
    if scheme != "clahe":
        alone = plan_channel(scheme, intensities=CT)
        np.testing.assert_allclose(normalized[mask], run(channel[mask], alone), atol=1e-5)


@pytest.mark.parametrize("scheme", OBEYING)
def test_an_empty_mask_gives_zeros(scheme: str):
    channel, plan = np.zeros((1, 3, 5, 9)), plan_channel(scheme, inside_mask=True, intensities=CT)
    np.testing.assert_array_equal(normalize(channel, channel[0] > 0, [plan]), 0)


@pytest.mark.parametrize("scheme", BY_CASE)
def test_a_large_offset_costs_no_more_digits_than_the_image_has_lost(scheme: str):
    plain, shifted = np.round(make_channel() * 16) / 16, np.round(make_channel() * 16) / 16 + 100_000
    mask = np.ones(plain.shape, dtype=bool)
    first, second = (normalize(each[None], mask, [plan_channel(scheme)])[0] for each in (plain, shifted))
    np.testing.assert_allclose(second, first, atol=2e-4)


def test_channels_follow_their_own_scheme_and_the_image_stays_as_it_was():
    image = np.array([0, 255, 3, 5], dtype=np.uint8).reshape(2, 1, 1, 2)
    normalized = normalize(image, np.ones((1, 1, 2), dtype=bool), [plan_channel("rgb"), plan_channel("none")])
    np.testing.assert_allclose(normalized.ravel(), [0, 1, 3, 5])
    assert normalized.dtype == np.float32
    assert image.ravel().tolist() == [0, 255, 3, 5]


def test_an_unknown_scheme_names_the_nearest():
    with pytest.raises(PlanError, match=r"no scheme zscor\. Did you mean zscore"):
        run([1], plan_channel("zscor"))


OWN = """
import numpy as np

def halve(channel, mask, plan):
    channel[~mask] = 0
    return channel / 2

def flatten(channel, mask, plan):
    return channel.ravel()

def forget(channel, mask, plan):
    channel /= 2
"""


@pytest.fixture
def own_schemes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_schemes_for_a_test.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("own_schemes")
def test_a_scheme_of_ones_own_sees_the_mask():
    mask = np.array([True, True, False])
    np.testing.assert_allclose(run([4, 6, 8], plan_channel("own_schemes_for_a_test:halve"), mask), [2, 3, 0])


@pytest.mark.usefixtures("own_schemes")
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("flatten", r"flatten returned shape \(3,\), but a scheme returns an array of the channel's shape \(1, 1, 3\)"),
        ("forget", "forget returned NoneType, but"),
        (
            "half",
            "channel first: own_schemes_for_a_test:half: there is no half in own_schemes_for_a_test. Did you mean",
        ),
    ],
)
def test_a_scheme_of_ones_own_that_cannot_be_is_refused(name: str, sentence: str):
    with pytest.raises(PlanError, match=sentence):
        run([4, 6, 8], plan_channel(f"own_schemes_for_a_test:{name}"))
