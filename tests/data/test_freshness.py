"""A dataset's state is named by its files; what autoseg writes itself does not count."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoseg.data.freshness import digest_listing
from autoseg.errors import DatasetError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.nii.gz").write_bytes(b"one")
    return tmp_path


def test_a_changed_added_or_removed_file_is_noticed(folder: Path) -> None:
    workspace = folder / "workspace"
    states = [digest_listing(folder, leave_out=workspace)]
    (folder / "images" / "a.nii.gz").write_bytes(b"other")
    states.append(digest_listing(folder, leave_out=workspace))
    (folder / "images" / "b.nii.gz").write_bytes(b"two")
    states.append(digest_listing(folder, leave_out=workspace))
    assert len(set(states)) == 3


def test_a_workspace_inside_the_dataset_and_hidden_files_do_not_count(folder: Path) -> None:
    before = digest_listing(folder, leave_out=folder / "workspace")
    (folder / "workspace").mkdir()
    (folder / "workspace" / "plan.yaml").write_text("x")
    (folder / ".DS_Store").write_text("x")
    assert digest_listing(folder, leave_out=folder / "workspace") == before


def test_a_linked_folder_counts_once_and_may_lead_back(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "b.nii.gz").write_bytes(b"two")
    (folder / "imagesTs").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(folder)
    before = digest_listing(folder, leave_out=folder / "workspace")
    (elsewhere / "b.nii.gz").write_bytes(b"other")
    assert digest_listing(folder, leave_out=folder / "workspace") != before


def test_a_link_that_leads_nowhere_does_not_count(folder: Path) -> None:
    before = digest_listing(folder, leave_out=folder / "workspace")
    (folder / "images" / "gone.nii.gz").symlink_to(folder / "nowhere.nii.gz")
    assert digest_listing(folder, leave_out=folder / "workspace") == before


def test_a_folder_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is no such folder"):
        digest_listing(tmp_path / "nowhere", leave_out=tmp_path)
