"""A step is kept if it helps and hurts no label, and the decision says by how much."""

from __future__ import annotations

import numpy as np
import pytest

from autoseg.data.labels import IGNORED, Labels, Region
from autoseg.decision import Decision
from autoseg.errors import UsageError
from autoseg.postprocessing.deciding import Postprocessing, Step, apply_postprocessing, decide_postprocessing
from autoseg.serialization import dump_yaml, parse_record, parse_yaml

LABELS = Labels(names=("background", "organ", "lesion"), values=(0, 1, 2))
ALL = Step(labels=(1, 2))


def body(*, lesion_outside: bool = False) -> np.ndarray:
    """An organ with a lesion inside; where asked for, a second lesion away from it."""
    segmentation = np.zeros((4, 8, 14), np.int16)
    segmentation[:, 1:6, 1:7] = 1
    segmentation[1:3, 2:4, 2:4] = 2
    if lesion_outside:
        segmentation[1:3, 5:7, 10:12] = 2
    return segmentation


def with_speck(segmentation: np.ndarray, label: int) -> np.ndarray:
    speck = segmentation.copy()
    speck[0, 7, 13] = label
    return speck


def decide(*pairs: tuple[np.ndarray, np.ndarray]) -> Decision[Postprocessing]:
    return decide_postprocessing(lambda: pairs, LABELS)


def test_speck_outside_makes_the_largest_component_worth_it() -> None:
    decision = decide((body(), with_speck(body(), 1)), (body(), body()))
    assert decision.value.steps == (ALL,)
    n = 120 - 8
    before = (1 + 2 * n / (2 * n + 1)) / 2
    assert decision.inputs["dice"]["all foreground"]["organ"] == pytest.approx([before, 1], abs=1e-5)
    assert "no label loses" in decision.reason


def test_gain_that_rounds_to_nothing_removes_nothing() -> None:
    """One voxel of 12,000 raises the Dice of the organ by 4e-5, and the mean of both labels by half of that."""
    reference = np.zeros((30, 30, 40), np.int16)
    reference[:, 5:25, 10:30] = 1
    reference[2:6, 8:12, 12:16] = 2
    predicted = reference.copy()
    predicted[0, 29, 39] = 1
    decision = decide((reference, predicted))
    before, after = decision.inputs["dice"]["all foreground"]["organ"]
    assert 0 < after - before < 1e-4
    assert decision.value.steps == ()


def test_step_that_costs_a_label_is_refused_however_much_another_gains() -> None:
    """Lesions outside are real and would go with the organ's specks; the organ's own component is kept instead."""
    decision = decide((body(lesion_outside=True), with_speck(body(lesion_outside=True), 1)))
    assert decision.value.steps == (Step(labels=(1,)),)
    before, after = decision.inputs["dice"]["all foreground"]["lesion"]
    assert after < before


def test_perfect_segmentations_need_nothing() -> None:
    decision = decide((body(), body()))
    assert decision.value.steps == ()
    assert "helps nowhere" in decision.reason


def test_step_of_a_single_label_builds_on_all_foreground() -> None:
    """The speck of lesion touches the organ, so that only the lesion's own component removes it."""
    predicted = with_speck(body(), 1)
    predicted[3, 5, 6] = 2
    assert decide((body(), predicted)).value.steps == (ALL, Step(labels=(2,)))


def test_removing_a_false_alarm_counts_as_a_gain() -> None:
    healthy = np.where(body() == 2, 1, body()).astype(np.int16)
    decision = decide((healthy, with_speck(healthy, 2)))
    assert decision.value.steps == (ALL,)
    assert decision.inputs["dice"]["all foreground"]["lesion"] == [0, 1]


def test_unannotated_voxels_decide_nothing() -> None:
    reference = body()
    reference[:, 7] = IGNORED
    assert decide((reference, with_speck(body(), 1))).value.steps == ()


def test_single_label_is_tried_once() -> None:
    labels = Labels(names=("background", "organ"), values=(0, 1))
    organ = (body() > 0).astype(np.int16)
    decision = decide_postprocessing(lambda: [(organ, with_speck(organ, 1))], labels)
    assert list(decision.inputs["dice"]) == ["all foreground"]
    assert decision.value.steps == (Step(labels=(1,)),)


def test_no_cases_is_an_error() -> None:
    with pytest.raises(UsageError, match="no cross-validation cases"):
        decide()


def test_applying_takes_the_steps_in_order() -> None:
    predicted = with_speck(body(), 2)
    assert np.array_equal(apply_postprocessing(predicted, Postprocessing(steps=(ALL,))), body())
    assert apply_postprocessing(predicted, Postprocessing()) is predicted


def test_decision_survives_its_file() -> None:
    decision = decide((body(), with_speck(body(), 1)))
    read = parse_record(Decision[Postprocessing], parse_yaml(dump_yaml(decision), where="x"), where="x")
    assert read.value == decision.value


def test_of_regions_only_all_foreground_is_tried() -> None:
    """Two lesions in one organ: the smaller one is not taken out of the organ, but a speck outside of both goes."""
    organ, lesion = Region(name="organ", labels=(1, 2), paints=1), Region(name="lesion", labels=(2,), paints=2)
    labels = LABELS.model_copy(update={"regions": (organ, lesion)})
    reference, predicted = body(), body()
    predicted[1:3, 5, 5] = 2
    decision = decide_postprocessing(lambda: [(reference, with_speck(predicted, 1))], labels)
    assert decision.value.steps == (ALL,)
    assert list(decision.inputs["dice"]) == ["all foreground"]
    before, after = decision.inputs["dice"]["all foreground"]["organ"]
    n = int((reference > 0).sum())
    assert (before, after) == pytest.approx((2 * n / (2 * n + 1), 1), abs=1e-4)
    assert decision.reason.endswith("single regions overlap and were not tried")


def test_labels_that_a_case_does_not_annotate_do_not_decide() -> None:
    """The speck is a lesion in a case whose reference marks the organ alone: there may well be one."""
    pairs = [(body(), with_speck(body(), 2))]
    assert decide_postprocessing(lambda: pairs, LABELS).value.steps == (ALL,)
    assert decide_postprocessing(lambda: pairs, LABELS, annotated=[("organ",)]).value.steps == ()
    assert decide_postprocessing(lambda: pairs, LABELS, annotated=[None]).value.steps == (ALL,)
