"""What is seen of a comparison: spread, differences, ranks, learning, costs and cases? Figures with captions."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np

from autoseg.drawing.boxes import draw_boxes
from autoseg.drawing.close_ups import draw_close_ups
from autoseg.drawing.costs import Point, draw_costs, find_front_points
from autoseg.drawing.curves import draw_curves, find_end
from autoseg.drawing.differences import Difference, draw_differences
from autoseg.drawing.ranks import draw_critical_difference, draw_rank_shares
from autoseg.evaluation.benchmark import Benchmark, MethodResult
from autoseg.evaluation.bootstrapping import LEVEL
from autoseg.evaluation.ranking import Ranking
from autoseg.publishing.document import Block, Folded, Paragraph, Picture, Section
from autoseg.publishing.figure_data import list_cost_panels, list_dices, list_differences, list_runs
from autoseg.publishing.numbers import count, join, show_difference, show_p, show_share
from autoseg.publishing.overlays import MethodOverlay
from autoseg.publishing.pair_table import make_pair_table
from autoseg.publishing.standing import find_quiet


def make_case_section(benchmark: Benchmark) -> Section:
    """How Dice spreads over cases, and how methods differ on the same cases."""
    blocks: list[Block] = []
    if benchmark.scored:
        blocks.append(_draw_boxes(benchmark))
    first, differences = list_differences(benchmark)
    if differences:
        blocks.append(_draw_differences(first, differences, find_quiet(benchmark)))
    if benchmark.comparisons:
        blocks.append(Folded("Every pair of methods", (make_pair_table(benchmark),)))
    return Section("cases", "Case by case", tuple(blocks))


def _draw_boxes(benchmark: Benchmark) -> Picture:
    dices = list_dices(benchmark)
    known = {name: [dice for dice in values if not math.isnan(dice)] for name, values in dices.items()}
    quiet = find_quiet(benchmark)
    medians = [f"{name} {show_share(statistics.median(values))}" for name, values in known.items() if values]
    return Picture(
        "dice_per_case",
        draw_boxes(dices, quiet=quiet).encode(),
        "svg",
        "Every point is a case: its Dice, mean over labels and seeds. Box: middle half of the cases, with the median; "
        "whiskers: the last case within 1.5 boxes; diamond: mean. Beside ◂ and ▸: number of cases beyond the edge of a "
        "close-up." + (" Grey: floors, simple references that hardly learn." if quiet else ""),
        f"Box plots of Dice per case. Medians, best method first: {', '.join(medians)}.",
        title="Dice of every case",
    )


def _draw_differences(first: str, differences: Sequence[Difference], left_out: Sequence[str]) -> Picture:
    told = [
        f"{item.name} {show_difference(item.mean)}{'' if item.is_shown else ' (not shown)'}" for item in differences
    ]
    floors = f" Floors are left out: {join(left_out)}." if left_out else ""
    return Picture(
        "paired_differences",
        draw_differences(first, differences).encode(),
        "svg",
        f"{first} minus each of the others on the same case: points are cases (triangles lie beyond the edge), the "
        "circle is their mean with its 95% interval. Filled orange: a difference is shown; open blue: none is, "
        "for which it takes more than an interval that excludes 0 (see Definitions)." + floors,
        f"Paired differences in Dice, {first} minus: {', '.join(told)}.",
        title="Differences on the same cases",
    )


def make_rank_section(ranking: Ranking) -> Section:
    """Mean ranks with the critical difference, and how sure each rank is."""
    ranks = [f"{name} {rank:.2f}" for name, rank in zip(ranking.methods, ranking.mean_ranks, strict=True)]
    diagram = Picture(
        "critical_difference",
        draw_critical_difference(
            ranking.methods, ranking.mean_ranks, ranking.groups, ranking.critical_difference
        ).encode(),
        "svg",
        f"Mean rank over {count(ranking.n_cases, 'case')}, 1 is best. {_explain_bars(ranking)}",
        f"Critical-difference diagram. Mean ranks: {', '.join(ranks)}. Alike: "
        + ("; ".join(join(group) for group in ranking.groups) or "none")
        + ".",
        title="Mean ranks",
    )
    shares = {name: ranking.rank_shares[name] for name in ranking.methods if name in ranking.rank_shares}
    blocks: list[Block] = [diagram]
    if shares:
        blocks.append(_draw_shares(shares, ranking.stability))
    return Section("ranks", "Ranking and its stability", tuple(blocks))


def _explain_bars(ranking: Ranking) -> str:
    """What a bar stands for, which depends on whether the Friedman test shows that ranks differ at all."""
    if ranking.friedman_p >= LEVEL:
        return (
            f"The Friedman test does not show that the methods rank differently (p {show_p(ranking.friedman_p)}), so "
            "that one bar joins all, whatever their distance."
        )
    return "A bar joins methods whose ranks cannot be told apart (Nemenyi, 5%)."


def _draw_shares(shares: dict[str, tuple[float, ...]], stability: float) -> Picture:
    likeliest = [f"{name} rank {1 + int(np.argmax(row))} in {max(row):.0%}" for name, row in shares.items()]
    return Picture(
        "rank_stability",
        draw_rank_shares(shares).encode(),
        "svg",
        "How often each method came out at each rank when the cases were drawn anew. Mean Kendall tau between the "
        f"ranking and that of a resample: {stability:.2f} (1: always the same).",
        f"Shares of ranks over resamples. Most often: {'; '.join(likeliest)}.",
        title="Would other cases rank them so too?",
    )


def make_learning_section(benchmark: Benchmark) -> Section | None:
    """Dice against training time; None where nothing was trained."""
    runs = list_runs(benchmark)
    if not runs:
        return None
    ends = [f"{name} {show_share(find_end(of_method))}" for name, of_method in runs.items()]
    curves = Picture(
        "learning_curves",
        draw_curves(runs).encode(),
        "svg",
        "Thin lines are single trainings, thick lines the mean of a method's; the number beside a name is the end of "
        "the thick line. Dice of validation patches, which is measured while training and is not the Dice of whole "
        "cases above.",
        f"Dice against training time. At the end: {', '.join(ends)}.",
    )
    return Section("learning", "Dice against training time", (curves,))


def make_cost_section(benchmark: Benchmark) -> Section | None:
    """Dice against costs with the Pareto front; None where no cost is known of two methods."""
    panels = list_cost_panels(benchmark)
    if not panels:
        return None
    fronts = [f"{title}: {join(_name_front(points))}" for title, points in panels.items()]
    picture = Picture(
        "dice_against_costs",
        draw_costs(panels).encode(),
        "svg",
        "Mean Dice with its 95% interval against costs. Filled: on the Pareto front, which the line joins; open: "
        "another method has a Dice at least as high at a cost at least as low. Whether a difference is shown, paired "
        "differences say, not these intervals.",
        f"Dice against costs. On the front, by cost: {'; '.join(fronts)}.",
    )
    return Section("costs", "Dice against costs", (picture,))


def _name_front(points: Sequence[Point]) -> list[str]:
    return [point.name for point in find_front_points(points)]


def make_overlay_section(
    benchmark: Benchmark, overlays: Sequence[MethodOverlay], label_names: Sequence[str]
) -> Section | None:
    """Best, median and worst case of every method; None without."""
    blocks: list[Block] = []
    for number, method in enumerate(benchmark.scored):
        its = [item for item in overlays if item.method == method.name]
        if its:
            blocks.append(_draw_method(method, its, label_names, number))
    if not blocks:
        return None
    told = (
        "Best, median and worst of every method by mean Dice, among the cases with a prediction. The slice with most "
        "foreground is shown, close up. Filled: reference; line: prediction."
    )
    return Section("overlays", "Best, median and worst cases", (Paragraph(told), *blocks))


def _draw_method(
    method: MethodResult, items: Sequence[MethodOverlay], label_names: Sequence[str], number: int
) -> Picture:
    named = [f"{item.role}: {item.overlay.case_id}" for item in items]
    return Picture(
        f"overlays_{number + 1}",
        draw_close_ups([(item.role, item.overlay) for item in items], label_names=label_names),
        "jpg",
        "",
        f"Segmentations by {method.name} over the image; {', '.join(named)}.",
        title=method.name,
    )
