from __future__ import annotations

import pytest

from autoseg.fingerprinting.fingerprint import Intensities
from autoseg.planning.rules.normalization import decide_inside_mask, decide_intensities, decide_scheme

HOUNSFIELD = Intensities(mean=80, std=35, min=-400, max=900, median=84, percentile_00_5=-30, percentile_99_5=190)


@pytest.mark.parametrize(
    ("channel", "scheme"),
    [
        *(("CT", "ct"), ("ct", "ct"), ("T2", "zscore"), ("PET", "zscore"), ("Red", "rgb"), ("B", "rgb")),
        *(("rescale_to_0_1", "rescale"), ("rgb_to_0_1", "rgb"), ("noNorm", "none"), ("zscore", "zscore")),
    ],
)
def test_the_channels_name_chooses_the_scheme(channel: str, scheme: str) -> None:
    assert decide_scheme(channel=channel, intensities=HOUNSFIELD, typical_range=None).value == scheme


def test_the_published_rule_knows_no_colours() -> None:
    decision = decide_scheme(channel="R", intensities=None, typical_range=None, published_names_only=True)
    assert decision.value == "zscore"


def test_an_unknown_name_with_the_intensities_of_ct_is_a_warning_that_says_what_to_do() -> None:
    decision = decide_scheme(channel="scan", intensities=HOUNSFIELD, typical_range=(-1024.0, 2800.0))
    assert decision.value == "zscore"
    assert decision.reason.startswith("WARNING")
    assert "rename the channel to CT" in decision.reason


def test_a_known_name_with_the_intensities_of_ct_is_not_said_to_mean_nothing() -> None:
    decision = decide_scheme(channel="MRI", intensities=HOUNSFIELD, typical_range=(-1024.0, 2800.0))
    assert decision.reason.startswith("WARNING: the channel's name, MRI, is not CT")


@pytest.mark.parametrize(
    ("typical_range", "scheme"),
    [((3.0, 251.0), "rgb"), ((0.0, 1.0), "zscore"), ((0.0, 4095.0), "zscore"), ((-40.0, 200.0), "zscore")],
)
def test_a_colour_out_of_its_range_is_scaled_by_case_and_warned_about(
    typical_range: tuple[float, float], scheme: str
) -> None:
    decision = decide_scheme(channel="Red", intensities=None, typical_range=typical_range)
    assert decision.value == scheme
    assert decision.reason.startswith("WARNING") is (scheme == "zscore")


@pytest.mark.parametrize("typical_range", [None, (-1024.0, 400.0), (0.0, 2800.0)])
def test_an_unknown_name_without_the_intensities_of_ct_is_no_warning(typical_range: tuple[float, float] | None) -> None:
    decision = decide_scheme(channel="scan", intensities=HOUNSFIELD, typical_range=typical_range)
    assert "scan stands for no scheme" in decision.reason


def test_ct_without_foreground_has_no_statistics_to_use() -> None:
    assert decide_scheme(channel="CT", intensities=None, typical_range=None).value == "zscore"


@pytest.mark.parametrize(
    ("scheme", "share", "inside"),
    [
        ("zscore", 0.74, True),
        ("zscore", 0.75, False),
        ("ct", 0.3, False),
        ("robust", 0.3, True),
        ("rescale", 0.3, False),
    ],
)
def test_statistics_are_taken_inside_where_much_was_cropped_away(scheme: str, share: float, inside: bool) -> None:
    assert decide_inside_mask(scheme=scheme, median_share_after_cropping=share).value is inside


@pytest.mark.parametrize(
    ("scheme", "typical_range", "is_carried"),
    [
        *(("ct", None, True), ("dataset_percentile_clip", None, True), ("percentile_clip", None, False)),
        *(("zscore", (0.0, 900.0), False), ("zscore", (-1024.0, 2800.0), True)),
    ],
)
def test_what_is_or_may_become_ct_carries_the_datasets_statistics(
    scheme: str, typical_range: tuple[float, float] | None, is_carried: bool
) -> None:
    decision = decide_intensities(scheme=scheme, intensities=HOUNSFIELD, typical_range=typical_range)
    assert decision.value == (HOUNSFIELD if is_carried else None)


def test_ct_of_a_fingerprint_without_intensities_is_to_be_measured_first() -> None:
    assert decide_scheme(channel="CT", intensities=None, typical_range=None, is_measured=False).value == "ct"
    assert decide_scheme(channel="CT", intensities=None, typical_range=None).value == "zscore"
    statistics = decide_intensities(scheme="ct", intensities=None, typical_range=None)
    assert (statistics.value, statistics.reason.startswith("WARNING")) == (None, True)
