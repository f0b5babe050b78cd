from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from autoseg.errors import PlanError
from autoseg.planning.explaining import is_forecast, list_decisions
from autoseg.planning.plan import Plan
from autoseg.planning.plan_file import (
    SCHEMA_FILE,
    compute_seal,
    parse_plan,
    read_edited_plan,
    read_plan,
    write_plan,
)
from autoseg.schemas import describe_record
from autoseg.serialization import parse_yaml, read_yaml, to_plain, write_yaml


@pytest.fixture
def plain(cpu_plan: Plan) -> dict[str, Any]:
    return to_plain(cpu_plan)


def test_the_file_opens_with_how_to_edit_it(cpu_plan: Plan, tmp_path: Path) -> None:
    write_plan(tmp_path / "plan.yaml", cpu_plan)
    text = (tmp_path / "plan.yaml").read_text()
    assert text.startswith("# The plan of one dataset")
    assert "#     batch_size: 4" in text


def test_a_bare_value_counts_as_set_by_a_person(plain: dict[str, Any]) -> None:
    plain["configurations"]["3d_fullres"]["batch_size"] = 4
    batch = parse_plan(plain, where="plan.yaml").configurations["3d_fullres"].batch_size
    assert (batch.value, batch.source) == (4, "user")


def test_what_a_person_set_is_still_theirs_after_writing(plain: dict[str, Any], tmp_path: Path) -> None:
    plain["budget"]["train_time_s"] = None
    write_plan(tmp_path / "plan.yaml", parse_plan(plain, where="plan.yaml"))
    assert read_plan(tmp_path / "plan.yaml").budget.train_time_s.source == "user"


def test_a_mistyped_key_is_named_with_the_nearest(plain: dict[str, Any]) -> None:
    plain["configurations"]["2d"]["patchsize"] = plain["configurations"]["2d"].pop("patch_size")
    with pytest.raises(PlanError, match=r"plan\.yaml: configurations\.2d\.patchsize is not a known key\. Did you mean"):
        parse_plan(plain, where="plan.yaml")


def test_broken_invariants_are_named_with_the_file(plain: dict[str, Any]) -> None:
    plain["configurations"]["2d"]["patch_size"] = [100, 96]
    with pytest.raises(PlanError, match=r"^plan\.yaml: 2d\.patch_size\[0\] is 100, but .* Nearest: 96 or "):
        parse_plan(plain, where="plan.yaml")


@pytest.mark.parametrize("value", [None, [1, 2], {"dataset": "x"}])
def test_another_kind_of_file_is_no_plan(value: object) -> None:
    with pytest.raises(PlanError, match="is not a plan"):
        parse_plan(value, where="other.yaml")


def test_a_plan_of_another_format_says_so(plain: dict[str, Any]) -> None:
    with pytest.raises(PlanError, match="format 99"):
        parse_plan(plain | {"autoseg_plan": 99}, where="plan.yaml")


def edit(text: str, old: str, new: str) -> str:
    """Replace a text that stands once."""
    assert text.count(old) == 1
    return text.replace(old, new)


def test_what_is_written_reads_back_exactly(cpu_plan: Plan, tmp_path: Path) -> None:
    write_plan(tmp_path / "plan.yaml", cpu_plan)
    assert read_plan(tmp_path / "plan.yaml") == cpu_plan
    write_plan(tmp_path / "again.yaml", read_plan(tmp_path / "plan.yaml"))
    assert (tmp_path / "again.yaml").read_text() == (tmp_path / "plan.yaml").read_text()


def test_the_seal_ends_the_file_and_names_every_choice(cpu_plan: Plan, tmp_path: Path) -> None:
    write_plan(tmp_path / "plan.yaml", cpu_plan)
    text = (tmp_path / "plan.yaml").read_text()
    seal = parse_yaml(text, where="plan.yaml")["seal"]
    assert text.index("\nseal: {budget.device: ") > text.index("\nconfigurations:")
    choices = {row.key for row in list_decisions(cpu_plan) if not is_forecast(row.key)}
    assert set(seal) == choices
    assert {len(name) for name in seal.values()} == {4}


