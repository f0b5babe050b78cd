"""Which one figure tells a comparison to who reads no further?"""

from __future__ import annotations

from pathlib import Path

from autoseg.drawing.summary import draw_summary
from autoseg.evaluation.benchmark import Benchmark
from autoseg.publishing.figure_data import list_cost_panels, list_dices, list_runs
from autoseg.publishing.numbers import count
from autoseg.publishing.standing import find_quiet


def draw_benchmark_summary(benchmark: Benchmark, path: Path) -> None:
    """Draw Dice of every case beside Dice against training time, or against a cost, as a PNG 1410 pixels wide."""
    n_cases = len(next(iter(list_dices(benchmark).values()), []))
    draw_summary(
        list_dices(benchmark),
        path,
        quiet=find_quiet(benchmark),
        runs=list_runs(benchmark),
        costs=list_cost_panels(benchmark),
        title=f"{benchmark.dataset}, {benchmark.configuration}: {count(n_cases, 'case')}, {benchmark.budget}",
    )
