"""Cases and folders are scored as defined; nothing is dropped in silence."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from autoseg.data.geometry import Geometry
from autoseg.data.image_io import write_segmentation, write_volume
from autoseg.data.labels import IGNORED, Labels, Region
from autoseg.data.probability_reading import PROBABILITY
from autoseg.errors import DatasetError, UsageError
from autoseg.evaluation import case_files
from autoseg.evaluation.bootstrapping import bootstrap_interval
from autoseg.evaluation.case_metrics import evaluate_case
from autoseg.evaluation.evaluating import evaluate_folders, make_report
from autoseg.evaluation.options import MetricOptions
from autoseg.evaluation.report import METRICS, CaseScores, LabelScores, Report, Summary
from autoseg.serialization import dump_json

LABELS = Labels(names=("background", "liver", "tumour"), values=(0, 1, 2))
GEOMETRY = Geometry(shape=(3, 5, 8), spacing=(4.0, 2.0, 0.5))


def boxes(shift: int = 0, *, tumour: bool = True) -> np.ndarray:
    segmentation = np.zeros(GEOMETRY.shape, np.int16)
    segmentation[:, 1:3, shift : shift + 4] = 1
    segmentation[1, 4, 2:6] = 2 if tumour else 0
    return segmentation


def score(reference: np.ndarray, predicted: np.ndarray | None, case_id: str = "x") -> CaseScores:
    return evaluate_case(reference, predicted, labels=LABELS, geometry=GEOMETRY, case_id=case_id)


def dice_scores(dice: float) -> LabelScores:
    return LabelScores(dice=dice, **dict.fromkeys(METRICS[1:], math.nan))


def summarise(dices: Sequence[float], fold_of: Mapping[str, int] | None = None) -> Summary:
    """Of the Dice of livers."""
    nowhere = dice_scores(math.nan)
    cases = [
        CaseScores(case_id=f"{number:02}", labels={"liver": dice_scores(dice), "tumour": nowhere})
        for number, dice in enumerate([*dices, math.nan])
    ]
    return make_report(cases, LABELS, fold_of=fold_of).summary["liver"]["dice"]


def write(folder: Path, **segmentations: np.ndarray) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for case_id, segmentation in segmentations.items():
        write_segmentation(folder / f"{case_id}.nii.gz", segmentation, GEOMETRY)
    return folder


def test_scores_of_a_shifted_box() -> None:
    scores = score(boxes(), boxes(shift=1)).labels
    assert scores["liver"].dice == pytest.approx(3 / 4)
    assert scores["liver"].reference_ml == pytest.approx(24 * 0.004)
    assert scores["tumour"].dice == 1


def test_volume_error_is_predicted_minus_reference() -> None:
    scores = score(boxes(), boxes(tumour=False)).labels["tumour"]
    assert scores.volume_error_ml == pytest.approx(-4 * 0.004)
    assert (scores.dice, scores.recall) == (0, 0)


def test_label_that_is_nowhere_is_not_counted() -> None:
    case = score(boxes(tumour=False), boxes(tumour=False))
    assert math.isnan(case.labels["tumour"].dice)
    assert case.mean_dice == 1


def test_missing_prediction_scores_zero_even_where_nothing_was_to_be_found() -> None:
    case = score(boxes(tumour=False), None)
    assert case.is_missing
    assert [scores.dice for scores in case.labels.values()] == [0, 0]


def test_unannotated_voxels_do_not_count() -> None:
    reference = boxes()
    reference[:, :, 4:] = IGNORED
    assert score(reference, boxes(shift=1)).labels["liver"].dice == pytest.approx(2 * 18 / (24 + 18))


def test_regions_are_scored_in_place_of_labels() -> None:
    """A tumour that is missed is still part of the liver with its tumour, where liver is predicted in its place."""
    both = Region(name="liver with tumour", labels=(1, 2), paints=1)
    labels = LABELS.model_copy(update={"regions": (both, Region(name="tumour", labels=(2,), paints=2))})
    predicted = np.where(boxes() == 2, 1, boxes())
    case = evaluate_case(boxes(), predicted, labels=labels, geometry=GEOMETRY, case_id="x")
    assert {name: scores.dice for name, scores in case.labels.items()} == {"liver with tumour": 1, "tumour": 0}
    assert case.labels["liver with tumour"].reference_ml == pytest.approx((24 + 4) * 0.004)
    assert list(make_report([case], labels).summary) == ["liver with tumour", "tumour"]


@pytest.mark.parametrize("predicted", [boxes(shift=1), None])
def test_labels_that_a_case_does_not_annotate_are_not_scored(predicted: np.ndarray | None) -> None:
    reference, options = boxes(tumour=False), {"labels": LABELS, "geometry": GEOMETRY, "case_id": "x"}
    case = evaluate_case(reference, predicted, annotated=("liver",), **options)
    assert all(math.isnan(value) for value in case.labels["tumour"].model_dump().values())
    assert case.labels["liver"] == evaluate_case(reference, predicted, **options).labels["liver"]
    report = make_report([case], LABELS)
    assert report.mean_dice == case.mean_dice == case.labels["liver"].dice
    assert report.summary["tumour"]["dice"].n == 0
    assert Report.model_validate_json(dump_json(report)) == report


def test_what_cases_annotate_comes_from_the_dataset_above(tmp_path: Path) -> None:
    declared = {
        "labels": {"background": 0, "liver": 1, "tumour": 2},
        "annotated_labels": {"a": ["liver"], "z": ["liver"]},
    }
    (tmp_path / "dataset.json").write_text(json.dumps(declared))
    reference = write(tmp_path / "labelsTr", a=boxes(tumour=False), b=boxes())
    report = evaluate_folders(reference, write(tmp_path / "predicted", a=boxes(), b=boxes()))
    assert (report.summary["tumour"]["dice"].n, report.mean_dice) == (1, 1)


def test_unequal_shapes_name_the_case() -> None:
    with pytest.raises(DatasetError, match=r"case x: .*shape"):
        score(boxes(), boxes()[:2])


def test_mean_is_over_labels_of_means_over_cases() -> None:
    """Case a: liver 1, tumour not counted; case b: liver 3/4, tumour 1; the mean over all cells would be 11/12."""
    cases = [score(boxes(tumour=False), boxes(tumour=False), "a"), score(boxes(), boxes(shift=1), "b")]
    report = make_report(cases[::-1], LABELS)
    assert report.mean_dice == pytest.approx((7 / 8 + 1) / 2)
    assert report.summary["tumour"]["dice"].n == 1
    assert [case.case_id for case in report.cases] == ["a", "b"]


def test_summary_agrees_with_numpy() -> None:
    values = np.random.default_rng(0).random(9)
    summary = summarise([*values, math.nan])
    assert math.isnan(summarise([]).mean)
    expected = (values.mean(), np.median(values), values.std(ddof=1), 9)
    assert (summary.mean, summary.median, summary.std, summary.n) == pytest.approx(expected)


def test_folders_are_matched_by_stem_and_misses_are_named(tmp_path: Path) -> None:
    reference = write(tmp_path / "reference", a=boxes(), b=boxes())
    predicted = write(tmp_path / "predicted", a=boxes(), c=boxes())
    (predicted / "report.json").write_text("{}")
    report = evaluate_folders(reference, predicted, LABELS)
    assert (report.missing, report.without_reference) == (("b",), ("c.nii.gz",))
    assert report.mean_dice == pytest.approx(0.5)


def test_labels_come_from_the_dataset_above(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "liver": 1, "tumour": 2}}))
    reference = write(tmp_path / "labelsTr", a=boxes())
    assert list(evaluate_folders(reference, reference).summary) == ["liver", "tumour"]


def test_labels_come_from_the_references_otherwise(tmp_path: Path) -> None:
    reference = write(tmp_path / "reference", a=boxes() * 100)
    assert list(evaluate_folders(reference, reference).summary) == ["label 100", "label 200"]


def test_labels_of_predictions_count_where_the_references_are_empty(tmp_path: Path) -> None:
    reference = write(tmp_path / "reference", a=boxes() * 0)
    predicted = write(tmp_path / "predicted", a=boxes())
    report = evaluate_folders(reference, predicted)
    assert {name: metrics["dice"].mean for name, metrics in report.summary.items()} == {"label 1": 0, "label 2": 0}
    with pytest.raises(DatasetError, match="neither a reference nor a prediction"):
        evaluate_folders(reference, reference)


def test_pictures_without_spacing_have_no_volume(tmp_path: Path) -> None:
    flat = Geometry((1, 5, 8), (999.0, 1.0, 1.0), n_dimensions=2, has_spacing=False)
    write_segmentation(tmp_path / "a.png", boxes()[1:2], flat)
    report = evaluate_folders(tmp_path, tmp_path)
    assert report.mean_dice == 1
    volume = json.loads(dump_json(report))["summary"]["label 1"]["reference_ml"]
    assert volume == {"mean": None, "median": None, "std": None, "n": 0}
    assert Report.model_validate_json(dump_json(report)) == report


def test_pair_of_files_may_have_any_names(tmp_path: Path) -> None:
    folder = write(tmp_path, expert=boxes(), network=boxes(shift=1))
    report = evaluate_folders(folder / "expert.nii.gz", folder / "network.nii.gz", LABELS)
    assert [case.case_id for case in report.cases] == ["expert"]
    assert report.summary["liver"]["dice"].mean == pytest.approx(3 / 4)


def test_only_wanted_cases_are_scored(tmp_path: Path) -> None:
    reference = write(tmp_path / "reference", a=boxes(), b=boxes())
    predicted = write(tmp_path / "predicted", a=boxes())
    assert evaluate_folders(reference, predicted, LABELS, case_ids=["a"]).n_cases == 1
    with pytest.raises(DatasetError, match="no reference segmentation for z"):
        evaluate_folders(reference, predicted, LABELS, case_ids=["z"])


def test_other_geometry_is_one_clear_line(tmp_path: Path) -> None:
    reference = write(tmp_path / "reference", a=boxes())
    (tmp_path / "predicted").mkdir()
    moved = Geometry(shape=GEOMETRY.shape, spacing=(4.0, 2.0, 0.7))
    write_segmentation(tmp_path / "predicted" / "a.nii.gz", boxes(), moved)
    with pytest.raises(DatasetError, match=r"a\.nii\.gz: does not lie on its reference.*spacing"):
        evaluate_folders(reference, tmp_path / "predicted", LABELS)


def test_undeclared_number_names_the_file(tmp_path: Path) -> None:
    reference, predicted = write(tmp_path / "r", a=boxes()), write(tmp_path / "p", a=boxes() * 100)
    with pytest.raises(DatasetError, match=r"p/a\.nii\.gz: holds 100, 200"):
        evaluate_folders(reference, predicted, LABELS)


def test_two_files_for_one_case_are_an_error(tmp_path: Path) -> None:
    reference = write(tmp_path / "reference", a=boxes())
    write_segmentation(reference / "a.nrrd", boxes(), GEOMETRY)
    with pytest.raises(DatasetError, match="two files for a"):
        evaluate_folders(reference, reference, LABELS)


def test_dataset_folder_is_pointed_to_its_references(tmp_path: Path) -> None:
    write(tmp_path / "labelsTr", a=boxes())
    with pytest.raises(DatasetError, match="labelsTr instead"):
        evaluate_folders(tmp_path, tmp_path, LABELS)
    with pytest.raises(DatasetError, match="no such file or folder"):
        evaluate_folders(tmp_path / "nowhere", tmp_path, LABELS)


def test_progress_is_told(tmp_path: Path) -> None:
    reference, told = write(tmp_path, a=boxes(), b=boxes()), []
    evaluate_folders(reference, reference, LABELS, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


def test_several_processes_score_as_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = {name: boxes(shift=shift) for shift, name in enumerate("abc")}
    reference, predicted = write(tmp_path / "r", **dict.fromkeys(cases, boxes())), write(tmp_path / "p", **cases)
    alone = evaluate_folders(reference, predicted, LABELS, n_jobs=1)
    monkeypatch.setattr(case_files, "VOXELS_PER_WORKER", 1)
    assert evaluate_folders(reference, predicted, LABELS, n_jobs=2) == alone


def test_worst_cases_are_named_with_their_direction() -> None:
    cases = [score(boxes(), boxes(shift=shift), name) for name, shift in (("a", 1), ("b", 3), ("c", 0), ("d", 3))]
    worst = make_report(cases, LABELS).worst["liver"]
    assert (worst["dice"].case_id, worst["dice"].direction) == ("b", "lowest")
    assert (worst["hd95"].case_id, worst["hd95"].direction) == ("b", "highest")
    assert worst["dice"].value == cases[1].labels["liver"].dice
    assert "reference_ml" not in worst


def test_a_missing_prediction_is_the_worst_case_and_counts_in_every_mean() -> None:
    report = make_report([score(boxes(), boxes(), "a"), score(boxes(), None, "b")], LABELS)
    diagonal = math.hypot(3 * 4.0, 5 * 2.0, 8 * 0.5)
    summary = report.summary["liver"]
    assert [summary[metric].mean for metric in ("dice", "nsd_2mm", "boundary_iou", "lesion_f1")] == [0.5] * 4
    assert summary["hd95"].mean == pytest.approx(diagonal / 2)
    assert {report.worst["liver"][metric].case_id for metric in ("dice", "hd95", "nsd_1mm")} == {"b"}


def test_the_volume_error_is_worst_on_either_side_of_zero() -> None:
    more = boxes()
    more[:, 1:4, :4] = 1
    cases = [score(boxes(), more, "a"), score(boxes(), boxes() * 0, "b")]
    worst = make_report(cases, LABELS).worst["liver"]["volume_error_ml"]
    assert (worst.case_id, worst.direction) == ("b", "farthest from 0")
    assert worst.value < 0


def test_a_summary_has_the_interval_of_its_mean() -> None:
    values = np.random.default_rng(1).random(12).tolist()
    summary = summarise([*values, math.nan])
    assert (summary.low, summary.high) == pytest.approx(bootstrap_interval(values))
    assert math.isnan(summarise([0.5]).low)


def test_a_report_says_with_which_options(tmp_path: Path) -> None:
    reference, options = write(tmp_path, a=boxes()), MetricOptions(tolerances=(3.0,), groups=("overlap", "surface"))
    report = evaluate_folders(reference, reference, LABELS, options=options)
    assert report.options == options
    assert "3 mm" in report.definition
    assert "Lesions" not in report.definition


@pytest.mark.parametrize(
    "options",
    [MetricOptions(tubular=("livr",)), MetricOptions(label_tolerances={"livr": (1.0,)})],
    ids=["tubular", "mm"],
)
def test_a_mistyped_label_is_named_with_its_neighbour(tmp_path: Path, options: MetricOptions) -> None:
    with pytest.raises(UsageError, match=r"livr is no label.*Did you mean liver\?"):
        evaluate_folders(write(tmp_path, a=boxes()), tmp_path, LABELS, options=options)


def test_probabilities_lie_beside_predictions_and_are_none(tmp_path: Path) -> None:
    """Of `a` they are there and certain; `b` is missing altogether, which is the worst that calibration can be."""
    reference, predicted = write(tmp_path / "r", a=boxes(), b=boxes()), write(tmp_path / "p", a=boxes())
    for label, name in enumerate(LABELS.names):
        write_volume(predicted / f"a_{name}.{PROBABILITY}", (boxes() == label).astype(np.float32), GEOMETRY)
    report = evaluate_folders(reference, predicted, LABELS, probabilities=predicted)
    assert report.without_reference == ()
    assert [case.labels["liver"].ece for case in report.cases] == [0, 1]
    assert "ECE is" in report.definition


def test_a_prediction_without_its_probabilities_is_an_error(tmp_path: Path) -> None:
    folder = write(tmp_path, a=boxes())
    with pytest.raises(DatasetError, match=r"a_liver\.probability\.nii\.gz: there is no such file"):
        evaluate_folders(folder, folder, LABELS, probabilities=folder)


def test_intervals_draw_within_folds_where_these_are_told() -> None:
    """What is the same within a fold is no sampling error; the undefined case takes its fold with it."""
    folds = {f"{number:02}": number % 3 for number in range(13)}
    dices = [0.5 + 0.1 * folds[f"{number:02}"] + 0.001 * number for number in range(12)]
    within, together = summarise(dices, folds), summarise(dices)
    strata = [number % 3 for number in range(12)]
    assert (within.low, within.high) == pytest.approx(bootstrap_interval(dices, strata=strata))
    assert within.high - within.low < 0.5 * (together.high - together.low)
    case = score(boxes(), boxes(), "a")
    assert "drawing cases anew within their folds (" in make_report([case], LABELS, fold_of={"a": 0}).definition
    assert "drawing cases anew (" in make_report([case], LABELS).definition
    with pytest.raises(UsageError, match="No fold is told for a"):
        make_report([case], LABELS, fold_of={})


def test_intervals_of_shares_end_where_shares_do() -> None:
    """Of two cases Student's interval reaches far beyond; so it may for the volume error alone."""
    report = make_report([score(boxes(), boxes(), "a"), score(boxes(), boxes(shift=1), "b")], LABELS)
    its = report.summary["liver"]
    assert (its["dice"].low, its["dice"].high) == (0, 1)
    assert its["hd95"].low == 0
    assert its["hd95"].high > 1
    its = make_report([score(boxes(), None, "a"), score(boxes(), boxes(), "b")], LABELS).summary["liver"]
    assert its["volume_error_ml"].low < its["volume_error_ml"].mean < 0 < its["volume_error_ml"].high
    assert its["predicted_ml"].low == 0