def test_an_edit_inside_a_block_counts_as_set_by_a_person(cpu_plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    write_plan(path, cpu_plan)
    path.write_text(edit(path.read_text(), "  value: 5\n  reason: 5 folds", "  value: 3\n  reason: 5 folds"))
    folds = read_plan(path).n_folds
    assert (folds.value, folds.reason, folds.source, folds.inputs) == (3, "set by hand", "user", {})
    assert read_plan(path).pinned == ("n_folds",)


def test_an_edit_deep_inside_a_value_pins_the_whole_decision(plain: dict[str, Any], cpu_plan: Plan) -> None:
    plain["seal"] = compute_seal(cpu_plan)
    plain["configurations"]["2d"]["optimizer"]["value"]["learning_rate"] = 0.002
    assert parse_plan(plain, where="plan.yaml").pinned == ("2d.optimizer",)


def test_a_reworded_reason_and_a_file_without_a_seal_are_taken_as_they_are(plain: dict[str, Any]) -> None:
    plain["n_folds"] |= {"value": 3, "reason": "three are enough for a pilot"}
    assert parse_plan(plain, where="plan.yaml").pinned == ()


def test_the_seal_of_a_plan_that_is_written_again_is_the_new_one(cpu_plan: Plan, tmp_path: Path) -> None:
    wrong = cpu_plan.model_copy(update={"seal": {"n_folds": "0000"}})
    write_plan(tmp_path / "plan.yaml", wrong)
    assert read_plan(tmp_path / "plan.yaml").pinned == ()


def test_errors_of_a_file_carry_the_line(cpu_plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    write_plan(path, cpu_plan)
    path.write_text(edit(path.read_text(), "  value: 5\n  reason: 5 folds", "  value: 1\n  reason: 5 folds"))
    line = path.read_text().splitlines().index("  value: 1") + 1
    with pytest.raises(PlanError, match=rf"^{re.escape(str(path))}:{line}: n_folds is 1, but"):
        read_plan(path)
    path.write_text(edit(path.read_text(), "\nn_folds:", "\nn_fold:"))
    with pytest.raises(PlanError, match=rf"plan.yaml:{line - 1}: n_fold is not a known key. Did you mean n_folds"):
        read_plan(path)


def test_an_edited_plan_may_contradict_itself_until_it_is_derived_anew(plain: dict[str, Any], tmp_path: Path) -> None:
    plain["configurations"]["2d"]["patch_size"] = [100, 97]
    write_yaml(tmp_path / "edited.yaml", plain)
    assert read_edited_plan(tmp_path / "edited.yaml").pinned == ("2d.patch_size",)


def test_editors_are_pointed_to_a_schema_that_lies_beside(cpu_plan: Plan, tmp_path: Path) -> None:
    (tmp_path / SCHEMA_FILE).write_text("{}")
    write_plan(tmp_path / "plan.yaml", cpu_plan)
    first = (tmp_path / "plan.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=plan.schema.json"


def test_a_written_plan_and_an_edited_one_fit_the_schema(cpu_plan: Plan, tmp_path: Path) -> None:
    schema = jsonschema.Draft202012Validator(describe_record(Plan))
    write_plan(tmp_path / "plan.yaml", cpu_plan)
    plain = read_yaml(tmp_path / "plan.yaml")
    assert [error.message for error in schema.iter_errors(plain)] == []
    plain["configurations"]["2d"] |= {"batch_size": 4, "features": [8, 16], "iteration_s": None}
    assert schema.is_valid(plain)
    for wrong in ({"batch_size": "four"}, {"batchsize": 4}, {"optimizer": {"name": "sgd", "lr": 1}}):
        assert not schema.is_valid(plain | {"configurations": {"2d": plain["configurations"]["2d"] | wrong}})


PLANS = Path(__file__).resolve().parents[2] / "plans"
LATER = {"loss": ["parameters"], "optimizer": ["parameters"], "augmentation": ["elastic", "custom"]}
SEALED_BEFORE = {"2d.loss": "f11b", "2d.optimizer": "093a", "2d.augmentation": "727e"}  # as they were in nuclei.yaml


def write_earlier_plan(path: Path) -> None:
    """The plan of nuclei as it was written before losses had parameters and patches elastic deformation."""
    plain = read_yaml(PLANS / "nuclei.yaml")
    configuration = plain["configurations"]["2d"]
    for key, fields in LATER.items():
        for field in fields:
            del configuration[key]["value"][field]
    plain["seal"] = {**plain["seal"], **SEALED_BEFORE}
    write_yaml(path, plain)


def test_a_plan_from_before_new_fields_is_not_taken_for_edited(tmp_path: Path) -> None:
    write_earlier_plan(tmp_path / "plan.yaml")
    assert read_plan(tmp_path / "plan.yaml").pinned == ()
    text = (tmp_path / "plan.yaml").read_text().replace("cross_entropy: 1.0", "cross_entropy: 2.0")
    (tmp_path / "plan.yaml").write_text(text)
    assert read_plan(tmp_path / "plan.yaml").pinned == ("2d.loss",)
