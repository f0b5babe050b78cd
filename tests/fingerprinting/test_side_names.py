"""Are left and right told by their names, and by nothing that only looks like them?"""

from __future__ import annotations

import pytest

from autoseg.fingerprinting.side_names import match_names


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("kidney_left", "kidney_right"),
        ("Left Kidney", "Right Kidney"),
        ("lung-LEFT-upper", "lung-right-upper"),
        ("hippocampus_L", "hippocampus_R"),
        ("L", "R"),
        ("kidneyL", "kidneyR"),
        ("lh.thalamus", "rh.thalamus"),
        ("Lt kidney", "Rt kidney"),
        ("leftatrium", "rightatrium"),
        ("rib_left_7", "rib_right_7"),
        ("ren sinister", "ren dexter"),
        ("Niere links", "Niere rechts"),
        ("linker nier", "rechter nier"),
        ("rein gauche", "rein droit"),
        ("rene sinistro", "rene destro"),
        ("riñón izquierdo", "riñón derecho"),
    ],
)
def test_a_pair_is_found_whichever_comes_first(left: str, right: str) -> None:
    assert match_names(["liver", right, left]) == ((left, right),)


@pytest.mark.parametrize(
    "names",
    [
        ("LV", "RV"),
        ("L1", "R1"),
        ("lung", "rung"),
        ("kidney_left", "liver"),
        ("kidney_left", "lung_right"),
        ("rib_left_7", "rib_right_8"),
        ("Anterior", "Posterior"),
    ],
)
def test_what_only_looks_alike_is_no_pair(names: tuple[str, str]) -> None:
    assert match_names(names) == ()


def test_many_pairs_are_found_in_order() -> None:
    names = [f"{organ}_{side}" for side in ("right", "left") for organ in ("kidney", "lung", "femur")]
    assert match_names(names) == tuple((f"{x}_left", f"{x}_right") for x in ("kidney", "lung", "femur"))


def test_a_name_is_in_one_pair() -> None:
    assert match_names(["rein gauche", "rein droite", "rein droit"]) == (("rein gauche", "rein droite"),)
