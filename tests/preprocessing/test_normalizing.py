"""Normalisation schemes against their formulas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from autoseg.decision import fixed
from autoseg.errors import PlanError
from autoseg.fingerprinting.fingerprint import Intensities
from autoseg.planning.plan import ChannelPlan
from autoseg.preprocessing.normalizing import normalize

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
