"""What do the cases say of every pair of methods, as a table?"""

from __future__ import annotations

from collections.abc import Sequence

from autoseg.evaluation.comparing import Comparison
from autoseg.publishing.document import Cell, Column, Row, Table
from autoseg.publishing.numbers import show_difference, show_interval, show_p, show_share

COLUMNS = (
    Column("one − other", is_text=True),
    Column("cases"),
    Column("mean difference", "Dice"),
    Column("95% interval", "Dice"),
    Column("p"),
    Column("p, corrected"),
    Column("probability of superiority"),
    Column("verdict", is_text=True),
)


def make_pair_table(comparisons: Sequence[Comparison]) -> Table:
    """One row per pair."""
    note = (
        "Differences of the mean foreground Dice of a case. p: Wilcoxon signed-rank test, two-sided; corrected for the "
        "number of pairs (Holm). Probability of superiority: share of cases in which the first is the better, ties "
        "counting half."
    )
    return Table("Paired comparisons", COLUMNS, tuple(map(_make_row, comparisons)), note)


def _make_row(item: Comparison) -> Row:
    better = item.one if item.mean_difference > 0 else item.other
    texts = (
        str(item.n_cases),
        show_difference(item.mean_difference),
        show_interval(item.interval, is_signed=True),
        show_p(item.p_value),
        show_p(item.p_corrected),
        show_share(item.superiority),
        f"{better} is better" if item.is_shown else "no difference shown",
    )
    return Row(Cell(f"{item.one} − {item.other}"), tuple(map(Cell, texts)))
