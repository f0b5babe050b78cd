"""What stands on the page, and in which order?"""

from __future__ import annotations

from collections.abc import Sequence

from autoseg.evaluation.benchmark import Benchmark
from autoseg.publishing.definition_section import make_definition_section
from autoseg.publishing.document import Document, Section
from autoseg.publishing.fairness import make_fairness_section, make_reproduction_section
from autoseg.publishing.figure_sections import (
    make_case_section,
    make_cost_section,
    make_learning_section,
    make_overlay_section,
    make_rank_section,
)
from autoseg.publishing.label_tables import make_label_section
from autoseg.publishing.main_table import make_main_section
from autoseg.publishing.numbers import count, join
from autoseg.publishing.overlays import MethodOverlay
from autoseg.publishing.settings_tables import make_settings_section
from autoseg.publishing.standing import make_findings


def make_document(
    benchmark: Benchmark, *, overlays: Sequence[MethodOverlay] = (), label_names: Sequence[str] = ()
) -> Document:
    """The page's content: what was found, the numbers, the figures, and how it all came about."""
    sections = (
        make_findings(benchmark),
        make_main_section(benchmark),
        make_case_section(benchmark),
        make_rank_section(benchmark.ranking) if benchmark.ranking is not None else None,
        make_label_section(benchmark),
        make_learning_section(benchmark),
        make_cost_section(benchmark),
        make_overlay_section(benchmark, overlays, label_names),
        make_fairness_section(benchmark),
        make_settings_section(benchmark),
        make_definition_section(benchmark),
        make_reproduction_section(benchmark),
    )
    return Document(
        title=f"{count(len(benchmark.methods), 'method')} on {benchmark.dataset}",
        subtitle=tell_what(benchmark),
        facts=_list_facts(benchmark),
        sections=_keep_filled(sections),
        closing="Written by autoseg benchmark. Raw scores: results.csv.",
    )


def _keep_filled(sections: Sequence[Section | None]) -> tuple[Section, ...]:
    return tuple(section for section in sections if section is not None and section.blocks)


def tell_what(benchmark: Benchmark) -> str:
    """One sentence on what was compared, of what has a result."""
    nouns = {"network": "network", "floor": "floor", "predictions": "outside system"}
    numbers = {kind: sum(method.kind == kind for method in benchmark.scored) for kind in nouns}
    if not benchmark.scored:
        return f"{count(len(benchmark.methods), 'method')} asked for; none has a result."
    named = join([count(number, nouns[kind]) for kind, number in numbers.items() if number])
    alike = ", evaluated alike on the same cases" if len(benchmark.scored) > 1 else ""
    trained = "; networks are trained alike: the same splits, patches and budget" if numbers["network"] > 1 else ""
    n_failed = len(benchmark.methods) - len(benchmark.scored)
    failed = f" {count(n_failed, 'method')} gave no result." if n_failed else ""
    return f"{named}{alike}{trained}.{failed}"


def _list_facts(benchmark: Benchmark) -> tuple[tuple[str, str], ...]:
    n_cases = benchmark.scored[0].pooled.n_cases if benchmark.scored and benchmark.scored[0].pooled else 0
    facts = (
        ("configuration", benchmark.configuration),
        ("cases", f"{n_cases:,}"),
        ("folds", ", ".join(map(str, benchmark.folds))),
        ("seeds", ", ".join(map(str, benchmark.seeds))),
        ("budget", benchmark.budget),
        ("device", benchmark.machine.get("device", "")),
        ("date", benchmark.date),
    )
    return tuple((name, value) for name, value in facts if value)
