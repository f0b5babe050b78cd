"""What the page says of metrics is what evaluation does."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from autoseg.data.geometry import Geometry
from autoseg.data.image_io import write_volume
from autoseg.evaluation.case_metrics import evaluate_case
from autoseg.evaluation.definitions import describe_definition
from autoseg.evaluation.options import GROUPS, MetricOptions
from autoseg.evaluation.report import LabelScores
from autoseg.publishing.definition_section import OPENINGS, split_definition
from autoseg.publishing.empty_masks import MEASURED, NOT_COUNTED, POLICY, WORST
from tests.publishing.made_up import name_labels

SHAPE, SPACING_MM = (4, 10, 12), (3.0, 1.0, 0.5)


def test_definition_is_told_by_group_of_metrics_without_losing_a_word() -> None:
    options = MetricOptions(groups=GROUPS, tubular=("vessel",))
    definition = describe_definition(options)
    parts = split_definition(definition)
    assert [title for title, _ in parts] == ["Overlap and volume", *OPENINGS.values()]
    assert " ".join(text for _, text in parts) == definition
    assert split_definition("Another text. Surfaces of old.") == [
        ("Overlap and volume", "Another text. Surfaces of old.")
    ]


def score_empty(reference: str, predicted: str, folder: Path) -> LabelScores:
    """Scores of one label, with a probability of 0.9 wherever something is predicted."""
    masks = {"empty": np.zeros(SHAPE, np.int16), "something": np.zeros(SHAPE, np.int16)}
    masks["something"][1:3, 2:6, 3:9] = 1
    masks["anything"] = masks["something"]
    geometry = Geometry(SHAPE, SPACING_MM)
    probability = np.float32(0.06) + np.float32(0.84) * masks.get(predicted, masks["empty"])
    write_volume(folder / "organ.nii.gz", probability.astype(np.float32), geometry)
    scores = evaluate_case(
        masks[reference],
        masks.get(predicted),
        labels=name_labels(["organ"]),
        geometry=geometry,
        case_id="c",
        options=MetricOptions(groups=GROUPS, tubular=("organ",)),
        probabilities={"organ": folder / "organ.nii.gz"},
    )
    return scores.labels["organ"]


@pytest.mark.parametrize("masks", POLICY, ids=" and ".join)
def test_table_of_empty_masks_says_what_evaluation_does(masks: tuple[str, str], tmp_path: Path) -> None:
    scores = score_empty(*masks, tmp_path)
    distances = (scores.hd95, scores.assd)
    shares = (scores.boundary_iou, scores.cl_dice, *scores.nsd.values())
    overlap = ((scores.dice, scores.jaccard), (scores.precision,), (scores.recall,))
    lesions = ((scores.lesion_f1,), (scores.lesion_sensitivity,), (scores.lesion_false_positives,))
    measured = (*overlap, distances, shares, *lesions, (scores.ece, scores.brier))
    for told, values in zip(POLICY[masks], measured, strict=True):
        for value in values:
            if told == NOT_COUNTED:
                assert math.isnan(value)
            elif told == WORST:
                assert value == pytest.approx(math.dist((0, 0, 0), np.multiply(SHAPE, SPACING_MM)), rel=0.3)
            elif told == MEASURED:
                assert value > 0
            else:
                assert value == float(told)
