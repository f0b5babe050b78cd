"""An imported plan holds together, is read back as it was, and keeps what the weights obey."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoseg.planning.advising import find_advice
from autoseg.planning.plan_file import read_plan, write_plan
from tests.importing.conftest import make_plans, make_settings, plan_folder, write_folder


def test_a_plan_is_read_back_as_it_was(cascade_folders: tuple[Path, Path], tmp_path: Path) -> None:
    plan, _ = plan_folder(cascade_folders[1], "3d_cascade_fullres")
    write_plan(tmp_path / "plan.yaml", plan)
    assert read_plan(tmp_path / "plan.yaml") == plan
    assert [one for one in find_advice(plan) if "forecast" in one.sentence] == []


def test_what_weights_obey_is_pinned(tmp_path: Path) -> None:
    plan, _ = plan_folder(write_folder(tmp_path, make_plans({"2d": make_settings(2)}), "2d", folds=()), "2d")
    assert {"axis_order", "normalization.CT.scheme", "2d.spacing_mm", "2d.topology", "2d.mirroring_axes"} <= set(
        plan.pinned
    )
    assert plan.configurations["2d"].median_shape.value == (30.5, 40)
    assert plan.budget.memory_gb.value == 24, "the planner of the large residual network plans for 24 GB"


def test_a_cascade_sees_segmentations_of_the_original_grid(cascade_folders: tuple[Path, Path]) -> None:
    plan, name = plan_folder(cascade_folders[1], "3d_cascade_fullres")
    cascade = plan.configurations[name].cascade
    assert cascade is not None
    assert (name, cascade.previous.value, cascade.through.value) == ("3d_cascade", "3d_lowres", "original_grid")


@pytest.mark.parametrize(
    ("name", "settings", "ours"),
    [
        ("2d_big", make_settings(2), "2d"),
        ("3d_fullres_bs40", make_settings(), "3d_fullres"),
        ("3d_lowres", make_settings(), "3d_lowres"),
    ],
)
def test_names_that_people_gave_become_ours(tmp_path: Path, name: str, settings: dict[str, object], ours: str) -> None:
    folder = write_folder(tmp_path, make_plans({name: settings}), name, folds=())
    assert plan_folder(folder, name)[1] == ours
