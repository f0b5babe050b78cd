"""A person's own code is found by its path, or one line says what is in the way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from autoseg.components import check_parameters, find_component, is_dotted
from autoseg.errors import PlanError

MODULES = {
    "own_parts_sound": "def scheme(channel):\n    return channel\n",
    "own_parts_torn": "def scheme(channel:\n",
    "own_parts_needy": "import own_parts_not_there\n",
    "own_parts_angry": "raise RuntimeError('not today\\nor tomorrow')\n",
    "own_parts_leaving": "raise SystemExit(3)\n",
}


@pytest.fixture
def own_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)


def test_a_path_has_a_colon_and_a_name_has_none() -> None:
    assert is_dotted("my_package.losses:BoundaryLoss")
    assert not is_dotted("soft_dice")


@pytest.mark.usefixtures("own_parts")
def test_a_part_is_imported() -> None:
    assert find_component("own_parts_sound:scheme", where="here")(7) == 7
    assert find_component("os.path:join", where="here")("a", "b") == str(Path("a", "b"))


@pytest.mark.usefixtures("own_parts")
@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("own_parts_gone:f", "there is no module own_parts_gone; install it, or put its folder on PYTHONPATH."),
        ("own_parts_gone.deeper:f", "there is no module own_parts_gone; install it, or put its folder on PYTHONPATH."),
        ("own_parts_sound.deeper:f", "there is no module own_parts_sound.deeper; "),
        ("own_parts_sound:schem", "there is no schem in own_parts_sound. Did you mean scheme?"),
        ("own_parts_torn:scheme", "the module fails on import: SyntaxError: "),
        ("own_parts_needy:scheme", "the module needs own_parts_not_there, which is not there; "),
        ("own_parts_angry:scheme", "the module fails on import: RuntimeError: not today"),
        ("own_parts_leaving:scheme", "the module fails on import: SystemExit: 3"),
        ("own_parts_sound:", "is no dotted path; write package.module:Name."),
        (":scheme", "is no dotted path; write package.module:Name."),
        ("own/parts.py:scheme", "is no dotted path; write package.module:Name."),
    ],
)
def test_what_is_in_the_way_is_told_in_one_line(path: str, sentence: str) -> None:
    with pytest.raises(PlanError) as caught:
        find_component(path, where="loss.terms")
    assert str(caught.value).startswith(f"loss.terms: {path}: {sentence}")
    assert "\n" not in str(caught.value)


def part(first: Any, *, rate: float, betas: Sequence[float] = (0.9, 0.99), nesterov: bool = True) -> None:
    """Something with parameters."""


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"rate": 1}, None),
        ({"rate": 0.5, "nesterov": False, "betas": [0.8, 0.9]}, None),
        ({}, "here: rate is missing; add `rate: ...`."),
        ({"rate": "1e-8"}, "here: rate is '1e-8', but must be a number."),
        ({"rate": True}, "here: rate is True, but must be a number."),
        ({"rate": 1, "nesterov": 0}, "here: nesterov is 0, but must be true or false."),
        ({"rate": 1, "beta": 0}, "here: beta is not known. Did you mean betas?"),
        ({"rate": 1, "first": 0}, "here: first is not known. Known: rate, betas, nesterov."),
        ({"rte": 1}, "here: rte is not known. Did you mean rate? rate is missing; add `rate: ...`."),
    ],
)
def test_parameters_are_held_against_the_signature(given: dict[str, Any], sentence: str | None) -> None:
    if sentence is None:
        check_parameters(part, given, where="here", n_leading=1)
        return
    with pytest.raises(PlanError) as caught:
        check_parameters(part, given, where="here", n_leading=1)
    assert str(caught.value) == sentence


def test_what_autoseg_supplies_is_neither_missed_nor_taken_from_a_plan() -> None:
    check_parameters(part, {}, where="here", n_leading=1, supplied=("rate",))
    with pytest.raises(PlanError, match="rate is not known"):
        check_parameters(part, {"rate": 1}, where="here", n_leading=1, supplied=("rate",))


def test_a_part_that_takes_anything_gets_anything() -> None:
    check_parameters(lambda first, **rest: None, {"whatever": 1}, where="here", n_leading=1)
