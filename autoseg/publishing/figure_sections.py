"""What is seen of a comparison: spread, differences, ranks, learning, costs and cases? Figures with captions."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np

from autoseg.drawing.boxes import draw_boxes
from autoseg.drawing.close_ups import draw_close_ups
from autoseg.drawing.costs import Point, draw_costs
from autoseg.drawing.curves import Run, draw_curves
from autoseg.drawing.differences import Difference, draw_differences
from autoseg.drawing.ranks import draw_critical_difference, draw_rank_shares
from autoseg.evaluation.benchmark import Benchmark, MethodResult
from autoseg.evaluation.comparing import Comparison
from autoseg.evaluation.fronts import find_front
from autoseg.evaluation.mean_dice import find_mean_dice_interval
from autoseg.evaluation.pairing import pair_differences
from autoseg.evaluation.ranking import Ranking
from autoseg.evaluation.report import Report
from autoseg.publishing.document import Block, Folded, Paragraph, Picture, Section
from autoseg.publishing.main_table import COSTS, find_cost
from autoseg.publishing.numbers import choose_prefix, count, join, show_difference, show_share
from autoseg.publishing.overlays import MethodOverlay
from autoseg.publishing.pair_table import make_pair_table
from autoseg.publishing.standing import find_quiet

DRAWN_COSTS = ("flops_per_case", "training_memory_gb", "s_per_case", "n_parameters")


def make_case_section(benchmark: Benchmark) -> Section:
    """How Dice spreads over cases, and how methods differ on the same cases."""
    blocks: list[Block] = []
    if benchmark.scored:
        blocks.append(_draw_boxes(benchmark))
    differences = list_differences(benchmark)
    if differences:
        blocks.append(_draw_differences(benchmark, differences))
    if benchmark.comparisons:
        blocks.append(Folded("Every pair of methods", (make_pair_table(benchmark.comparisons),)))
    return Section("cases", "Case by case", tuple(blocks))


def list_dices(benchmark: Benchmark) -> dict[str, list[float]]:
    """Mean Dice of every case by method, best method first."""
    return {
        method.name: [case.mean_dice for case in method.pooled.cases]
        for method in benchmark.scored
        if method.pooled is not None
    }


def _draw_boxes(benchmark: Benchmark) -> Picture:
    dices = list_dices(benchmark)
    known = {name: [dice for dice in values if not math.isnan(dice)] for name, values in dices.items()}
    medians = [f"{name} {show_share(statistics.median(values))}" for name, values in known.items() if values]
    return Picture(
        "dice_per_case",
        draw_boxes(dices, quiet=find_quiet(benchmark)).encode(),
        "svg",
        "Every point is a case: its Dice, mean over labels and seeds. Box: middle half of the cases, with the median; "
        "whiskers: the last case within 1.5 boxes; diamond: mean. Beside ◂: number of cases beyond the left edge of a "
        "close-up. Grey: floors, simple references that hardly learn.",
        f"Box plots of Dice per case. Medians, best method first: {', '.join(medians)}.",
        title="Dice of every case",
    )


def list_differences(benchmark: Benchmark) -> list[Difference]:
    """The first method minus each of the others that were compared with it; floors are left out."""
    quiet = find_quiet(benchmark)
    named = {method.name: method.pooled for method in benchmark.scored if method.name not in quiet}
    reports = {name: report for name, report in named.items() if report is not None}
    first = next(iter(reports), "")
    compared = {frozenset((item.one, item.other)): item for item in benchmark.comparisons}
    return [
        _subtract(first, other, reports, compared[pair])
        for other in list(reports)[1:]
        if (pair := frozenset((first, other))) in compared
    ]


def _subtract(first: str, other: str, reports: dict[str, Report], item: Comparison) -> Difference:
    sign = 1.0 if item.one == first else -1.0
    low, high = sorted(sign * end for end in item.interval)
    cases = pair_differences(reports[first], reports[other], names=(first, other))
    return Difference(other, np.asarray(cases), sign * item.mean_difference, (low, high), item.is_shown)


def _draw_differences(benchmark: Benchmark, differences: Sequence[Difference]) -> Picture:
    first = benchmark.scored[0].name
    told = [
        f"{item.name} {show_difference(item.mean)}{'' if item.is_shown else ' (not shown)'}" for item in differences
    ]
    quiet = find_quiet(benchmark)
    left_out = f" Left out, being far away: {join(quiet)}." if quiet else ""
    return Picture(
        "paired_differences",
        draw_differences(first, differences).encode(),
        "svg",
        f"{first} minus each of the others on the same case: points are cases (triangles lie beyond the edge), the "
        "circle is their mean with its 95% interval. Filled orange: a difference is shown; open blue: none is."
        + left_out,
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
        f"Mean rank over {count(ranking.n_cases, 'case')}, 1 is best. A bar joins methods whose ranks cannot be told "
        "apart (Nemenyi, 5%).",
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


def list_runs(benchmark: Benchmark) -> dict[str, list[Run]]:
    """Dice against time of every run by method, for methods that have a curve, best first."""
    runs: dict[str, list[Run]] = {
        method.name: [
            ([point.spent_s for point in run.curve], [point.dice for point in run.curve])
            for run in method.runs
            if run.curve
        ]
        for method in benchmark.scored
    }
    return {name: of_method for name, of_method in runs.items() if of_method}


def make_learning_section(benchmark: Benchmark) -> Section | None:
    """Dice against training time; None where nothing was trained."""
    runs = list_runs(benchmark)
    if not runs:
        return None
    ends = [f"{name} {show_share(statistics.fmean(dices[-1] for _, dices in rows))}" for name, rows in runs.items()]
    curves = Picture(
        "learning_curves",
        draw_curves(runs).encode(),
        "svg",
        "Thin lines are single trainings, thick lines the mean of a method's. Dice of validation patches, which is "
        "measured while training and is not the Dice of whole cases above.",
        f"Dice against training time. At the end: {', '.join(ends)}.",
    )
    return Section("learning", "Dice against training time", (curves,))


def list_cost_panels(benchmark: Benchmark, costs: Sequence[str] = DRAWN_COSTS) -> dict[str, list[Point]]:
    """Points of Dice against cost by the cost's name, for costs that two methods or more tell."""
    panels = {}
    intervals = {
        method.name: find_mean_dice_interval(method.pooled, benchmark.fold_of)
        for method in benchmark.scored
        if method.pooled is not None
    }
    for name in costs:
        known = [method for method in benchmark.scored if math.isfinite(find_cost(method, name))]
        known = [method for method in known if method.kind != "floor"]
        if len(known) > 1:
            unit = choose_prefix([find_cost(method, name) for method in known])
            prefix, size = (unit.prefix, unit.size) if COSTS[name].is_prefixed else ("", 1.0)
            unit_name = f"{prefix}{COSTS[name].unit}" or "number"
            panels[f"{COSTS[name].title} ({unit_name})"] = [
                Point(method.name, find_cost(method, name) / size, method.mean_dice, intervals[method.name])
                for method in known
            ]
    return panels


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
    is_front = find_front([point.cost for point in points], [point.dice for point in points])
    return [point.name for point, is_on in zip(points, is_front, strict=True) if is_on]


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
        "Best, median and worst case of every method by mean Dice. The slice with most foreground is shown, close up. "
        "Filled: reference; line: prediction."
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
