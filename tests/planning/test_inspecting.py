from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autoseg.errors import PlanError
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.planning.inspecting import Finding, inspect_plan
from autoseg.planning.plan import Plan
from autoseg.planning.plan_file import write_plan
from autoseg.serialization import to_plain, write_yaml


def inspect(plan: Plan, path: Path, spoil: Callable[[dict[str, Any]], None]) -> tuple[Finding, ...]:
    """Write a plan that was spoiled, and inspect the file."""
    plain = to_plain(plan)
    spoil(plain)
    write_yaml(path, plain)
    return inspect_plan(path)


def test_a_plan_of_the_rules_is_found_in_order(
    cpu_plan: Plan, make_fingerprint: Callable[..., Fingerprint], tmp_path: Path
) -> None:
    write_plan(tmp_path / "plan.yaml", cpu_plan)
    assert inspect_plan(tmp_path / "plan.yaml", make_fingerprint()) == ()


def test_mistakes_of_the_file_do_not_hide_contradictions(cpu_plan: Plan, tmp_path: Path) -> None:
    def spoil(plain: dict[str, Any]) -> None:
        volume = plain["configurations"]["3d_fullres"]
        volume["batchsize"] = volume.pop("batch_size")
        volume["foreground_share"] = "a third"
        volume["patch_size"] = [33, 64, 64]
        plain["n_folds"] = 1
        del plain["axis_order"]
        plain["configurations"]["2d"]["optimizer"]["value"]["momentum"] = 2

    found = {one.key: one for one in inspect(cpu_plan, tmp_path / "plan.yaml", spoil)}
    assert set(found) == {
        "axis_order",
        "n_folds",
        "2d.optimizer.momentum",
        "3d_fullres.batch_size",
        "3d_fullres.batchsize",
        "3d_fullres.foreground_share",
        "3d_fullres.patch_size[0]",
    }
    assert {one.severity for one in found.values()} == {"error"}
    assert found["3d_fullres.batchsize"].message.endswith("Did you mean batch_size?")


def test_every_finding_has_the_line_of_its_value(cpu_plan: Plan, tmp_path: Path) -> None:
    def spoil(plain: dict[str, Any]) -> None:
        plain["configurations"]["2d"]["optimizer"]["value"]["momentum"] = 2
        plain["configurations"]["2d"]["batch_size"] = 0

    path = tmp_path / "plan.yaml"
    findings = inspect(cpu_plan, path, spoil)
    rows = path.read_text().splitlines()
    assert [rows[one.line - 1].strip() for one in findings if one.line] == ["batch_size: 0", "momentum: 2"]
    assert findings[0].where == f"{path}:{findings[0].line}"


def test_what_a_stand_in_breaks_is_not_told(cpu_plan: Plan, tmp_path: Path) -> None:
    def spoil(plain: dict[str, Any]) -> None:
        plain["configurations"]["3d_fullres"]["topology"]["value"]["strides"] = "deep"

    (finding,) = inspect(cpu_plan, tmp_path / "plan.yaml", spoil)
    assert finding.key == "3d_fullres.topology.value.strides"


def test_advice_is_no_error(cpu_plan: Plan, make_fingerprint: Callable[..., Fingerprint], tmp_path: Path) -> None:
    plain = to_plain(cpu_plan)
    plain["configurations"]["2d"]["foreground_share"] = 0.9
    write_yaml(tmp_path / "plan.yaml", plain)
    (finding,) = inspect_plan(tmp_path / "plan.yaml", make_fingerprint())
    assert (finding.severity, finding.key) == ("advice", "2d.foreground_share")
    assert (tmp_path / "plan.yaml").read_text().splitlines()[(finding.line or 0) - 1] == "    foreground_share: 0.9"


def test_a_file_that_cannot_be_mended_is_told_as_far_as_it_is_understood(cpu_plan: Plan, tmp_path: Path) -> None:
    findings = inspect(cpu_plan, tmp_path / "plan.yaml", lambda plain: plain.update(configurations=["2d"]))
    assert findings[0].key == "configurations"


def test_another_kind_of_file_is_no_plan(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("a: 1")
    with pytest.raises(PlanError, match="is not a plan"):
        inspect_plan(tmp_path / "other.yaml")
