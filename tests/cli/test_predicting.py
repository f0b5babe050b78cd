"""Options of `predict-ensemble`: what they mean together."""

from __future__ import annotations

import pytest

from autoseg.cli.memory_option import parse_bytes
from autoseg.cli.predicting import choose_options
from autoseg.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GB", 4e9), ("2GiB", 2**31), ("500MB", 5e8), ("1.5", 1.5e9), ("3 gb", 3e9), ("auto", None), (None, None)],
)
def test_memory_is_written_as_people_write_it(text: str | None, size: float | None) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["much", "-2GB", "0GB", "4 apples"])
def test_what_is_no_memory_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="for example 4GB, 2GiB or 500MB"):
        parse_bytes(text)


def test_the_default_mirrors_as_the_plan_says() -> None:
    assert (choose_options(None, None).mirroring, choose_options(None, None).step) == ("all", 0.5)


def test_fast_is_a_beginning_that_single_options_change() -> None:
    assert (choose_options(None, None, is_fast=True).mirroring, choose_options(None, None, is_fast=True).step) == (
        "none",
        0.75,
    )
    assert choose_options("adaptive", 0.5, is_fast=True) == choose_options("adaptive", None)


def test_contradictions_are_refused() -> None:
    assert choose_options(None, None, is_unmirrored=True).mirroring == "none"
    with pytest.raises(UsageError, match="--no-mirroring contradicts --mirroring adaptive"):
        choose_options("adaptive", None, is_unmirrored=True)
