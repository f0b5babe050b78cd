"""Files are whole or not there, problems are named all at once, and equal values have equal digests."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from autoseg.decision import Decision, fixed, ruled
from autoseg.errors import AutosegError, PlanError
from autoseg.serialization import (
    Record,
    did_you_mean,
    digest,
    dump_json,
    dump_yaml,
    find_line,
    locate_yaml,
    parse_located_yaml,
    parse_record,
    parse_yaml,
    read_json,
    read_json_lines,
    replacing,
    write_json,
)


class Inner(Record):
    patch_size: tuple[int, ...]
    rate: float = 0.1


class Outer(Record):
    inner: Inner
    batch: Decision[int]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_json(path, {"dice": 0.5})

    def fail_halfway() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert read_json(path) == {"dice": 0.5}
    assert [child.name for child in tmp_path.iterdir()] == ["report.json"]


def test_undefined_numbers_become_null() -> None:
    assert dump_json({"a": [math.nan, np.float32(1.5), math.inf]}, indent=None) == '{"a": [null, 1.5, null]}'


def test_digests_do_not_depend_on_order_or_container() -> None:
    assert digest({"a": (1, 2), "b": np.int64(3)}) == digest({"b": 3, "a": [1, 2]})
    assert digest({"a": 1}) != digest({"a": 2})


def test_every_problem_is_named_with_its_place_and_neighbour() -> None:
    wrong = {"inner": {"patch_sise": [1], "rate": "fast"}, "batch": 4}
    with pytest.raises(PlanError) as problem:
        parse_record(Outer, wrong, where="plan.yaml", error=PlanError)
    lines = str(problem.value).splitlines()
    assert len(lines) == 3
    assert "plan.yaml: inner.patch_sise is not a known key. Did you mean patch_size?" in lines
    assert "plan.yaml: inner.patch_size is missing." in lines


def test_broken_files_are_one_line_with_a_place(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": 1,\n "b" 2}')
    with pytest.raises(AutosegError, match=r"a.json: line 2, column 6 is not valid JSON"):
        read_json(tmp_path / "a.json")
    with pytest.raises(AutosegError, match=r"plan.yaml:2: is not valid YAML"):
        parse_yaml("a: [1,\nb: }", where="plan.yaml")
    with pytest.raises(AutosegError, match="there is no such file"):
        read_json(tmp_path / "b.json")


def test_an_unfinished_last_line_is_not_there_yet(tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").write_text('{"epoch": 1}\n{"epo')
    assert read_json_lines(tmp_path / "history.jsonl") == [{"epoch": 1}]


def test_yaml_is_for_people_and_reads_back() -> None:
    value = Outer(inner=Inner(patch_size=(40, 56, 40)), batch=ruled(2, "memory holds 2", fitting=2))
    text = dump_yaml(value)
    assert "patch_size: [40, 56, 40]" in text
    assert "inputs: {fitting: 2}" in text
    assert Outer.model_validate(parse_yaml(text, where="x")) == value


def test_a_bare_value_is_a_decision_of_the_user() -> None:
    decision = Outer.model_validate({"inner": {"patch_size": [1]}, "batch": 4}).batch
    assert (decision.value, decision.source) == (4, "user")
    assert "source" not in dump_yaml(ruled(1, "r"))
    assert "source: fixed" in dump_yaml(fixed(1, "r"))


def test_the_nearest_name_or_all_of_them() -> None:
    assert did_you_mean("patch", ["patch_size", "batch"]) == " Did you mean batch?"
    assert did_you_mean("zzz", ["a", "b"]) == " Known: a, b."


TEXT = """\
# a plan
inner:
  patch_size: [40, 56,
    40]
  rate: fast
batch:
  value: two
  reason: r
"""


def test_every_key_and_item_of_a_file_has_its_line() -> None:
    lines = locate_yaml(TEXT)
    assert (lines["inner",], lines["inner", "patch_size", 1], lines["inner", "patch_size", 2]) == (2, 3, 4)
    assert (lines["batch", "value"], lines["batch", "reason"]) == (7, 8)
    assert find_line(lines, ("inner", "patch_size", 9)) == 3
    assert find_line({}, ("inner",)) is None


def test_problems_carry_their_lines() -> None:
    value, lines = parse_located_yaml(TEXT, where="plan.yaml")
    with pytest.raises(AutosegError) as problem:
        parse_record(Outer, value, where="plan.yaml", lines=lines)
    rate, batch = str(problem.value).splitlines()
    assert rate.startswith("plan.yaml:5: inner.rate: ")
    assert batch.startswith("plan.yaml:7: batch.value: ")
    assert batch.endswith("but it is 'two'.")


def test_a_wrong_bare_value_is_named_as_it_stands_in_the_file() -> None:
    with pytest.raises(AutosegError, match=r"^x: batch: .* but it is 'two'\.$"):
        parse_record(Outer, {"inner": {"patch_size": [1]}, "batch": "two"}, where="x")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 3", ":3: .* the key a stands on line 1 already"),
        ("a: &x [1]\nb: *x", ":2: .* an alias .* is not accepted"),
        ("&x [*x]", ":1: .* an alias"),
        ("a:\n\tb: 1", ":2: .* Indent with spaces, not with tabs"),
        ("day: 2020-13-45", ": is not valid YAML: month must be in"),
        ("a: \x01", "control characters"),
        ("[" * 5000 + "]" * 5000, "nested too deeply|did not find"),
        ("a: 1\n---\nb: 2", "another document"),
        ("? {a: 1}\n: 2", ":1: .* unhashable"),
        ("a: !!python/object:os.system x", ":1: .* could not determine a constructor"),
        ("", None),
    ],
)
def test_whatever_stands_in_a_file_ends_in_one_line(text: str, words: str | None) -> None:
    if words is None:
        assert parse_yaml(text, where="plan.yaml") is None
        return
    with pytest.raises(AutosegError, match=rf"^plan\.yaml.*(?:{words})") as problem:
        parse_yaml(text, where="plan.yaml")
    assert "\n" not in str(problem.value)


def test_a_bomb_of_aliases_is_refused_before_it_unfolds() -> None:
    layers = [f"{name}: &{name} [{', '.join([f'*{below}'] * 9)}]" for below, name in itertools.pairwise("abcdefghi")]
    with pytest.raises(AutosegError, match="an alias"):
        parse_yaml("\n".join(["a: &a [lol]", *layers]), where="plan.yaml")
