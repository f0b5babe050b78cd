"""What a person set by hand stays, and the rest follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoseg.errors import PlanError, UsageError
from autoseg.pipeline.project import Project, open_project
from autoseg.pipeline.replanning import Edits, choose_pins, replan
from autoseg.pipeline.reporting import Reporter
from autoseg.planning.devices import DeviceFacts, assume_gpu
from autoseg.planning.editing import Assignment, edit_plan
from autoseg.planning.plan_file import read_plan, write_plan
from autoseg.planning.wishes import Wishes
from autoseg.serialization import write_json

TEN_MINUTES = Wishes(train_time_s=600)


class Listener(Reporter):
    """Remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, sentence: str) -> None:
        self.said.append(sentence)

    def warn(self, sentence: str) -> None:
        self.said.append(f"warning: {sentence}")


@pytest.fixture
def project(phantom: Path, tmp_path: Path) -> Project:
    write_json(tmp_path / "device.json", DeviceFacts(device="cpu", memory_gb=8.0, n_threads=2, gflops=60.0))
    return open_project(phantom, workspace=tmp_path, reporter=Listener())


def said(project: Project) -> str:
    assert isinstance(project.reporter, Listener)
    return "\n".join(project.reporter.said)


def test_without_edits_the_plan_is_the_rules(project: Project) -> None:
    plan = replan(project, TEN_MINUTES, Edits())
    assert plan.pinned == ()
    assert read_plan(project.workspace.plan) == plan


def test_an_edited_file_keeps_its_wishes_and_its_pins(project: Project, tmp_path: Path) -> None:
    edited = edit_plan(replan(project, TEN_MINUTES, Edits()), ["3d_fullres.batch_size=1"])
    write_plan(tmp_path / "edited.yaml", edited)
    plan = replan(project, Wishes(), Edits(start=tmp_path / "edited.yaml"))
    assert plan.pinned == ("3d_fullres.batch_size",)
    assert plan.wishes == TEN_MINUTES
    assert "3d_fullres.batch_size = 1 (set by hand; the rule says" in said(project)
    assert replan(project, Wishes(train_time_s=60), Edits(start=tmp_path / "edited.yaml")).wishes.train_time_s == 60


def test_what_rests_on_a_pin_is_derived_from_it_and_told(project: Project) -> None:
    before = replan(project, TEN_MINUTES, Edits()).configurations["3d_fullres"]
    coarse = [2 * mm for mm in before.spacing_mm.value]
    plan = replan(project, Wishes(), Edits(assignments=(f"3d_fullres.spacing_mm={coarse}",)))
    assert plan.configurations["3d_fullres"].median_shape.value != before.median_shape.value
    assert "  3d_fullres.median_shape: " in said(project).partition("Changed with it:")[2]


def test_assignments_go_on_top_of_earlier_ones_and_a_fresh_start_forgets_them(project: Project) -> None:
    replan(project, TEN_MINUTES, Edits(assignments=("n_folds=3",)))
    assert replan(project, Wishes(), Edits(assignments=("2d.batch_size=3",))).pinned == ("n_folds", "2d.batch_size")
    assert replan(project, Wishes(), Edits()).pinned == ("n_folds", "2d.batch_size")
    assert replan(project, Wishes(), Edits(fresh=True)).pinned == ()


def test_a_wish_of_now_goes_before_an_earlier_hand_and_set_before_both(project: Project) -> None:
    base = edit_plan(replan(project, TEN_MINUTES, Edits()), ["budget.memory_gb=2.5", "n_folds=3"])
    now = Wishes(gpu_memory_gb=6)
    assert set(choose_pins(base, Wishes()).values) == {"budget.memory_gb", "n_folds"}
    assert set(choose_pins(base, now).values) == {"n_folds"}
    assert set(choose_pins(base, now, [Assignment("budget.memory_gb", 2.5)]).values) == {"budget.memory_gb", "n_folds"}


@pytest.mark.parametrize("key", ["3d_fullres.network", "configurations.3d_fullres.network"])
def test_what_is_set_goes_before_a_wish_however_its_key_is_written(project: Project, key: str) -> None:
    plan = replan(project, Wishes(network="residual"), Edits(assignments=(f"{key}=unet",)))
    assert [one.network.value for one in plan.configurations.values()][:2] == ["residual_unet", "unet"]
    assert plan.pinned == ("3d_fullres.network",)


def test_a_wish_for_what_the_rules_say_lifts_an_earlier_pin(project: Project) -> None:
    pinned = replan(project, TEN_MINUTES, Edits(assignments=("2d.network=residual_unet",)))
    assert pinned.pinned == ("2d.network",)
    assert replan(project, Wishes(train_time_s=600), Edits()).pinned == ("2d.network",)
    assert replan(project, Wishes(network="auto"), Edits()).pinned == ()


def test_a_plan_that_cannot_be_read_stops_planning_unless_it_is_to_be_forgotten(project: Project) -> None:
    project.workspace.plan.write_text("autoseg_plan: [")
    with pytest.raises(PlanError, match=r"plan.yaml:\d+: is not valid YAML(.|\n)*or plan without it by --fresh"):
        replan(project, TEN_MINUTES, Edits())
    assert project.workspace.plan.read_text() == "autoseg_plan: ["
    replan(project, TEN_MINUTES, Edits(fresh=True))
    assert project.workspace.plan.with_suffix(".old1.yaml").read_text() == "autoseg_plan: ["


def test_what_was_asked_for_stays_asked_for_until_it_is_to_be_forgotten(project: Project) -> None:
    replan(project, TEN_MINUTES, Edits())
    assert replan(project, Wishes(), Edits()).budget.train_time_s.value == 600
    assert replan(project, Wishes(), Edits(fresh=True)).budget.train_time_s.value == 3600


def test_an_edit_that_cannot_be_fulfilled_writes_nothing(project: Project) -> None:
    replan(project, TEN_MINUTES, Edits())
    before = project.workspace.plan.read_text()
    for assignment, error in (("2d.patch_size=[8]", UsageError), ("2d.patch_size=[33,31]", PlanError)):
        with pytest.raises(error, match=r"2d\.patch_size"):
            replan(project, Wishes(), Edits(assignments=(assignment,)))
    assert project.workspace.plan.read_text() == before


def test_a_gpu_need_not_be_in_this_machine(project: Project) -> None:
    plan = replan(project, Wishes(gpu_memory_gb=24), Edits(), facts=assume_gpu(24))
    assert (plan.budget.device.value, plan.budget.memory_gb.value) == ("cuda", 24)
