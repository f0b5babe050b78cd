"""Words of the command line become options, or one clear line."""

from __future__ import annotations

from typing import Any

import pytest

from autoseg.cli.metric_options import parse_metric_options
from autoseg.errors import UsageError
from autoseg.evaluation.options import GROUPS, MetricOptions


def test_nothing_said_is_the_default() -> None:
    assert parse_metric_options() == MetricOptions()


def test_metrics_may_be_named_themselves() -> None:
    assert parse_metric_options("hd95, lesion_f1").groups == ("overlap", "surface", "lesions")
    assert parse_metric_options().groups == GROUPS
    with pytest.raises(UsageError, match="there is no such metric"):
        parse_metric_options("kappa")


def test_tolerances_of_a_label_may_be_several() -> None:
    options = parse_metric_options(label_tolerances=["a=1", "b=2.5", "a=3"])
    assert options.label_tolerances == {"a": (1.0, 3.0), "b": (2.5,)}


def test_width_share_and_volume_are_kept() -> None:
    options = parse_metric_options(boundary_width=1.5, lesion_iou=0.5, min_lesion_volume_ml=0.2)
    assert (options.boundary_width, options.lesion_iou, options.min_lesion_volume_ml) == (1.5, 0.5, 0.2)


@pytest.mark.parametrize(
    ("said", "option", "group"),
    [
        ({"tolerances": [5.0]}, "--tolerance", "surface"),
        ({"label_tolerances": ["a=5"]}, "--label-tolerance", "surface"),
        ({"boundary_width": 2.0}, "--boundary-width", "boundary"),
        ({"lesion_iou": 0.5}, "--lesion-iou", "lesions"),
        ({"min_lesion_volume_ml": 3.0}, "--min-lesion-volume", "lesions"),
        ({"tubular": ["a"]}, "--tubular", "centre_lines"),
        ({"with_probabilities": True}, "--probabilities", "calibration"),
    ],
)
def test_an_option_that_would_change_nothing_is_refused(said: dict[str, Any], option: str, group: str) -> None:
    with pytest.raises(UsageError, match=f"^{option} changes nothing, because --metrics overlap leaves {group} out"):
        parse_metric_options("overlap", **said)
    rest = {"tubular": ["a"], "with_probabilities": True}
    assert parse_metric_options(",".join(GROUPS), **{**rest, **said}).groups == GROUPS


@pytest.mark.parametrize(
    ("metrics", "option"), [("cl_dice", "--tubular"), ("centre_lines", "--tubular"), ("ece", "--probabilities")]
)
def test_what_would_not_be_measured_is_refused(metrics: str, option: str) -> None:
    with pytest.raises(UsageError, match=f"measured with {option} only"):
        parse_metric_options(metrics)


@pytest.mark.parametrize("metrics", ["", " , "])
def test_no_metric_is_none(metrics: str) -> None:
    with pytest.raises(UsageError, match="names nothing"):
        parse_metric_options(metrics)
