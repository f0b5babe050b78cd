"""Every metric is defined, and what is said is what is computed."""

from __future__ import annotations

import pytest

from autoseg.evaluation.definitions import FACTS, clip_to_range, describe_definition, find_facts, name_nsd, name_unit
from autoseg.evaluation.options import GROUPS, MetricOptions
from autoseg.evaluation.report import METRICS


def test_every_metric_has_facts_and_a_known_group() -> None:
    assert set(FACTS) == {*METRICS, "nsd"}
    assert {facts.group for facts in FACTS.values()} == set(GROUPS)


@pytest.mark.parametrize(("metric", "title"), [("nsd_2mm", "NSD 2 mm"), ("nsd_0.5px", "NSD 0.5 px"), ("dice", "Dice")])
def test_a_tolerance_is_part_of_the_name(metric: str, title: str) -> None:
    assert find_facts(metric).title == title


def test_names_of_tolerances_and_units() -> None:
    assert (name_nsd(2.0, "mm"), name_nsd(0.5, "px")) == ("nsd_2mm", "nsd_0.5px")
    units = [name_unit(metric, "px") for metric in ("hd95", "nsd_2px", "reference_ml", "lesion_false_positives")]
    assert units == ["px", "", "ml", "count"]


def test_the_definition_states_options_and_the_policy_for_empty_masks() -> None:
    options = MetricOptions(
        tolerances=(3.0,), label_tolerances={"organ": (1.5,)}, min_lesion_volume_ml=0.25, tubular=("vessel",)
    )
    assert "at least 0.25 ml" in describe_definition(options)
    text = describe_definition(options, unit="px")
    for said in (
        "3 px",
        "1.5 px for organ",
        "volume unknown: all counted",
        "of vessel only",
        "HD95 and ASSD are the diagonal",
    ):
        assert said in text


def test_what_is_not_measured_is_not_defined() -> None:
    text = describe_definition(MetricOptions(groups=("overlap", "boundary")))
    assert "Boundary IoU" in text
    assert not [word for word in ("HD95", "Lesions", "clDice", "ECE is") if word in text]
    assert "clDice" not in describe_definition(MetricOptions())


@pytest.mark.parametrize(
    ("metric", "clipped"),
    [
        ("dice", (0, 1)),
        ("nsd_2mm", (0, 1)),
        ("hd95", (0, 3)),
        ("lesion_false_positives", (0, 3)),
        ("reference_ml", (0, 3)),
    ],
)
def test_what_a_metric_cannot_be_is_cut_off(metric: str, clipped: tuple[float, float]) -> None:
    assert clip_to_range(metric, (-2.0, 3.0)) == clipped
    assert clip_to_range("volume_error_ml", (-2.0, 3.0)) == (-2, 3)


def test_what_a_missing_prediction_scores_is_told() -> None:
    text = describe_definition(MetricOptions())
    for said in ("its volume counts as 0 ml", "false lesions not counted (their n is smaller then)"):
        assert said in text
