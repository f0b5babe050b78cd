"""Which models a folder of results stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoseg.errors import UsageError, WorkspaceError
from autoseg.importing.nnunet_folder import find_model_folders, find_previous_folder, open_model_folder

FINAL = "checkpoint_final.pth"


def make_folder(root: Path, name: str, *folds: str, checkpoint: str = FINAL) -> Path:
    for fold in folds:
        (root / name / f"fold_{fold}").mkdir(parents=True)
        (root / name / f"fold_{fold}" / checkpoint).touch()
    for file in ("plans.json", "dataset.json"):
        (root / name / file).touch()
    return root / name


def test_folds_come_in_order_and_all_last(tmp_path: Path) -> None:
    model = open_model_folder(make_folder(tmp_path, "T__P__2d", "all", "10", "2"), FINAL)
    assert list(model.checkpoints) == [2, 10, "all"]


def test_another_checkpoint_is_suggested(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, "T__P__2d", "0", checkpoint="checkpoint_best.pth")
    with pytest.raises(WorkspaceError, match=r"There is checkpoint_best.pth: choose it by --checkpoint"):
        open_model_folder(folder, FINAL)


def test_a_dataset_stands_for_all_trained_configurations(tmp_path: Path) -> None:
    make_folder(tmp_path, "T__P__2d", "0")
    make_folder(tmp_path, "T__P__3d_fullres", "0", checkpoint="checkpoint_latest.pth")
    make_folder(tmp_path, "T__P__3d_lowres", "0")
    found = find_model_folders(tmp_path, FINAL)
    assert [model.root.name for model in found] == ["T__P__2d", "T__P__3d_lowres"]


def test_several_families_need_a_choice(tmp_path: Path) -> None:
    make_folder(tmp_path, "T__P__2d", "0")
    make_folder(tmp_path, "T__ResEnc__2d", "0")
    with pytest.raises(WorkspaceError, match=r"T__P, T__ResEnc. Choose by --family"):
        find_model_folders(tmp_path, FINAL)
    with pytest.raises(UsageError, match="Did you mean T__ResEnc"):
        find_model_folders(tmp_path, FINAL, family="T__ResEnk")
    assert find_model_folders(tmp_path, FINAL, family="T__P")[0].root.name == "T__P__2d"
    assert find_model_folders(tmp_path, FINAL, preferred=["T__ResEnc"])[0].root.name == "T__ResEnc__2d"


def test_a_cascade_finds_the_model_beside(tmp_path: Path) -> None:
    model = open_model_folder(make_folder(tmp_path, "T__P__3d_cascade_fullres", "0"), FINAL)
    with pytest.raises(WorkspaceError, match=r"segmentations of 3d_lowres.* by --previous"):
        find_previous_folder(model, "3d_lowres", None)
    low = make_folder(tmp_path, "T__P__3d_lowres", "0")
    assert find_previous_folder(model, "3d_lowres", None) == low.resolve()
