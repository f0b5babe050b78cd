"""Which method stands where, and in which words may that be said?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from autoseg.evaluation.benchmark import Benchmark, MethodResult
from autoseg.evaluation.comparing import Comparison
from autoseg.publishing.document import Block, Paragraph, Points, Section
from autoseg.publishing.numbers import count, join, show_difference

TWO_AVERAGES = (
    "The order is by mean Dice, which averages each label over the cases that count it, then the labels; a paired "
    "comparison averages the labels of each case, then the cases. Where a label is not counted in every case, the two "
    "need not agree."
)

RANKS_AND_DIFFERENCES = (
    "Ranks count who is ahead on a case, paired differences by how far; what the one shows the other need not show."
)


class Others(NamedTuple):
    """Methods as they stand to one of them: shown to be worse or better than it, or neither."""

    worse: list[str]
    better: list[str]
    unshown: list[str]


def make_findings(benchmark: Benchmark) -> Section:
    """What was found, in words, before any number."""
    blocks: list[Block] = [Paragraph(_say_first(benchmark), is_lead=True)]
    ranks = "" if benchmark.ranking is None else f"{benchmark.ranking.sentence} {RANKS_AND_DIFFERENCES}"
    blocks += [Paragraph(told) for told in (_tell_seeds(benchmark), ranks) if told]
    points = [item.sentence for item in list_pairs_of_first(benchmark)]
    if points:
        blocks += [Paragraph(f"{benchmark.scored[0].name} against each of the others:"), Points(tuple(points))]
    if benchmark.smallest_difference:
        blocks.append(Paragraph(benchmark.smallest_difference))
    blocks += _tell_failures(benchmark.methods)
    return Section("findings", "What was found", tuple(blocks))


def list_pairs_of_first(benchmark: Benchmark) -> list[Comparison]:
    """Comparisons of the method with the highest mean Dice with the others, the best of these first."""
    places = {method.name: place for place, method in enumerate(benchmark.scored)}
    its = [item for item in benchmark.comparisons if 0 in (places.get(item.one), places.get(item.other))]
    return sorted(its, key=lambda item: places[item.one] + places[item.other])


def _say_first(benchmark: Benchmark) -> str:
    """What the cases show of the method with the highest mean Dice, and for which networks."""
    if not benchmark.scored:
        return "No method has a result."
    first, *others = (method.name for method in benchmark.scored)
    if not others:
        return f"{first} is the only method with a result; there is nothing to compare it with."
    start, standing = f"{first} has the highest mean Dice", split_others(first, list_pairs_of_first(benchmark))
    if not any(standing):
        return f"{start}; differences were not tested."
    sentences = [_say_standing(start, standing, _count_cases(benchmark)), say_scope(benchmark)]
    if standing.better:
        against = f"Case by case, {join(standing.better)} {'is' if len(standing.better) == 1 else 'are'} shown to be"
        sentences[1:1] = [f"{against} better than {first}.", TWO_AVERAGES]
    return " ".join(sentence for sentence in sentences if sentence)


def _say_standing(start: str, others: Others, cases: str) -> str:
    shown = f" and is shown to be better than {join(others.worse)}" if others.worse else ""
    if not others.unshown:
        return f"{start}{shown}, on {cases}." if shown else f"{start}, on {cases}."
    alike = f"{cases} do not show a difference to {join(others.unshown, 'or')}"
    return f"{start}{shown}; {alike}." if shown else f"{start}, but {alike}."


def _count_cases(benchmark: Benchmark) -> str:
    pooled = benchmark.scored[0].pooled
    return count(pooled.n_cases if pooled is not None else 0, "case")


def split_others(first: str, comparisons: Sequence[Comparison]) -> Others:
    """The methods that `first` was compared with, by what the cases show."""
    others = Others([], [], [])
    for item in comparisons:
        if first in (item.one, item.other):
            other = item.other if item.one == first else item.one
            chosen = others.unshown if not item.is_shown else others.better if is_won_by(other, item) else others.worse
            chosen.append(other)
    return others


def is_won_by(name: str, item: Comparison) -> bool:
    """Whether the method is the better of the two by mean difference."""
    return (item.mean_difference if item.one == name else -item.mean_difference) > 0


def say_scope(benchmark: Benchmark) -> str:
    """For which networks it holds what is shown; nothing where none was trained."""
    if not any(method.kind == "network" for method in benchmark.scored):
        return ""
    trained = f"{count(len(benchmark.folds), 'fold')} and {count(len(benchmark.seeds), 'seed')}"
    return (
        f"What is shown holds for the networks trained here ({trained} each): intervals tell what other cases would "
        "give, not what other trainings would."
    )


def find_seed_reach(benchmark: Benchmark, item: Comparison) -> float:
    """Two standard deviations of the difference between single trainings with other seeds; NaN where not known.

    Of two networks the variances add; what is not trained does not vary. Two seeds estimate it but roughly.
    """
    methods = {method.name: method for method in benchmark.methods}
    trained = [method for name in (item.one, item.other) if (method := methods[name]).kind == "network"]
    return 2 * math.hypot(*(method.seed_spread for method in trained)) if trained else math.nan


def is_within_seeds(benchmark: Benchmark, item: Comparison) -> bool:
    """Whether a difference is smaller than what other seeds make of it."""
    return abs(item.mean_difference) < find_seed_reach(benchmark, item)


def _tell_seeds(benchmark: Benchmark) -> str:
    """Which differences are shown by the cases and yet smaller than what seeds make of them."""
    small = [item for item in benchmark.comparisons if item.is_shown and is_within_seeds(benchmark, item)]
    if small:
        return (
            "Shown by the cases, yet below two standard deviations over seeds, so that trainings with other seeds "
            f"might not show it: {join([_name_winner(item) for item in small])}."
        )
    if len(benchmark.seeds) == 1 and say_scope(benchmark):
        return "Every network was trained with one seed; by how much another seed would differ was not measured."
    return ""


def _name_winner(item: Comparison) -> str:
    better, worse = (item.one, item.other) if is_won_by(item.one, item) else (item.other, item.one)
    return f"{better} over {worse} ({show_difference(abs(item.mean_difference))})"


def _tell_failures(methods: Sequence[MethodResult]) -> list[Block]:
    failed = [method for method in methods if method.failure is not None]
    if not failed:
        return []
    told = tuple(f"{method.name}: {method.failure}" for method in failed)
    return [Paragraph(f"{count(len(failed), 'method')} gave no result:"), Points(told)]


def find_quiet(benchmark: Benchmark) -> list[str]:
    """Floors, where anything else has a result: they are drawn in grey, or left out, so as not to hide the others."""
    floors = [method.name for method in benchmark.scored if method.kind == "floor"]
    return floors if len(floors) < len(benchmark.scored) else []
