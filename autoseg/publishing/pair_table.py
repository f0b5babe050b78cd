"""What do the cases say of every pair of methods, as a table?"""

from __future__ import annotations

import math

from autoseg.evaluation.benchmark import Benchmark
from autoseg.evaluation.comparing import Comparison
from autoseg.publishing.document import Cell, Column, Row, Table
from autoseg.publishing.numbers import NOTHING, show_difference, show_interval, show_p, show_share
from autoseg.publishing.standing import find_seed_reach, is_within_seeds, is_won_by

COLUMNS = (
    Column("one − other", is_text=True),
    Column("cases"),
    Column("mean difference", "Dice, 95%"),
    Column("of each fold", "Dice", is_text=True),
    Column("seeds", "2 SD"),
    Column("p"),
    Column("p, corrected"),
    Column("probability of superiority", "95%"),
    Column("verdict", is_text=True),
)
NOTE = (
    "Differences of the mean foreground Dice of a case. p: Wilcoxon signed-rank test, two-sided; corrected for the "
    "number of pairs (Holm). Probability of superiority: share of cases in which the first is the better, ties "
    "counting half, with its interval (Wilson 1927). Verdict: a difference is shown where p, corrected, is "
    "below 5%, and both the 95% interval and the wider one of level 5% over the number of pairs, which is not listed, "
    "exclude 0."
)
SEEDS = (
    " Seeds: two standard deviations, over seeds, of the difference between single trainings; a smaller difference "
    "might be another one with other seeds."
)


def make_pair_table(benchmark: Benchmark) -> Table:
    """One row per pair; columns that no pair can fill are left out."""
    rows = [(item, _list_cells(benchmark, item)) for item in benchmark.comparisons]
    kept = [
        place
        for place, column in enumerate(COLUMNS[1:])
        if column.title not in ("seeds", "of each fold") or any(cells[place].text != NOTHING for _, cells in rows)
    ]
    columns = (COLUMNS[0], *(COLUMNS[1 + place] for place in kept))
    made = tuple(Row(Cell(f"{item.one} − {item.other}"), tuple(cells[place] for place in kept)) for item, cells in rows)
    is_seeded = any(column.title == "seeds" for column in columns)
    return Table("Paired comparisons", columns, made, NOTE + (SEEDS if is_seeded else ""), is_wide=True)


def _list_cells(benchmark: Benchmark, item: Comparison) -> tuple[Cell, ...]:
    reach = find_seed_reach(benchmark, item)
    folds = item.fold_differences
    return (
        Cell(str(item.n_cases)),
        Cell(show_difference(item.mean_difference), show_interval(item.interval, is_signed=True)),
        Cell(", ".join(map(show_difference, folds.values())) if len(folds) > 1 else NOTHING),
        Cell(f"{reach:.4f}" if math.isfinite(reach) else NOTHING),
        Cell(show_p(item.p_value)),
        Cell(show_p(item.p_corrected)),
        Cell(show_share(item.superiority), show_interval(item.superiority_interval)),
        Cell(*_judge(benchmark, item)),
    )


def _judge(benchmark: Benchmark, item: Comparison) -> tuple[str, str]:
    """The verdict, and a word of caution."""
    if not item.is_shown:
        return "no difference shown", ""
    better = item.one if is_won_by(item.one, item) else item.other
    return f"{better} is better", "by less than seeds' spread" if is_within_seeds(benchmark, item) else ""
