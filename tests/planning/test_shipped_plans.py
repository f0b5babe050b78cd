"""The plans that ship are what the rules say: a changed rule shows as a difference of values and sentences.

After review, `python plans/make_plans.py` writes them anew.
"""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from autoseg.planning.plan_file import read_plan, write_plan

PLANS = Path(__file__).resolve().parents[2] / "plans"
MAKER = runpy.run_path(str(PLANS / "make_plans.py"))
NAMES = MAKER["list_names"]()


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_plan_is_what_the_rules_say(name: str, tmp_path: Path) -> None:
    write_plan(tmp_path / "plan.yaml", MAKER["remake_plan"](name))
    assert (PLANS / f"{name}.yaml").read_text(encoding="utf-8") == (tmp_path / "plan.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_plan_reads_and_is_untouched(name: str) -> None:
    plan = read_plan(PLANS / f"{name}.yaml")
    assert plan.pinned == ()
    assert plan == MAKER["remake_plan"](name).model_copy(update={"seal": plan.seal})


def test_every_plan_has_a_fingerprint_and_every_fingerprint_a_plan() -> None:
    assert sorted(path.stem for path in PLANS.glob("*.yaml")) == NAMES
    assert len(NAMES) == 12
