from __future__ import annotations

from collections.abc import Callable

import pytest

from autoseg.decision import Decision
from autoseg.errors import UsageError
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.planning.devices import DeviceFacts
from autoseg.planning.explaining import explain_key, format_value, list_decisions
from autoseg.planning.plan import Configuration, Plan
from autoseg.planning.planner import make_plan


def test_every_decision_has_a_row_with_a_reason(cpu_plan: Plan) -> None:
    rows = {row.key: row for row in list_decisions(cpu_plan)}
    patch = rows["3d_fullres.patch_size"]
    assert patch.value == str(list(cpu_plan.configurations["3d_fullres"].patch_size.value))
    assert (patch.source, rows["n_folds"].source) == ("rule", "fixed")
    assert all(row.reason and not row.reason.endswith(".") for row in rows.values())
    assert len(rows) == 4 + 3 + 2 + 2 + 2 * (len(Configuration.model_fields) - 1)


def test_a_key_finds_its_decision_and_a_room_finds_all_of_its_own(cpu_plan: Plan) -> None:
    found = explain_key(cpu_plan, "normalization.CT.scheme")
    assert isinstance(found, Decision)
    assert found.value == "ct"
    assert set(explain_key(cpu_plan, "left_out")) == {"3d_lowres", "3d_cascade"}


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("3d_fullres.patchsize", "Did you mean 3d_fullres.patch_size?"),
        ("patch_size", "Did you mean 2d.patch_size or 3d_fullres.patch_size?"),
        ("batch", "2d.batch_size or"),
        ("weather", "lists all"),
    ],
)
def test_an_unknown_key_is_told_the_nearest(cpu_plan: Plan, key: str, words: str) -> None:
    with pytest.raises(UsageError, match=words.replace("?", r"\?")):
        explain_key(cpu_plan, key)


def test_channels_of_one_name_are_told_apart(make_fingerprint: Callable[..., Fingerprint], cpu: DeviceFacts) -> None:
    keys = {row.key for row in list_decisions(make_plan(make_fingerprint(channels=("MRI", "CT", "MRI")), cpu))}
    assert {"normalization.MRI[0].scheme", "normalization.CT.scheme", "normalization.MRI[2].scheme"} <= keys


def test_values_fit_one_line() -> None:
    assert format_value({"terms": {"soft_dice": 1.0}, "deep": True, "none": None}) == "terms={soft_dice=1}, deep=yes"
    assert format_value(((1, 2), (2, 2))) == "[[1, 2], [2, 2]]"
    assert format_value(None) == "none"