def test_millimetres_and_pixels_are_not_averaged(tmp_path: Path) -> None:
    flat = Geometry((1, 5, 8), (999.0, 1.0, 1.0), n_dimensions=2, has_spacing=False)
    reference = write(tmp_path, a=boxes())
    write_segmentation(tmp_path / "b.png", boxes()[1:2], flat)
    for options in (None, MetricOptions(groups=("overlap", "surface"))):
        with pytest.raises(DatasetError, match=r"1 of 2 cases have no spacing.*\(mm: a; px: b\)\. Evaluate both"):
            evaluate_folders(reference, reference, LABELS, options=options)
    assert evaluate_folders(reference, reference, LABELS, options=MetricOptions(groups=("overlap",))).mean_dice == 1
    picture = evaluate_case(boxes()[1:2], boxes()[1:2], labels=LABELS, geometry=flat, case_id="b")
    with pytest.raises(DatasetError, match="1 of 2 cases have no spacing"):
        make_report([score(boxes(), boxes(), "a"), picture], LABELS)


def test_where_no_volume_is_known_the_least_lesion_is_not_claimed(tmp_path: Path) -> None:
    flat = Geometry((1, 5, 8), (999.0, 1.0, 1.0), n_dimensions=2, has_spacing=False)
    write_segmentation(tmp_path / "b.png", boxes()[1:2], flat)
    report = evaluate_folders(tmp_path, tmp_path, LABELS, options=MetricOptions(min_lesion_volume_ml=5.0))
    assert report.cases[0].labels["liver"].lesion_f1 == 1
    assert "(volume unknown: all counted)" in report.definition
    assert "5 ml" not in report.definition


def test_a_spacing_that_is_no_length_names_the_file(tmp_path: Path) -> None:
    """A negative step in a NIfTI header, which SimpleITK passes on."""
    file = write(tmp_path, a=boxes()) / "b.nii"
    write_segmentation(file, boxes(), GEOMETRY)
    content = bytearray(file.read_bytes())
    struct.pack_into("<f", content, 76 + 4 * 3, -4.0)
    file.write_bytes(content)
    with pytest.raises(DatasetError, match=r"b\.nii: its spacing is \(-4\.0, 2\.0, 0\.5\) mm"):
        evaluate_folders(file, file, LABELS)


def test_partly_annotated_references_are_known_even_if_labels_are_given(tmp_path: Path) -> None:
    declared = {"labels": {"background": 0, "liver": 1, "tumour": 2}, "annotated_labels": {"a": ["liver"]}}
    (tmp_path / "dataset.json").write_text(json.dumps(declared))
    reference = write(tmp_path / "labelsTr", a=boxes(tumour=False))
    predicted = write(tmp_path / "predicted", a=boxes())
    for labels in (None, LABELS):
        report = evaluate_folders(reference, predicted, labels)
        assert (report.mean_dice, report.summary["tumour"]["dice"].n) == (1, 0)
