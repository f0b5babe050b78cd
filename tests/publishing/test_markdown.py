"""The same content as Markdown."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from autoseg.publishing.document import Cell, Code, Column, Document, Row, Section, Table
from autoseg.publishing.markdown import escape, to_markdown


def test_figures_that_are_named_lie_beside_the_page(folder: Path) -> None:
    text = (folder / "report.md").read_text(encoding="utf-8")
    named = re.findall(r"\]\((figures/[^)]+)\)", text)
    assert sorted(named) == sorted(path.relative_to(folder).as_posix() for path in (folder / "figures").iterdir())
    assert len(named) == 8


def test_every_row_of_a_table_has_as_many_cells_as_its_head(folder: Path) -> None:
    lines = (folder / "report.md").read_text(encoding="utf-8").splitlines()
    widths = [len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0 for line in lines]
    for width, following in itertools.pairwise(widths):
        assert not width or following in (width, 0)
    assert max(widths) > 12


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a|b", r"a\|b"),
        ("<b>", r"\<b\>"),
        ("x_y*z", r"x\_y\*z"),
        ("1. case", r"1\. case"),
        ("- one", r"\- one"),
        ("two\nlines", "two lines"),
    ],
)
def test_signs_stand_as_they_are(text: str, wanted: str) -> None:
    assert escape(text) == wanted


def test_failures_and_fences_survive() -> None:
    table = Table("t", (Column("a", is_text=True), Column("b", "s"), Column("c")), (Row(Cell("m"), failure="no | go"),))
    blocks = (table, Code("a ``` b"))
    text = to_markdown(Document("t", "", (), (Section("x", "X", blocks),), ""), figures="f")
    assert "| m | failed: no \\| go |  |" in text
    assert "| a | b (s) | c |" in text
    assert "````\na ``` b\n````" in text
