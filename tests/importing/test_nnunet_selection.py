"""What nnU-Net's cross-validation decided is taken over where it is written as plain data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autoseg.data.labels import Labels
from autoseg.errors import WorkspaceError
from autoseg.importing.nnunet_selection import find_postprocessing, read_best

LABELS = Labels(names=("background", "liver", "tumour"), values=(0, 3, 7))
KEEP = "remove_all_but_largest_component_from_segmentation"


def write_postprocessing(root: Path, names: list[str], options: list[dict[str, Any]]) -> None:
    folder = root / "crossval_results_folds_0_1"
    folder.mkdir(parents=True)
    content = {"postprocessing_fns": names, "postprocessing_kwargs": options}
    (folder / "postprocessing.json").write_text(json.dumps(content), encoding="utf-8")


def test_steps_are_those_of_the_same_folds(tmp_path: Path) -> None:
    """[3, [3, 7]]: a label and a region, taken together; numbers of files become labels 1, 2, ..."""
    write_postprocessing(tmp_path, [KEEP, KEEP], [{"labels_or_regions": [3, [3, 7]]}, {"labels_or_regions": 7}])
    assert find_postprocessing([tmp_path], [0, 1], LABELS).steps == ((1, 2), (2,))
    assert find_postprocessing([tmp_path], [0], LABELS).steps == ()


def test_a_pickle_is_not_read_but_named(tmp_path: Path) -> None:
    (tmp_path / "postprocessing.pkl").write_bytes(b"cos\nsystem\n")
    found = find_postprocessing([tmp_path], [0], LABELS)
    assert found.steps == ()
    assert "postprocessing.pkl was not taken over: a pickle may run code" in found.note


@pytest.mark.parametrize(("name", "labels"), [("my_function", 3), (KEEP, 5)])
def test_what_is_not_known_is_left_and_told(tmp_path: Path, name: str, labels: int) -> None:
    write_postprocessing(tmp_path, [name], [{"labels_or_regions": labels}])
    found = find_postprocessing([tmp_path], [0, 1], LABELS)
    assert found.steps == ()
    assert "was not taken over" in found.note


def test_the_best_pair_is_named_by_its_folders(tmp_path: Path) -> None:
    one = {"configuration": "2d", "trainer": "T", "plans_identifier": "P"}
    chosen = {"selected_model_or_models": [one, {**one, "configuration": "3d_fullres"}]}
    best = {"best_model_or_ensemble": {**chosen, "result_on_crossval_pre_pp": 0.75}}
    (tmp_path / "inference_information.json").write_text(json.dumps(best), encoding="utf-8")
    found = read_best(tmp_path)
    assert found is not None
    assert (found.folders, found.families, found.dice) == (("T__P__2d", "T__P__3d_fullres"), ("T__P",), 0.75)


def test_a_wrong_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "inference_information.json").write_text("[]", encoding="utf-8")
    with pytest.raises(WorkspaceError, match=r"inference_information.json: is not as nnU-Net writes it"):
        read_best(tmp_path)


def test_notes_name_a_file_and_its_folder_alone(tmp_path: Path) -> None:
    """They travel with the model."""
    home = tmp_path / "My Data" / "Hans Mueller"
    write_postprocessing(home, [KEEP], [{"labels_or_regions": 3}])
    (home / "postprocessing.pkl").touch()
    for folds in ([0, 1], [0]):
        note = find_postprocessing([home], folds, LABELS).note
        assert str(home.parent) not in note
    assert (
        "as crossval_results_folds_0_1/postprocessing.json decided" in find_postprocessing([home], [0, 1], LABELS).note
    )
