"""How does a report become files: for programs, for statistics, for people?

`report.json` holds everything, `report.csv` is tidy (one row per case, label and metric; an empty value is one that is
not counted), `report.md` is what one reads. Each is written wholly or not at all.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from autoseg.errors import UsageError
from autoseg.evaluation.report import Report, count_cases
from autoseg.evaluation.tables import (
    TIDY_COLUMNS,
    Cell,
    label_rows,
    list_metrics,
    metric_rows,
    tidy_rows,
)
from autoseg.serialization import replacing, write_json, write_text

MOST_NAMED = 20  # missing cases in a sentence


def write_report(path: Path, report: Report) -> list[Path]:
    """Write a report.

    Args:
        path: a folder, which gets `report.json`, `report.csv` and `report.md`, or a file with one of these endings.
        report: to write.

    Returns:
        The files.

    Raises:
        UsageError: the path is a file with another ending.
    """
    refuse_other_endings(path)
    is_file = path.suffix in WRITERS and not path.is_dir()
    files = [path] if is_file else [path / f"report{ending}" for ending in WRITERS]
    for file in files:
        WRITERS[file.suffix](file, report)
    return files


def refuse_other_endings(path: Path) -> None:
    """Raise UsageError if a report cannot be written to this path; worth asking before long work."""
    if path.suffix not in ("", *WRITERS) and not path.is_dir():
        raise UsageError(f"{path}: a report is written as {', '.join(WRITERS)}, or all of them into a folder.")


def write_beside(path: Path, report: Report) -> None:
    """Write a report's JSON to `path`, after table and text under the same name: where it is, all are."""
    for ending in (".csv", ".md"):
        WRITERS[ending](path.with_suffix(ending), report)
    write_json(path, report)


def write_csv(path: Path, report: Report) -> None:
    """Write one row per case, label and metric; values with all digits, an undefined one empty."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(TIDY_COLUMNS)
        for row in tidy_rows(report):
            writer.writerow(["" if _is_undefined(cell) else cell for cell in row])


def _is_undefined(cell: Cell) -> bool:
    return isinstance(cell, float) and math.isnan(cell)


def write_markdown(path: Path, report: Report) -> None:
    """Write what a person reads: the labels at a glance, every metric of each label, and what the numbers mean."""
    write_text(path, "\n".join(_describe(report)))


def _describe(report: Report) -> Iterator[str]:
    yield "# Evaluation\n"
    yield "\n\n".join(describe_report(report)) + "\n"
    yield "## Labels\n"
    yield format_table(*label_rows(report))
    for label in report.summary:
        if list_metrics(report, label):
            yield f"\n## {label}\n"
            yield format_table(*metric_rows(report, label))
    yield "\n## What the numbers mean\n"
    yield report.definition + "\n"


def describe_report(report: Report) -> Iterator[str]:
    """In sentences: how many cases, the mean Dice, what is missing, and how to read the tables."""
    yield f"{count_cases(report.n_cases)}, mean foreground Dice {_format(report.mean_dice)}."
    if report.missing:
        yield f"Missing predictions, which score as misses: {_name(report.missing)}."
    if report.without_reference:
        yield f"Predictions without a reference, which are not scored: {_name(report.without_reference)}."
    yield (
        "low and high are the 95% interval of the mean. ↑ higher is better, and the worst case has the lowest value; "
        "↓ lower is better, and the worst case has the highest; →0 the worst case is the farthest from 0."
    )


def _name(names: Sequence[str]) -> str:
    rest = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + rest


def format_table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Rows as a Markdown table; numbers are aligned to the right."""
    is_number = [all(not isinstance(row[index], str) for row in rows) for index in range(len(columns))]
    lines = [columns, ["---:" if right else "---" for right in is_number], *rows]
    return "\n".join("| " + " | ".join(map(_format, line)) + " |" for line in lines)


def _format(cell: Cell) -> str:
    """Four digits for fractions below ten, one above, a dash for what is undefined."""
    if isinstance(cell, float):
        return "-" if math.isnan(cell) else f"{cell:.4f}" if abs(cell) < 10 else f"{cell:.1f}"
    return str(cell).replace("|", "\\|")


WRITERS: dict[str, Callable[[Path, Report], None]] = {".json": write_json, ".csv": write_csv, ".md": write_markdown}
