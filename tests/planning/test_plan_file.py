from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autoseg.errors import PlanError
from autoseg.planning.plan import Plan
from autoseg.planning.plan_file import parse_plan, read_plan, write_plan
from autoseg.serialization import to_plain


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
