"""Which method stands where, and in which words may that be said?"""

from __future__ import annotations

from collections.abc import Sequence

from autoseg.evaluation.benchmark import Benchmark, MethodResult
from autoseg.evaluation.comparing import Comparison
from autoseg.publishing.document import Block, Paragraph, Points, Section
from autoseg.publishing.numbers import count, join


def make_findings(benchmark: Benchmark) -> Section:
    """What was found, in words, before any number."""
    blocks: list[Block] = [Paragraph(_say_first(benchmark), is_lead=True)]
    if benchmark.ranking is not None:
        blocks.append(Paragraph(benchmark.ranking.sentence))
    first = benchmark.scored[0].name if benchmark.scored else ""
    points = [item.sentence for item in benchmark.comparisons if first in (item.one, item.other)]
    if points:
        blocks += [Paragraph(f"{first} against each of the others:"), Points(tuple(points))]
    if benchmark.smallest_difference:
        blocks.append(Paragraph(benchmark.smallest_difference))
    blocks += _tell_failures(benchmark.methods)
    return Section("findings", "What was found", tuple(blocks))


def _say_first(benchmark: Benchmark) -> str:
    """What the cases show of the method with the highest mean Dice."""
    if not benchmark.scored:
        return "No method has a result."
    first, *others = benchmark.scored
    n_cases = first.pooled.n_cases if first.pooled is not None else 0
    if not others:
        return f"{first.name} is the only method with a result; there is nothing to compare it with."
    shown, unshown = split_others(first.name, benchmark.comparisons)
    start = f"{first.name} has the highest mean Dice"
    cases = count(n_cases, "case")
    if not shown and not unshown:
        return f"{start}; differences were not tested."
    if not unshown:
        return f"{start} and is shown to be better than {join(shown)}, on {cases}."
    alike = f"a difference to {join(unshown, 'or')}"
    if not shown:
        return f"{start}, but {cases} do not show {alike}."
    return f"{start} and is shown to be better than {join(shown)}; {cases} do not show {alike}."


def split_others(first: str, comparisons: Sequence[Comparison]) -> tuple[list[str], list[str]]:
    """The methods that `first` is shown to be better than, and those from which it cannot be told."""
    shown: list[str] = []
    unshown: list[str] = []
    for item in comparisons:
        if first not in (item.one, item.other):
            continue
        difference = item.mean_difference if item.one == first else -item.mean_difference
        other = item.other if item.one == first else item.one
        (shown if item.is_shown and difference > 0 else unshown).append(other)
    return shown, unshown


def _tell_failures(methods: Sequence[MethodResult]) -> list[Block]:
    failed = [method for method in methods if method.failure is not None]
    if not failed:
        return []
    told = tuple(f"{method.name}: {method.failure}" for method in failed)
    return [Paragraph(f"{count(len(failed), 'method')} gave no result:"), Points(told)]


def find_quiet(benchmark: Benchmark) -> list[str]:
    """Floors, where anything else has a result: they are far away and would hide what is near."""
    floors = [method.name for method in benchmark.scored if method.kind == "floor"]
    return floors if len(floors) < len(benchmark.scored) else []
