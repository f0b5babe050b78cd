"""What was equal for all, on which machine, and how is it done again?"""

from __future__ import annotations

import math

from autoseg.evaluation.benchmark import Benchmark, RunResult
from autoseg.publishing.document import Block, Cell, Code, Column, Folded, Pairs, Paragraph, Points, Row, Section, Table
from autoseg.publishing.numbers import NOTHING, count, join, show_count, show_share, show_three


def make_fairness_section(benchmark: Benchmark) -> Section:
    """What was equal, the budget, the learning rate, and every single training."""
    blocks: list[Block] = [
        Pairs((("Budget of each training", benchmark.budget), ("Learning rate", benchmark.learning_rate)))
    ]
    if benchmark.equal:
        blocks += [Paragraph("Equal for all methods:"), Points(benchmark.equal)]
    outside = [method.name for method in benchmark.methods if method.kind == "predictions"]
    if outside:
        told = (
            f"Not trained here: {join(outside)}. Only cases and evaluation are the same; what data, budget and search "
            "these predictions took is not known to autoseg."
        )
        blocks.append(Paragraph(told))
    runs = make_run_table(benchmark)
    if runs.rows:
        blocks.append(Folded(f"Every run ({len(runs.rows)})", (runs,)))
    return Section("fairness", "Fairness", tuple(blocks))


def make_run_table(benchmark: Benchmark) -> Table:
    """One row per run: what it spent, its learning rate and its Dice."""
    titles = (("fold", ""), ("seed", ""), ("Dice", ""), ("iterations", ""), ("training", "s"), ("learning rate", ""))
    columns = (
        Column("method", is_text=True),
        *(Column(title, unit) for title, unit in titles),
        Column("trials: Dice by learning rate", is_text=True),
        Column("folder", is_text=True),
    )
    rows = tuple(Row(Cell(method.name), _show_run(run)) for method in benchmark.methods for run in method.runs)
    return Table("Every run: Dice over the validation cases of its fold", columns, rows)


def _show_run(run: RunResult) -> tuple[Cell, ...]:
    trials = "; ".join(f"{rate}: {show_share(dice)}" for rate, dice in run.trials.items())
    texts = (
        str(run.fold),
        str(run.seed),
        show_share(run.report.mean_dice),
        show_count(run.n_iterations or math.nan),
        show_three(run.spent_s or math.nan),
        NOTHING if run.learning_rate is None else f"{run.learning_rate:g}",
        trials or NOTHING,
        run.folder or NOTHING,
    )
    return tuple(map(Cell, texts))


def make_reproduction_section(benchmark: Benchmark) -> Section:
    """The machine with its versions, and the command."""
    blocks: list[Block] = [Code(benchmark.command)]
    if benchmark.machine:
        blocks.append(Pairs(tuple(benchmark.machine.items())))
    n_runs = sum(len(method.runs) for method in benchmark.methods if method.kind == "network")
    told = f"It ended on {benchmark.date}, with {count(n_runs, 'training')}. Runs that exist are reused."
    blocks.append(Paragraph(told, is_note=True))
    return Section("reproduce", "Machine and how to reproduce", tuple(blocks))
