"""Where was it run, and by which command is it run again?"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from autoseg.pipeline.benchmarking.circumstances import Circumstances
from autoseg.pipeline.benchmarking.methods import Contender
from autoseg.pipeline.benchmarking.terms import Terms
from autoseg.pipeline.project import Project

BUDGET_OPTIONS = {"time": "--train-time", "iterations": "--iterations", "flops": "--flops"}


def describe_machine(circumstances: Sequence[Circumstances]) -> dict[str, str]:
    """Device, cores, means and versions by name: the union over runs, and a sentence where they differ."""
    values: dict[str, dict[str, None]] = {}
    for one in circumstances:
        for name, value in one.words.items():
            values.setdefault(name, {})[value] = None
    described = {name: ", ".join(met) for name, met in values.items()}
    sentence = phrase_differences(circumstances)
    return {**described, "not the same for all runs": sentence} if sentence else described


def phrase_differences(circumstances: Sequence[Circumstances]) -> str:
    """What runs did not share, in a sentence; empty where that is nothing."""
    named = [one.words for one in circumstances]
    names = dict.fromkeys(name for words in named for name in words)
    differing = [name for name in names if len({words[name] for words in named if name in words}) > 1]
    if not differing:
        return ""
    return (
        f"Runs were done under different circumstances ({', '.join(differing)}): what they cost, and what they reach "
        "within a time, compares only as far as these are alike."
    )


def phrase_command(project: Project, contenders: Sequence[Contender], terms: Terms, folds: Sequence[int]) -> str:
    """The command that runs the comparison, to be copied."""
    workspace = project.workspace
    words = ["autoseg", "benchmark", str(project.dataset.folder), "--workspace", str(workspace.root)]
    words += ["--variant", workspace.variant] if workspace.variant else []
    names = [one.name for one in contenders if one.folder is None]
    words += ["--methods", ",".join(names)] if names else []
    for one in contenders:
        words += ["--predictions", f"{one.name}={one.folder}"] if one.folder is not None else []
    words += ["--configuration", terms.configuration] if terms.configuration else []
    words += [word for fold in folds for word in ("--fold", str(fold))]
    words += [word for seed in terms.seeds for word in ("--seed", str(seed))]
    words += [BUDGET_OPTIONS[terms.budget.kind], _phrase_amount(terms)]
    words += ["--learning-rate", str(terms.learning_rate)] if terms.learning_rate != "fixed" else []
    words += ["--jobs", str(terms.n_jobs)] if terms.n_jobs > 1 else []
    words += ["--device", terms.device] if terms.device != "auto" else []
    return shlex.join(words)


def _phrase_amount(terms: Terms) -> str:
    amount = terms.budget.amount
    if terms.budget.kind == "time":
        return f"{amount:.10g}s"
    return f"{amount:.0f}" if terms.budget.kind == "iterations" else f"{amount:.10g}"
