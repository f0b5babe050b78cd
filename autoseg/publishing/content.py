"""What stands on the page, and in which order?"""

from __future__ import annotations

from collections.abc import Sequence

from autoseg.evaluation.benchmark import Benchmark
from autoseg.publishing.document import Document, Section
from autoseg.publishing.fairness import make_definition_section, make_fairness_section, make_reproduction_section
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
        subtitle=_tell_what(benchmark),
        facts=_list_facts(benchmark),
        sections=_keep_filled(sections),
        closing="Written by autoseg benchmark. Raw scores: results.csv.",
    )


def _keep_filled(sections: Sequence[Section | None]) -> tuple[Section, ...]:
    return tuple(section for section in sections if section is not None and section.blocks)


def _tell_what(benchmark: Benchmark) -> str:
    """One sentence on what was compared."""
    counted = [
        count(sum(method.kind == "network" for method in benchmark.methods), "network"),
        count(sum(method.kind == "floor" for method in benchmark.methods), "floor"),
        count(sum(method.kind == "predictions" for method in benchmark.methods), "outside system"),
    ]
    named = join([words for words in counted if not words.startswith("0 ")])
    return (
        f"{named}, evaluated alike on the same cases; networks are trained alike: the same splits, patches and budget."
    )


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
