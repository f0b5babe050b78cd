"""What do the numbers mean: every statistic, every metric, and what is empty or missing?"""

from __future__ import annotations

import re

from autoseg.evaluation.benchmark import Benchmark
from autoseg.publishing.document import Block, Heading, Pairs, Section
from autoseg.publishing.empty_masks import make_empty_table
from autoseg.publishing.numbers import count
from autoseg.publishing.standing import RANKS_AND_DIFFERENCES, TWO_AVERAGES, say_scope

# First words of what a report's definition says of each group of metrics (`evaluation.definitions`).
OPENINGS = {
    "Surfaces run": "Surfaces",
    "Boundary IoU is": "Boundary",
    "Lesions are": "Lesions",
    "clDice compares": "Centre lines",
    "ECE is": "Calibration",
    "Voxels that the reference leaves": "All metrics",
}
PARTING = re.compile(rf"(?<=[.)])\s+(?=(?:{'|'.join(OPENINGS)})\b)")


def make_definition_section(benchmark: Benchmark) -> Section:
    """What every metric means, empty masks included, and every statistic."""
    definitions = [method.pooled.definition for method in benchmark.scored if method.pooled is not None]
    parts = dict.fromkeys(part for definition in definitions for part in split_definition(definition))
    blocks: list[Block] = [make_empty_table(), Heading("Statistics"), Pairs(list_statistics(benchmark))]
    if parts:
        blocks += [Heading("Metrics"), Pairs(tuple(parts))]
    return Section("definitions", "Definitions", tuple(blocks))


def split_definition(definition: str) -> list[tuple[str, str]]:
    """The sentences on each group of metrics, with the group's name; a text that is not known stays whole."""
    return [
        (next((title for words, title in OPENINGS.items() if part.startswith(words)), "Overlap and volume"), part)
        for part in PARTING.split(definition)
    ]


def list_statistics(benchmark: Benchmark) -> tuple[tuple[str, str], ...]:
    """Every statistic of the page, with what it means."""
    pairs = count(len(benchmark.comparisons), "pair")
    told = (
        ("Mean Dice", TWO_AVERAGES),
        (
            "95% interval",
            "Expanded percentile bootstrap of cases, each fold for itself (Hesterberg 2015), of few cases at least as "
            "far as Student's t reaches; that of a score is cut off where the score ends.",
        ),
        ("Paired difference", "Of the mean foreground Dice of a case, both methods on the same cases."),
        (
            "Rightly empty labels",
            "A label that reference and prediction leave empty is not counted in mean Dice. In paired differences and "
            "ranks it counts as 1 where another method predicted something, which has 0 there; where all left it "
            "empty, it is not compared.",
        ),
        (
            "Shown",
            "A difference is shown when three things agree: the Wilcoxon signed-rank test, corrected by Holm for all "
            f"{pairs}, is below 5%; the 95% interval of the mean difference lies on that side of 0 to which the signed "
            "ranks lean; and so does the wider interval of level 5% over the number of pairs. Otherwise nothing is "
            "claimed: not that methods are equal.",
        ),
        ("What is shown, of which networks", say_scope(benchmark)),
        (
            "Ranks",
            "Every case ranks the methods by Dice, ties share their mean rank. If the Friedman test shows that ranks "
            "differ at all (5%), those that differ by less than the critical difference of Nemenyi (Demšar 2006) "
            "cannot be told apart; if it does not, none can. " + RANKS_AND_DIFFERENCES,
        ),
        ("Rank stability", "Shares of ranks over resampled cases (Wiesenfarth et al. 2021)."),
        (
            "Seeds",
            "A case's score is its mean over seeds, where a label that some seeds rightly left empty counts as perfect "
            "for these; a case is missing if it is for any seed. The spread is the standard deviation, over seeds, of "
            "the mean Dice of single trainings. A difference below two standard deviations of the difference between "
            "two such trainings is named: other seeds might not show it.",
        ),
        ("Pareto front", "Methods for which no other has a Dice at least as high at a cost at least as low."),
    )
    return tuple((name, text) for name, text in told if text)
