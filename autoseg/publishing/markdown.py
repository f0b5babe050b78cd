"""How does the page read as Markdown, as it is shown beside code?

GitHub's dialect: tables with pipes, `<details>` for what is folded. Names may hold any sign; those that Markdown or
HTML would read as more than letters are escaped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from autoseg.publishing.document import (
    Block,
    Code,
    Column,
    Document,
    Folded,
    Heading,
    Pairs,
    Paragraph,
    Picture,
    Points,
    Row,
    Section,
    Table,
)

SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~$&])")
BLOCK_START = re.compile(r"^(\s*)([-+=]|\d+[.)])(?=\s|$)")  # would begin a list or a heading


def to_markdown(document: Document, *, figures: str) -> str:
    """The document as Markdown.

    Args:
        document: what is written.
        figures: the folder of the figures, relative to the file.
    """
    facts = " · ".join(f"{escape(name)}: {escape(value)}" for name, value in document.facts)
    parts = [f"# {escape(document.title)}", escape(document.subtitle), facts]
    parts += [_write_section(section, figures) for section in document.sections]
    return "\n\n".join([*parts, f"*{escape(document.closing)}*"]) + "\n"


def escape(text: str) -> str:
    """Text that Markdown shows as it stands, on one line."""
    line = SPECIAL.sub(r"\\\1", " ".join(text.split()))
    return BLOCK_START.sub(lambda found: f"{found[1]}{found[2][:-1]}\\{found[2][-1]}", line)


def _write_section(section: Section, figures: str) -> str:
    return "\n\n".join([f"## {escape(section.title)}", *(_write(block, figures) for block in section.blocks)])


def _write(block: Block, figures: str) -> str:
    if isinstance(block, Picture):
        return _write_picture(block, figures)
    if isinstance(block, Folded):
        inner = "\n\n".join(_write(item, figures) for item in block.blocks)
        return f"<details><summary>{_escape_html(block.title)}</summary>\n\n{inner}\n\n</details>"
    return WRITERS[type(block)](block)


def _write_picture(picture: Picture, figures: str) -> str:
    address = f"{figures}/{picture.name}.{picture.ending}"
    parts = [f"### {escape(picture.title)}" if picture.title else "", f"![{escape(picture.alternative)}]({address})"]
    return "\n\n".join(part for part in [*parts, escape(picture.caption)] if part)


def _escape_html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _write_table(table: Table) -> str:
    head = [_name_column(column) for column in table.columns]
    rule = [":--" if column.is_text else "--:" for column in table.columns]
    lines = [head, rule, *(_write_row(row, len(table.columns)) for row in table.rows)]
    written = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n\n".join(part for part in [f"### {escape(table.caption)}", written, escape(table.note)] if part)


def _name_column(column: Column) -> str:
    return escape(f"{column.title} ({column.unit})" if column.unit else column.title)


def _write_row(row: Row, n_columns: int) -> Sequence[str]:
    head = escape(row.head.text) + (f" ({escape(row.head.detail)})" if row.head.detail else "")
    if row.failure:
        return [head, f"failed: {escape(row.failure)}", *[""] * (n_columns - 2)]
    texts = [f"{cell.text} ({cell.detail})" if cell.detail else cell.text for cell in row.cells]
    marks = [" ◆" if cell.is_on_front else "" for cell in row.cells]
    return [head, *(escape(text) + mark for text, mark in zip(texts, marks, strict=True))]


def _write_code(code: Code) -> str:
    longest = max((len(run) for run in re.findall(r"`+", code.text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{code.text}\n{fence}"


WRITERS: dict[type, Callable[[Any], str]] = {
    Paragraph: lambda paragraph: escape(paragraph.text),
    Points: lambda points: "\n".join(f"- {escape(item)}" for item in points.items),
    Pairs: lambda pairs: "\n".join(f"- {escape(name)}: {escape(value)}" for name, value in pairs.items),
    Heading: lambda heading: f"### {escape(heading.text)}",
    Code: _write_code,
    Table: _write_table,
}
