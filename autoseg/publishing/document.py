"""What does a page consist of, before it is HTML or Markdown?

A `Document` has sections, a section has blocks. Content is decided once, here in plain text; `page.html` and
`markdown` only write it down, and each escapes in its own way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal


@dataclass(frozen=True)
class Paragraph:
    """A few sentences; `is_lead` for those that are read first, `is_note` for small print."""

    kind: ClassVar = "paragraph"
    text: str
    is_lead: bool = False
    is_note: bool = False


@dataclass(frozen=True)
class Points:
    """A list of sentences."""

    kind: ClassVar = "points"
    items: tuple[str, ...]


@dataclass(frozen=True)
class Pairs:
    """Names with what they mean or hold."""

    kind: ClassVar = "pairs"
    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Code:
    """Text that is shown as it stands."""

    kind: ClassVar = "code"
    text: str


@dataclass(frozen=True)
class Column:
    """A column: its title, the unit of its numbers, the title of its group, and whether cells may be marked."""

    title: str
    unit: str = ""
    group: str = ""
    is_text: bool = False
    has_front: bool = False


@dataclass(frozen=True)
class Cell:
    """A value as it is shown, a smaller line below it, and whether its method is on the Pareto front there."""

    text: str
    detail: str = ""
    is_on_front: bool = False


@dataclass(frozen=True)
class Row:
    """A row: what it is about, and its cells; `failure` stands in place of cells where there are none."""

    head: Cell
    cells: tuple[Cell, ...] = ()
    failure: str = ""


@dataclass(frozen=True)
class Table:
    """A table; the first column is the rows' head."""

    kind: ClassVar = "table"
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""
    is_wide: bool = False

    @property
    def groups(self) -> tuple[tuple[str, int], ...]:
        """Titles of groups of neighbouring columns, each with its number of columns; empty where none is named."""
        found: list[tuple[str, int]] = []
        for column in self.columns:
            if found and found[-1][0] == column.group:
                found[-1] = (column.group, found[-1][1] + 1)
            else:
                found.append((column.group, 1))
        return tuple(found) if any(title for title, _ in found) else ()


@dataclass(frozen=True)
class Picture:
    """A figure.

    Attributes:
        name: of its file, without ending.
        content: SVG or JPEG.
        ending: which of them.
        caption: what is seen and how it is to be read.
        alternative: what is to be learned from it, for who cannot see it.
        title: a heading above, where a section has several.
    """

    kind: ClassVar = "picture"
    name: str
    content: bytes
    ending: Literal["svg", "jpg"]
    caption: str
    alternative: str
    title: str = ""


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    kind: ClassVar = "heading"
    text: str


@dataclass(frozen=True)
class Folded:
    """What is shown on request; printed in full."""

    kind: ClassVar = "folded"
    title: str
    blocks: tuple[Block, ...]


Block = Paragraph | Points | Pairs | Code | Table | Picture | Heading | Folded


@dataclass(frozen=True)
class Section:
    """A part of the page with an address of its own."""

    address: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """The page: its title, one line on what was compared, facts at a glance, and its sections."""

    title: str
    subtitle: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    closing: str
