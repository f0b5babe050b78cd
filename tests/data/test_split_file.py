"""Are splits read in the forms that people have, and is it known who made them?"""

from __future__ import annotations

from pathlib import Path

import pytest

from autoseg.data.split_file import Splits, read_splits
from autoseg.data.splits import make_splits
from autoseg.errors import WorkspaceError
from autoseg.serialization import to_plain, write_json


def write(folder: Path, content: object) -> Path:
    write_json(folder / "splits.json", content)
    return folder / "splits.json"


def test_splits_of_nnunet_are_read_as_made_by_hand(tmp_path: Path) -> None:
    path = write(tmp_path, [{"train": ["c", "a"], "val": ["b"]}, {"train": ["b", "a"], "val": ["c"]}])
    splits = read_splits(path)
    assert [(split.train, split.validation) for split in splits.folds] == [(("a", "c"), ("b",)), (("a", "b"), ("c",))]
    assert splits.is_made_by_hand
    assert splits.n_folds == 2


@pytest.mark.parametrize("n_folds", [2, 3, 10])
@pytest.mark.parametrize("key", ["validation", "val"])
def test_a_bare_list_that_autoseg_would_have_made_is_known_as_such(tmp_path: Path, n_folds: int, key: str) -> None:
    made = make_splits("abcdefghijk", n_folds)
    splits = read_splits(write(tmp_path, [{"train": one.train, key: one.validation} for one in made]))
    assert splits.folds == made
    assert not splits.is_made_by_hand


def test_an_edited_file_of_autoseg_is_made_by_hand(tmp_path: Path) -> None:
    made = Splits(n_folds=2, reason="for a test", folds=make_splits("abcd", 2))
    content = to_plain(made.model_copy(update={"made": made.digest}))
    assert not read_splits(write(tmp_path, content)).is_made_by_hand
    content["folds"][0]["train"].reverse()
    content["folds"].reverse()
    assert read_splits(write(tmp_path, content)).is_made_by_hand


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ([], "has no fold. Give at least one"),
        ("folds", "holds no splits. Expected a list of folds"),
        ([{"train": ["a"], "test": ["b"]}], "fold 0: test is not a known key"),
        ([{"train": ["a"], "val": ["b"]}, {"train": "a"}], r"fold 1: train: .*but it is 'a'"),
    ],
)
def test_what_holds_no_splits_is_one_clear_line(tmp_path: Path, content: object, line: str) -> None:
    with pytest.raises(WorkspaceError, match=line):
        read_splits(write(tmp_path, content))
