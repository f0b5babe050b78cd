"""A plan, several plans, a comparison and findings, as a person reads them in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from autoseg.cli.console import print_table, stdout

if TYPE_CHECKING:
    from autoseg.planning.differing import Comparison
    from autoseg.planning.inspecting import Finding
    from autoseg.planning.plan import Configuration, Plan

COLUMNS = (
    *("configuration", "patch", "batch", "spacing mm", "network", "width"),
    *("training GB", "prediction GB", "s/iteration", "h/fold", "disk GB"),
)

WIDE = 140  # characters that the columns take, with a patch and a spacing of usual length


def say(sentence: str) -> None:
    """Print a sentence; it is never broken by the terminal's width."""
    stdout.print(sentence, markup=False, soft_wrap=True)


def print_plan(plan: Plan) -> None:
    """What each configuration is and costs, what all cost together, and what is left out and why."""
    print_wide_table(COLUMNS, [[name, *_describe(one)] for name, one in plan.configurations.items()])
    hours, disk = plan.cost.hours, plan.cost.disk_gb
    total = f"{hours.value:.3g} h in all" if hours.value is not None else "hours in all are not known"
    say(f"{total}: {hours.reason}.")
    say(f"{disk.value:.3g} GB on disk: {disk.reason}.")
    for name, decision in plan.left_out.items():
        say(f"No {name}: {decision.reason}.")


def print_wide_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table, turned on its side where the terminal is too narrow for its columns."""
    if stdout.width >= WIDE:
        print_table(columns, rows)
        return
    head, *lines = zip(columns, *rows, strict=True)
    print_table(head, lines)


def _describe(configuration: Configuration) -> list[Any]:
    return [
        _join(configuration.patch_size.value),
        str(configuration.batch_size.value),
        _join(round(mm, 3) for mm in configuration.spacing_mm.value),
        configuration.network.value,
        str(configuration.features.value[0]),
        _number(configuration.memory_gb.value),
        _number(configuration.prediction_memory_gb.value),
        _number(configuration.iteration_s.value),
        _number(configuration.fold_hours.value),
        _number(configuration.disk_gb.value),
    ]


def _join(values: Any) -> str:
    return " ".join(f"{value:g}" for value in values)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def print_variants(plans: Mapping[str, Plan]) -> None:
    """One row per plan and configuration, and which of them read the same preprocessed cases."""
    rows = [
        [variant, name, *_describe(one)] for variant, plan in plans.items() for name, one in plan.configurations.items()
    ]
    print_wide_table(["variant", *COLUMNS], rows)
    stores: dict[str, list[str]] = {}
    for variant, plan in plans.items():
        for name in plan.configurations:
            stores.setdefault(plan.preprocessing_digest(name), []).append(f"{variant}/{name}")
    shared = [users for users in stores.values() if len(users) > 1]
    for users in shared:
        say(f"One preprocessed store for {', '.join(users)}.")
    if not shared:
        say("No two of them can share preprocessed cases.")


def print_findings(findings: Sequence[Finding], path: object) -> None:
    """One line per finding, as editors and compilers write them, and their number."""
    for one in findings:
        say(f"{one.where}: {one.severity}: {one.message}")
    n_errors = sum(one.severity == "error" for one in findings)
    n_advice = len(findings) - n_errors
    say(f"{path}: {_count(n_errors, 'error')}, {_count(n_advice, 'piece')} of advice.")


def _count(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def print_comparison(comparison: Comparison) -> None:
    """What differs and why, and what it costs."""
    for fact in comparison.facts:
        say(f"note: {fact}")
    if not comparison.differences:
        say("No decision differs.")
    for one in comparison.differences:
        say(one.key)
        for sign, side in (("-", one.before), ("+", one.after)):
            say(f"  {sign} {side.shown}   ({side.reason})" if side else f"  {sign} not planned")
    rows = [
        [cost.key, _number(cost.before), _number(cost.after), _change(cost.before, cost.after)]
        for cost in comparison.costs
    ]
    if rows:
        print_table(["forecast from the values", "before", "after", "change"], rows)


def _change(before: float | None, after: float | None) -> str:
    if before is None or after is None or before == after:
        return ""
    return f"{after - before:+.3g}" + (f" ({after / before - 1:+.0%})" if before else "")
