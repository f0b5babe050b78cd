from __future__ import annotations

import pytest

from autoseg.errors import UsageError
from autoseg.planning.editing import assign, check_pinned, edit_plan, list_pinned, parse_assignment
from autoseg.planning.plan import Plan


def test_an_assignment_is_a_key_and_a_value_of_yaml() -> None:
    assert parse_assignment("3d_fullres.patch_size=[32, 48,48]") == ("3d_fullres.patch_size", [32, 48, 48])
    assert parse_assignment("configurations.2d.batch_size = 4") == ("2d.batch_size", 4)
    assert parse_assignment("budget.train_time_s=null") == ("budget.train_time_s", None)


@pytest.mark.parametrize("text", ["batch_size", "=4", "2d.batch_size=", "2d.batch_size= "])
def test_what_is_no_assignment_is_told_how_to_write_one(text: str) -> None:
    with pytest.raises(UsageError, match=r"expected KEY=VALUE, for example 3d_fullres"):
        parse_assignment(text)


def test_a_value_is_set_by_hand_and_nothing_else_changes(cpu_plan: Plan) -> None:
    edited = edit_plan(cpu_plan, ["3d_fullres.patch_size=[32,48,48]", "n_folds=3"])
    assert edited.pinned == ("n_folds", "3d_fullres.patch_size")
    assert edited.configurations["3d_fullres"].patch_size.value == (32, 48, 48)
    assert edited.configurations["2d"] == cpu_plan.configurations["2d"]


def test_a_deeper_key_sets_the_whole_decision_with_that_part_changed(cpu_plan: Plan) -> None:
    before = cpu_plan.configurations["2d"].optimizer.value
    edited = edit_plan(cpu_plan, ["2d.optimizer.learning_rate=0.005"]).configurations["2d"].optimizer
    assert edited.value == before.model_copy(update={"learning_rate": 0.005})
    assert edited.reason == "set by hand"


def test_one_assignment_goes_on_top_of_another(cpu_plan: Plan) -> None:
    texts = ["2d.batch_size=3", "configurations.2d.batch_size=5"]
    one_by_one = assign(assign(cpu_plan, parse_assignment(texts[0])), parse_assignment(texts[1]))
    assert one_by_one == edit_plan(cpu_plan, texts)
    assert one_by_one.configurations["2d"].batch_size.value == 5


def test_one_number_of_a_list_is_set_by_its_index(cpu_plan: Plan) -> None:
    before = cpu_plan.configurations["3d_fullres"].patch_size.value
    edited = edit_plan(cpu_plan, ["3d_fullres.patch_size[1]=48"]).configurations["3d_fullres"].patch_size
    assert edited.value == (before[0], 48, before[2])


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("loss.terms.focal=0.5", {"cross_entropy": 1.0, "soft_dice": 1.0, "focal": 0.5}),
        ("loss.terms.my.parts:Mine=2", {"cross_entropy": 1.0, "soft_dice": 1.0, "my.parts:Mine": 2.0}),
        ("loss.terms={focal: 1}", {"focal": 1.0}),
        ("loss.parameters.focal.gamma=3", {"focal": {"gamma": 3}}),
        ("loss.parameters.my.parts:Mine.depth=[1, 2]", {"my.parts:Mine": {"depth": [1, 2]}}),
        ("optimizer.parameters.betas=[0.9, 0.99]", {"betas": [0.9, 0.99]}),
    ],
)
def test_dictionaries_are_open_to_new_names(cpu_plan: Plan, assignment: str, expected: object) -> None:
    room, field = assignment.split("=")[0].split(".")[:2]
    edited = edit_plan(cpu_plan, [f"2d.{assignment}"]).configurations["2d"]
    assert getattr(getattr(edited, room).value, field) == expected


def test_one_number_of_a_patch_schedule_is_set_inside_of_it(cpu_plan: Plan) -> None:
    steps = "2d.patch_schedule=[{until_share: 0.4, patch_size: [32, 32], batch_size: 4}]"
    edited = edit_plan(cpu_plan, [steps, "2d.patch_schedule[0].patch_size[1]=48"]).configurations["2d"]
    assert edited.patch_schedule.value[0].patch_size == (32, 48)


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("2d.early_stopping.patience=3", "nothing is set there yet. Set it as a whole"),
        ("2d.loss.terms.focal.gamma=3", "Input should be a valid number"),
        ("3d_fullres.ptch_size=[1]", "Did you mean 3d_fullres.patch_size?"),
        ("patch_size=[1]", "Did you mean 2d.patch_size or 3d_fullres.patch_size?"),
        ("2d.optimizer.learning_rat=1", "there is no learning_rat in that value. Did you mean learning_rate?"),
        ("2d.patch_size[2]=32", "there is no 2 in that value"),
        ("2d.batch_size=many", "Input should be a valid integer"),
        ("2d.batch_size=[1", "is not valid YAML"),
        ("3d_fullres.memory_gb=3", "is a forecast and follows from other values"),
        ("2d.median_shape=[3, 4]", "is measured, and follows from spacing_mm"),
        ("cost.hours=1", "is a forecast"),
        ("dataset=other", "the plan decides nothing of that name"),
    ],
)
def test_a_wrong_assignment_ends_in_one_line(cpu_plan: Plan, assignment: str, words: str) -> None:
    with pytest.raises(UsageError) as problem:
        edit_plan(cpu_plan, [assignment])
    assert words in str(problem.value)
    assert "\n" not in str(problem.value)


def test_a_configuration_that_is_left_out_says_why(cpu_plan: Plan) -> None:
    left_out = {"3d_lowres": cpu_plan.n_folds.model_copy(update={"value": False, "reason": "the patch sees enough"})}
    rest = {name: one for name, one in cpu_plan.configurations.items() if name in ("2d", "3d_fullres")}
    plan = cpu_plan.model_copy(update={"left_out": left_out, "configurations": rest})
    with pytest.raises(UsageError, match=r"leaves 3d_lowres out: the patch sees enough\."):
        edit_plan(plan, ["3d_lowres.batch_size=2"])


def test_what_is_wrong_by_itself_is_told_before_anything_is_derived(cpu_plan: Plan) -> None:
    edited = edit_plan(cpu_plan, ["3d_fullres.patch_size=[32,48]", "n_folds=1", "2d.features=[8]"])
    with pytest.raises(UsageError) as problem:
        check_pinned(edited)
    folds, patch = str(problem.value).splitlines()
    assert folds == "set by hand: n_folds is 1, but a cross-validation needs at least 2."
    assert "3d_fullres.patch_size has 2 value(s)" in patch


def test_what_a_person_set_is_listed(cpu_plan: Plan) -> None:
    assert list_pinned(cpu_plan) == ()
    ((key, decision),) = list_pinned(edit_plan(cpu_plan, ["2d.batch_size=3"]))
    assert (key, decision.value) == ("2d.batch_size", 3)
