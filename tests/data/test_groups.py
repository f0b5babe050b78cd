"""Are groups read as people write them, and is every gap in them one clear line?"""

from __future__ import annotations

from pathlib import Path

import pytest

from autoseg.data.dataset import Case, Dataset
from autoseg.data.groups import find_groups, match_groups, read_groups
from autoseg.data.labels import Labels
from autoseg.errors import DatasetError, UsageError

IDS = ("anna_1", "anna_2", "bert_1")


def write(folder: Path, text: str) -> Path:
    (folder / "groups.csv").write_text(text, encoding="utf-8")
    return folder / "groups.csv"


def make_dataset(folder: Path) -> Dataset:
    cases = tuple(Case(id=case_id, images=()) for case_id in IDS)
    labels = Labels(names=("background", "organ"), values=(0, 1))
    tests = (Case(id="carl_1", images=()),)
    return Dataset(
        name="x", folder=folder, layout="plain", channels=("MRI",), labels=labels, cases=cases, test_cases=tests
    )


@pytest.mark.parametrize(
    "text",
    [
        "case_id,group\nanna_1,A\nanna_2,A\nbert_1,B\n",
        "\ufeffgroup;case_id\nA;anna_1\nA;anna_2\n\nB;bert_1\n",
        'Case_ID\tage\tGroup\nanna_1\t7\tA\n"anna_2"\t8\t A\nbert_1\t9\tB',
    ],
)
def test_tables_of_any_spreadsheet_are_read(tmp_path: Path, text: str) -> None:
    grouping = read_groups(write(tmp_path, text), IDS)
    assert grouping.group_of == {"anna_1": "A", "anna_2": "A", "bert_1": "B"}
    assert (grouping.n_groups, grouping.source) == (2, "groups.csv")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("anna_1,A\n", "the first line must name the columns case_id and group, but case_id, group is missing"),
        ("", "but case_id, group is missing"),
        ("case_id,group\nana_1,A\n", r"line 2: there is no case ana_1. Did you mean anna_1\?"),
        ("case_id,group\nanna_1,A\nanna_1,B\n", "line 3: anna_1 is in group B, but in A above"),
        ("case_id,group\nanna_1,A\nbert_1,\n", "line 3: needs a case id and a group"),
        ("case_id,group\nanna_1,A\n", "says nothing of anna_2, bert_1. Give every case a group"),
    ],
)
def test_a_wrong_table_is_one_clear_line(tmp_path: Path, text: str, line: str) -> None:
    with pytest.raises(DatasetError, match=line):
        read_groups(write(tmp_path, text), IDS)


def test_a_pattern_names_the_group_within_the_case_id() -> None:
    grouping = match_groups(r"([a-z]+)_\d", IDS)
    assert grouping.group_of == {"anna_1": "anna", "anna_2": "anna", "bert_1": "bert"}
    assert grouping.pattern == r"([a-z]+)_\d"


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        ("([a-z", "is no regular expression"),
        (r"[a-z]+_\d", "has no group. Put the patient into brackets"),
        ("(anna)_", "finds no group in bert_1. It must fit every case"),
    ],
)
def test_a_wrong_pattern_is_one_clear_line(pattern: str, line: str) -> None:
    with pytest.raises(UsageError, match=line):
        match_groups(pattern, IDS)


def test_a_table_in_the_dataset_goes_before_a_pattern_and_may_name_test_cases(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path)
    assert find_groups(dataset) is None
    assert find_groups(dataset, "(.)") == match_groups("(.)", IDS)
    write(tmp_path, "case_id,group\nanna_1,A\nanna_2,A\nbert_1,B\ncarl_1,B\n")
    grouping = find_groups(dataset)
    assert grouping is not None
    assert set(grouping.group_of) == set(IDS)
    with pytest.raises(UsageError, match="names the groups already"):
        find_groups(dataset, "(.)")


def test_groups_are_the_same_whatever_they_are_called(tmp_path: Path) -> None:
    table = write(tmp_path, "case_id,group\nbert_1,1\nanna_2,2\nanna_1,2\n")
    by_name, by_letter = read_groups(table, IDS), match_groups("(.)", IDS)
    assert by_name.digest == by_letter.digest != match_groups("(.*)", IDS).digest
