"""A prediction's certainty tells its Dice where it does, and is not believed where it does not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autoseg.evaluation.calibrating import MIN_CASES, Calibration, apply_calibration, calibrate
from autoseg.evaluation.report import METRICS, CaseScores, LabelConfidence, LabelScores
from autoseg.serialization import Record, dump_yaml, parse_record, parse_yaml

OFFSETS = {"liver": 0.1, "tumour": -0.15}


def make_case(number: int, dices: dict[str, float], expected: dict[str, float], **changes: object) -> CaseScores:
    confidence = tuple(
        LabelConfidence(
            **{"label": name, "n_voxels": 900, "volume_ml": 9.0, "boundary_entropy": 0.3, "expected_dice": value}
            | changes
        )
        for name, value in expected.items()
    )
    scores = {name: LabelScores(**{**dict.fromkeys(METRICS, 0.0), "dice": dice}) for name, dice in dices.items()}
    return CaseScores(case_id=f"case_{number:03}", labels=scores, confidence=confidence)


def simulate(n_cases: int, seed: int, *, slope: float = 1.0, noise: float = 0.02) -> list[CaseScores]:
    """Dice is `slope` times expected Dice, an offset of the label, and noise."""
    generator = np.random.default_rng(seed)
    cases = []
    for number in range(n_cases):
        expected = {name: generator.uniform(0.6, 0.85) for name in OFFSETS}
        dices = {
            name: float(np.clip(0.7 + slope * (value - 0.7) + OFFSETS[name] + generator.normal(0, noise), 0, 1))
            for name, value in expected.items()
        }
        cases.append(make_case(number, dices, expected))
    return cases


def folds(cases: list[CaseScores], n_folds: int) -> dict[str, int]:
    return {case.case_id: number % n_folds for number, case in enumerate(cases)}


@pytest.mark.parametrize("n_folds", [1, 5])
def test_a_true_relation_is_found_and_its_error_stated(n_folds: int) -> None:
    cases = simulate(50, seed=1)
    decision = calibrate(cases, folds(cases, n_folds), ["3d_fullres"])
    calibration = decision.value
    assert calibration is not None
    assert calibration.labels["liver"].weights["expected_dice"] == pytest.approx(1.0, abs=0.1)
    assert decision.inputs["mae"] == pytest.approx(0.02 * math.sqrt(2 / math.pi), rel=0.2)  # of normal noise
    assert decision.inputs["mae_of_mean"] > 0.05  # a quarter of the width of a uniform spread of 0.25
    assert ("fold by fold" if n_folds == 5 else "case by case") in decision.reason


def test_new_cases_have_the_predicted_dice_and_lie_in_the_interval() -> None:
    cases = simulate(60, seed=2)
    calibration = calibrate(cases, folds(cases, 5), ["a"]).value
    new = simulate(400, seed=3)
    assert calibration is not None
    pairs = [
        (apply_calibration(calibration, each), case.labels[each.label]) for case in new for each in case.confidence
    ]
    errors = [abs(predicted.dice - scores.dice) for predicted, scores in pairs if predicted]
    inside = [predicted.low <= scores.dice <= predicted.high for predicted, scores in pairs if predicted]
    assert np.mean(errors) == pytest.approx(0.02 * math.sqrt(2 / math.pi), rel=0.15)
    assert len(inside) == 800
    assert np.mean(inside) == pytest.approx(0.8, abs=0.08)


def test_noise_is_not_believed() -> None:
    """The mean and its spread are predicted instead; by chance alone one simulation in forty may be taken in."""
    believed = []
    for seed in range(15):
        cases = simulate(30, seed=100 + seed, slope=0.0)
        decision = calibrate(cases, folds(cases, 5), ["a"])
        assert decision.value is not None
        believed.append(any(label.weights for label in decision.value.labels.values()))
    assert sum(believed) <= 2
    calibration = decision.value
    assert "do not show" in decision.reason
    liver = apply_calibration(calibration, cases[0].confidence[0])
    assert liver is not None
    assert liver.dice == pytest.approx(np.mean([case.labels["liver"].dice for case in cases]))
    assert liver.low < liver.dice < liver.high


def test_a_label_that_certainty_tells_nothing_of_keeps_its_mean() -> None:
    noisy, true = simulate(60, seed=4, slope=0.0, noise=0.01), simulate(60, seed=5)
    cases = [
        one.model_copy(
            update={
                "labels": {"liver": one.labels["liver"], "tumour": other.labels["tumour"]},
                "confidence": (one.confidence[0], other.confidence[1]),
            }
        )
        for one, other in zip(noisy, true, strict=True)
    ]
    calibration = calibrate(cases, folds(cases, 5), ["a"]).value
    assert calibration is not None
    assert {name: bool(label.weights) for name, label in calibration.labels.items()} == {"liver": False, "tumour": True}


def test_too_few_cases_are_said_and_not_used() -> None:
    enough, few = simulate(MIN_CASES, seed=6), simulate(MIN_CASES - 1, seed=6)
    assert calibrate(enough, folds(enough, 1), ["a"]).value is not None
    decision = calibrate(few, folds(few, 1), ["a"])
    assert decision.value is None
    assert f"in {MIN_CASES} of the {MIN_CASES - 1} cases" in decision.reason


def test_reports_of_an_earlier_version_say_how_to_get_it() -> None:
    cases = [case.model_copy(update={"confidence": ()}) for case in simulate(20, seed=7)]
    decision = calibrate(cases, folds(cases, 1), ["a"])
    assert decision.value is None
    assert "Remove the report.json" in decision.reason


def test_empty_predictions_and_labels_not_annotated_do_not_count() -> None:
    cases = simulate(30, seed=8)
    empty = make_case(900, {"liver": 0.0, "tumour": 0.0}, {"liver": 0.0, "tumour": 0.0}, n_voxels=0)
    partial = make_case(901, {"liver": math.nan, "tumour": math.nan}, {"liver": 0.9, "tumour": 0.9})
    every = [*cases, empty, partial]
    assert calibrate(every, folds(every, 1), ["a"]).value == calibrate(cases, folds(cases, 1), ["a"]).value


def test_a_prediction_where_the_reference_is_empty_counts_as_0() -> None:
    cases = simulate(30, seed=9, slope=0.0)
    wrong = make_case(900, {"liver": 0.0, "tumour": 0.5}, {"liver": 0.7, "tumour": 0.7})
    every = [*cases, wrong]
    calibration = calibrate(every, folds(every, 1), ["a"]).value
    assert calibration is not None
    assert calibration.labels["liver"].n_cases == 31
    assert calibration.labels["liver"].offset == pytest.approx(
        np.mean([case.labels["liver"].dice for case in every]), abs=1e-9
    )


def test_a_label_of_one_fold_alone_is_left_out_where_folds_are_held_out() -> None:
    cases = simulate(40, seed=10)
    kept = [
        case if number % 4 == 0 else case.model_copy(update={"confidence": case.confidence[:1]})
        for number, case in enumerate(cases)
    ]
    calibration = calibrate(kept, folds(kept, 4), ["a"]).value
    assert calibration is not None
    assert set(calibration.labels) == {"liver"}
    assert apply_calibration(calibration, cases[0].confidence[1]) is None


def test_what_is_missing_is_not_predicted() -> None:
    cases = simulate(60, seed=11)
    calibration = calibrate(cases, folds(cases, 5), ["a"]).value
    known = cases[0].confidence[0]
    assert calibration is not None
    assert apply_calibration(calibration, known) is not None
    for change in ({"n_voxels": 0}, {"expected_dice": None}, {"volume_ml": None}, {"label": "spleen"}):
        assert apply_calibration(calibration, known.model_copy(update=change)) is None


def test_pictures_without_spacing_are_calibrated_without_volume() -> None:
    cases = [
        case.model_copy(
            update={"confidence": tuple(each.model_copy(update={"volume_ml": None}) for each in case.confidence)}
        )
        for case in simulate(40, seed=12)
    ]
    calibration = calibrate(cases, folds(cases, 1), ["a"]).value
    assert calibration is not None
    assert set(calibration.labels["liver"].weights) == {"expected_dice", "boundary_entropy"}
    assert apply_calibration(calibration, cases[0].confidence[0]) is not None


def test_predicted_dice_stays_between_0_and_1() -> None:
    cases = simulate(60, seed=13)
    calibration = calibrate(cases, folds(cases, 5), ["a"]).value
    assert calibration is not None
    liver, tumour = cases[0].confidence
    sure, lost = liver.model_copy(update={"expected_dice": 1.0}), tumour.model_copy(update={"expected_dice": 0.0})
    high, low = apply_calibration(calibration, sure), apply_calibration(calibration, lost)
    assert high is not None
    assert low is not None
    assert (high.dice, high.high) == (1.0, 1.0)
    assert (low.dice, low.low) == (0.0, 0.0)


def test_many_cases_are_held_out_in_groups_without_much_difference() -> None:
    cases = simulate(200, seed=14)
    decision = calibrate(cases, folds(cases, 1), ["a"])
    assert decision.inputs["n_cases"] == 200
    assert "in 50 groups" in decision.reason
    assert decision.inputs["mae"] == pytest.approx(0.02 * math.sqrt(2 / math.pi), rel=0.15)


class Holder(Record):
    """Something that a calibration is stored in."""

    calibration: Calibration


def test_calibration_survives_its_file() -> None:
    cases = simulate(20, seed=15)
    calibration = calibrate(cases, folds(cases, 1), ["a"]).value
    assert calibration is not None
    stored = parse_yaml(dump_yaml(Holder(calibration=calibration)), where="x.yaml")
    assert parse_record(Holder, stored, where="x.yaml").calibration == calibration


def mix(noisy: list[CaseScores], true: list[CaseScores]) -> list[CaseScores]:
    """The liver of one and the tumour of the other."""
    return [
        one.model_copy(
            update={
                "labels": {"liver": one.labels["liver"], "tumour": other.labels["tumour"]},
                "confidence": (one.confidence[0], other.confidence[1]),
            }
        )
        for one, other in zip(noisy, true, strict=True)
    ]


def test_the_stated_error_is_that_of_what_is_predicted() -> None:
    """Liver by its mean, tumour by its line: the error of new cases, which neither line nor mean everywhere has."""
    cases = mix(simulate(60, seed=4, slope=0.0, noise=0.03), simulate(60, seed=5))
    decision = calibrate(cases, folds(cases, 5), ["a"])
    assert decision.value is not None
    by_label, facts = decision.inputs["labels"], decision.inputs
    assert [bool(label.weights) for label in decision.value.labels.values()] == [False, True]
    assert by_label["liver"]["mae"] == by_label["liver"]["mae_of_mean"] != by_label["liver"]["mae_of_line"]
    assert by_label["tumour"]["mae"] == by_label["tumour"]["mae_of_line"] != by_label["tumour"]["mae_of_mean"]
    assert facts["mae"] == pytest.approx(np.mean([by_label[name]["mae"] for name in OFFSETS]), abs=1e-4)
    assert f"an error of {facts['mae']:.4f} Dice" in decision.reason
    assert "of liver by its mean" in decision.reason


def test_the_interval_is_that_of_what_is_predicted() -> None:
    cases = mix(simulate(60, seed=4, slope=0.0, noise=0.03), simulate(60, seed=5))
    calibration = calibrate(cases, folds(cases, 5), ["a"]).value
    assert calibration is not None
    dice = np.array([case.labels["liver"].dice for case in cases])
    parts = np.arange(60) % 5
    errors = np.sort([own - dice[parts != part].mean() for own, part in zip(dice, parts, strict=True)])
    liver = calibration.labels["liver"]
    assert (liver.low, liver.high) == pytest.approx((errors[5], errors[-6]))  # the 6th of 60: a tenth of 61


def test_a_calibration_says_where_a_prediction_is_made_otherwise() -> None:
    cases = simulate(20, seed=15)
    made = {"step": 0.5, "mirroring": "all"}
    calibration = calibrate(cases, folds(cases, 3), ["a"], made).value
    assert calibration is not None
    assert calibration.describe_mismatch({**made, "new": 1}, [0, 2]) == ""
    told = calibration.describe_mismatch({"step": 0.75, "mirroring": "none"}, ["all"])
    assert told == "calibrated with step 0.5 (here 0.75), mirroring all (here none), folds 0, 1, 2 (here all)"


def test_calibrations_of_earlier_files_were_made_thoroughly() -> None:
    old = Calibration(configurations=("a",), labels={})
    assert old.describe_mismatch({"step": 0.5, "mirroring": "all"}, ["all"]) == ""
    assert "mirroring all (here none)" in old.describe_mismatch({"step": 0.5, "mirroring": "none"})
