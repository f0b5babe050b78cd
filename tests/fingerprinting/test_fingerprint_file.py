"""Is a fingerprint read as people write it, and is every mistake of theirs one line?"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from autoseg.data.labels import Labels
from autoseg.data.layouts import read_dataset
from autoseg.data.phantom import write_phantom_dataset
from autoseg.errors import AutosegError
from autoseg.fingerprinting.fingerprint import FORMAT, CaseFacts, Fingerprint, Intensities
from autoseg.fingerprinting.fingerprint_file import MAX_PROBLEMS, read_fingerprint
from autoseg.fingerprinting.measuring import QUANTILE_LEVELS, measure_fingerprint
from autoseg.serialization import read_json, write_json

DOCUMENT = Path(__file__).resolve().parents[2] / "plans" / "FINGERPRINT.md"
CASE = {"spacing_mm": [3.0, 0.8, 1.2], "shape_after_cropping": [40, 200, 180]}
STATISTICS = dict.fromkeys(Intensities.model_fields, 1.0)
LEAST = {"channels": ["CT"], "labels": {"background": 0, "tumour": 7}, "cases": [CASE]}


def read(folder: Path, content: Any) -> Fingerprint:
    (folder / "hand.json").write_text(json.dumps(content), encoding="utf-8")
    return read_fingerprint(folder / "hand.json")


def problems_of(folder: Path, content: Any) -> list[str]:
    with pytest.raises(AutosegError) as problem:
        read(folder, content)
    return str(problem.value).removeprefix(str(folder / "hand.json: ")).split("\n" + str(folder / "hand.json: "))


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    write_phantom_dataset(tmp_path / "data", n_cases=4, n_test=0)
    measured = measure_fingerprint(read_dataset(tmp_path / "data"))
    write_json(tmp_path / "fingerprint.json", measured)
    assert read_fingerprint(tmp_path / "fingerprint.json") == measured


def test_the_least_that_a_person_writes_is_enough(tmp_path: Path) -> None:
    fingerprint = read(tmp_path, LEAST)
    assert (fingerprint.dataset, fingerprint.autoseg_fingerprint) == ("hand", FORMAT)
    assert fingerprint.labels == Labels(names=("background", "tumour"), values=(0, 7))
    assert fingerprint.cases == (CaseFacts(id="case_001", **CASE),)
    assert (fingerprint.side_pairs, fingerprint.warnings, fingerprint.median_share_after_cropping) == ((), (), 1.0)


def test_labels_are_a_list_a_mapping_or_the_whole_record(tmp_path: Path) -> None:
    labels = [["background", "a"], {"background": 0, "a": 1}, {"names": ["background", "a"], "values": [0, 1]}]
    assert len({read(tmp_path, {**LEAST, "labels": one}).digest for one in labels}) == 1
    assert read(tmp_path, {**LEAST, "labels": {"background": 0, "a": 1, "ignore": 2}}).labels.ignore_value == 2


def test_a_repeated_case_stands_for_as_many(tmp_path: Path) -> None:
    cases = [{**CASE, "repeat": 2}, {**CASE, "id": "ct", "repeat": 2}, CASE, {**CASE, "id": "single"}]
    fingerprint = read(tmp_path, {**LEAST, "cases": cases})
    ids = [facts.id for facts in fingerprint.cases]
    assert ids == ["case_001", "case_002", "ct_001", "ct_002", "case_003", "single"]
    assert set(map(tuple, fingerprint.spacings_mm)) == {(3.0, 0.8, 1.2)}


def test_what_follows_from_the_facts_is_found_unless_it_is_stated(tmp_path: Path) -> None:
    odd = {"spacing_mm": [30, 0.8, 1.2], "shape_after_cropping": [4, 200, 180], "shape": [8, 200, 180]}
    content = {**LEAST, "labels": ["background", "lung_l", "lung_r"], "cases": [odd, {**CASE, "repeat": 6}]}
    found = read(tmp_path, content)
    assert [(pair.left, pair.axis, pair.by) for pair in found.side_pairs] == [("lung_l", 2, "name")]
    assert [oddity.kind for oddity in found.warnings] == ["spacing"]
    stated = read(tmp_path, {**content, "side_pairs": [], "warnings": ["looked at by hand"]})
    assert (stated.side_pairs, stated.warnings[0].message) == ((), "looked at by hand")
    assert read(tmp_path, {**LEAST, "cases": [odd]}).median_share_after_cropping == 0.5


def test_a_file_of_format_1_is_read_and_judged_anew(tmp_path: Path) -> None:
    old = {**LEAST, "autoseg_fingerprint": 1, "labels": ["background", "x_l", "x_r"], "warnings": ["a: is odd."]}
    fingerprint = read(tmp_path, old)
    assert (fingerprint.autoseg_fingerprint, fingerprint.warnings, len(fingerprint.side_pairs)) == (FORMAT, (), 1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"channel_names": {"0": "CT"}}, "channel_names is not a known key. Did you mean channels?"),
        ({"cases": [{**CASE, "spacing": [1, 1, 1]}]}, "cases.0.spacing is not a known key. Did you mean spacing_mm?"),
        ({"cases": [{**CASE, "repeats": 2}]}, "cases.0.repeats is not a known key. Did you mean repeat?"),
        ({"cases": [{"spacing_mm": [1, 1, 1]}]}, "cases.0.shape_after_cropping is missing."),
        ({"cases": [CASE, {**CASE, "spacing_mm": [0.8, 1.2]}]}, "cases.1.spacing_mm: expected three lengths above 0"),
        ({"cases": [{**CASE, "spacing_mm": [0, 1, 1]}]}, "cases.0.spacing_mm: expected three lengths above 0 in mm"),
        (
            {"cases": [{**CASE, "shape_after_cropping": [64, 64]}]},
            "cases.0.shape_after_cropping: expected three numbers",
        ),
        ({"cases": [{**CASE, "repeat": 0}]}, "cases.0.repeat: Input should be greater than or equal to 1"),
        ({"cases": [{**CASE, "repeat": 10**9}]}, "cases.0.repeat: Input should be less than or equal to 100000"),
        ({"cases": [{**CASE, "spacing_mm": [1e-300, 1, 1]}]}, "from a nanometre to ten metres"),
        ({"cases": [{**CASE, "spacing_mm": [1, float("inf"), 1]}]}, "cases.0.spacing_mm: expected three lengths"),
        ({"cases": [{**CASE, "shape_after_cropping": [1e30, 9, 9]}]}, "from 1 to a million"),
        ({"cases": [{**CASE, "channel_ranges": [[0, float("nan")]]}]}, "channel_ranges.0.1: Input should be a finite"),
        (
            {"cases": [{**CASE, "label_voxels": [0], "label_centres": [[1, 2, 3]]}]},
            "cases.0.label_centres[0] is (1.0, 2.0, 3.0), but label_voxels[0] is 0. Write null for it.",
        ),
        ({"median_share_after_cropping": float("nan")}, "median_share_after_cropping: Input should be"),
        ({"intensities": [{**STATISTICS, "std": float("nan")}]}, "intensities.0.std: Input should be a finite number"),
        ({"cases": []}, "cases is empty"),
        ({"cases": [{**CASE, "shape": [9, 9, 9]}]}, "cases.0.shape_after_cropping is (40, 200, 180), larger than"),
        ({"cases": [{**CASE, "id": "a"}, {**CASE, "id": "a"}]}, "cases: 2 cases are called a."),
        ({"cases": [{**CASE, "label_voxels": [1, 2]}]}, "cases.0.label_voxels has 2 entries, but there are 1 labels"),
        ({"cases": [{**CASE, "channel_ranges": [[0, 1], [0, 1]]}]}, "cases.0.channel_ranges has 2 entries"),
        (
            {"cases": [{**CASE, "foreground": [{"mean": 1, "std": 1, "quantiles": [0, 1]}]}]},
            f"cases.0.foreground has 2 quantiles, expected {len(QUANTILE_LEVELS)}",
        ),
        ({"channels": []}, "channels is empty."),
        ({"labels": None}, "declares no labels."),
        ({"labels": {"tumour": 1}}, 'labels need "background": 0'),
        ({"labels": {"names": ["background", "a"], "values": [0]}}, "labels has the names"),
        ({"intensities": [None, None]}, "intensities has 2 entries, but there are 1 channels"),
        (
            {"side_pairs": [{"left": "tumor", "right": "tumour", "axis": 2, "by": "name"}]},
            "there is no label tumor. Did you mean tumour?",
        ),
        (
            {"side_pairs": [{"left": "a", "right": "b", "axis": 3, "by": "name"}]},
            "side_pairs.0.axis: Input should be less",
        ),
        ({"autoseg_fingerprint": FORMAT + 1}, f"this version of autoseg reads formats up to {FORMAT}"),
    ],
)
def test_a_mistake_is_one_line_that_says_where(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    (problem, *others) = problems_of(tmp_path, {**LEAST, **changes})
    assert words in problem
    assert others == [] or "side_pairs" in words


def test_all_problems_come_at_once_but_no_more_than_one_reads(tmp_path: Path) -> None:
    wrong = {"channels": "CT", "labels": ["tumour"], "cases": [{"spacing_mm": [1, 1, 1]}] * 100}
    problems = problems_of(tmp_path, wrong)
    assert len(problems) == MAX_PROBLEMS + 1
    assert problems[0].startswith("declares no label but the background")
    assert problems[1].startswith("channels: ")
    assert problems[-1] == f"and {102 - MAX_PROBLEMS} more problems."


def test_what_is_no_fingerprint_at_all_is_told(tmp_path: Path) -> None:
    assert "a fingerprint is an object like" in problems_of(tmp_path, [1, 2])[0]


def examples() -> list[dict[str, Any]]:
    return [json.loads(text) for text in re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.S)]


def test_the_examples_of_the_document_are_read(tmp_path: Path) -> None:
    volume, picture = (read(tmp_path, example) for example in examples())
    assert (volume.dataset, volume.n_cases, volume.labels.ignore_value) == ("Abdomen", 40, 3)
    assert [(pair.left, pair.axis) for pair in volume.side_pairs] == [("kidney_left", 2)]
    assert picture.n_cases == 90
    assert picture.shapes_after_cropping[0].tolist() == [1, 256, 320]


def test_the_document_names_every_key() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    top = [name for name in Fingerprint.model_fields if f"`{name}`" not in text]
    inside = [name for name in CaseFacts.model_fields if f"`cases[].{name}`" not in text]
    assert top + inside == []
    assert f"{len(QUANTILE_LEVELS)} `quantiles`" in text
    assert f"version of this format: {FORMAT}" in text


def test_an_unreadable_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "half.json").write_text('{"channels": ["CT"', encoding="utf-8")
    with pytest.raises(AutosegError, match="line 1, column 19 is not valid JSON"):
        read_fingerprint(tmp_path / "half.json")
    with pytest.raises(AutosegError, match="there is no such file"):
        read_json(tmp_path / "none.json")


def test_channels_may_be_written_as_nnunet_does(tmp_path: Path) -> None:
    assert read(tmp_path, LEAST | {"channels": {"0": "CT", "1": "PET"}}).channels == ("CT", "PET")


@pytest.mark.parametrize("wrong", [{"std": -5.0}, {"percentile_00_5": 500.0}])
def test_statistics_that_cannot_be_are_told(tmp_path: Path, wrong: dict[str, float]) -> None:
    (problem,) = problems_of(tmp_path, LEAST | {"intensities": [STATISTICS | wrong]})
    assert problem.startswith("intensities.0 has a deviation of")


def test_regions_are_written_as_in_a_dataset_file(tmp_path: Path) -> None:
    regions = {"labels": {"background": 0, "whole": [1, 2], "core": 2}, "regions_class_order": [1, 2]}
    found = read(tmp_path, LEAST | regions)
    assert found.labels.targets == (("whole", (1, 2)), ("core", (2,)))
    write_json(tmp_path / "again.json", found)
    assert read_fingerprint(tmp_path / "again.json") == found
    (problem,) = problems_of(tmp_path, LEAST | {"labels": regions["labels"]})
    assert "nothing says how they are painted" in problem


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ({"name": "a", "labels": [1, 3], "paints": 1}, "region a consists of the labels [1, 3]"),
        ({"name": "a", "labels": [], "paints": 1}, "must have at least one"),
        ({"name": "a", "labels": [1], "paints": 2}, "region a paints label 2"),
        ({"name": "b", "labels": [1], "paints": 1}, "two regions are called b"),
    ],
)
def test_regions_that_cannot_be_are_told(tmp_path: Path, region: dict[str, Any], words: str) -> None:
    other = {"name": "b", "labels": [1, 2], "paints": 2}
    labels = {"names": ["background", "one", "two"], "values": [0, 1, 2], "regions": [region, other]}
    assert any(words in problem for problem in problems_of(tmp_path, LEAST | {"labels": labels}))


def test_a_case_annotates_what_there_is(tmp_path: Path) -> None:
    case = {**CASE, "annotated": ["tumor"]}
    (problem,) = problems_of(tmp_path, LEAST | {"labels": {"background": 0, "tumour": 1}, "cases": [case]})
    assert problem == "cases.0.annotated: there is no label tumor. Did you mean tumour?"
