"""Which names an archive's members may have."""

from __future__ import annotations

import stat
from zipfile import ZipInfo

import pytest

from autoseg.sharing.names import CARD, find_bad_name, name_weights


def entry(name: str, attributes: int = 0) -> ZipInfo:
    made = ZipInfo("x")
    made.filename = made.orig_filename = name
    made.external_attr = attributes << 16
    return made


def test_names_of_a_workspace_are_right() -> None:
    names = [CARD, "plan.yaml", name_weights("3d_fullres", "12"), name_weights("2d", "all")]
    assert find_bad_name([entry(name, stat.S_IFREG | 0o644) for name in names]) is None


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("/etc/plan.yaml", "an absolute name"),
        ("../plan.yaml", "points outside"),
        ("trained/../../plan.yaml", "points outside"),
        ("C:plan.yaml", "names a drive"),
        ("trained\\2d\\fold_0\\checkpoint.safetensors", "a backslash"),
        ("plan.yaml\0.txt", "a control character"),
        ("trained/CON/fold_0/checkpoint.safetensors", "names a device"),
        ("aux.yaml", "names a device"),
        ("resume.pkl", "nothing that a model consists of"),
        ("trained/", "nothing that a model consists of"),
        ("trained/2d/fold_0/checkpoint.safetensors\n", "a control character"),
        ("trained/2d/fold_x/checkpoint.safetensors", "nothing that a model consists of"),
    ],
)
def test_what_a_name_could_do_is_said(name: str, problem: str) -> None:
    assert problem in str(find_bad_name([entry(name)]))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFDIR])
def test_only_plain_files_are_members(kind: int) -> None:
    assert "is a link or another special file" in str(find_bad_name([entry("plan.yaml", kind | 0o777)]))


def test_no_name_is_there_twice_not_even_in_other_letters() -> None:
    one, other = "trained/Mine/fold_0/checkpoint.safetensors", "trained/mine/fold_0/checkpoint.safetensors"
    assert "is there twice" in str(find_bad_name([entry(one), entry(other)]))
