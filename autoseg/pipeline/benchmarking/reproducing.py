"""Where was it run, and by which command is it run again?"""

from __future__ import annotations

import os
import platform
import shlex
from collections.abc import Sequence

import numpy as np
import torch

from autoseg import __version__
from autoseg.machine import count_cores
from autoseg.networks.device import choose_device
from autoseg.pipeline.benchmarking.grounds import CommonGround
from autoseg.pipeline.benchmarking.methods import Contender
from autoseg.pipeline.benchmarking.terms import Terms
from autoseg.pipeline.planning import ensure_device
from autoseg.pipeline.project import Project

BUDGET_OPTIONS = {"time": "--train-time", "iterations": "--iterations", "flops": "--flops"}


def describe_machine(ground: CommonGround, n_jobs: int) -> dict[str, str]:
    """Device, cores and versions, by name."""
    device = choose_device(ground.terms.device)
    kind = device.type if device.index is None else f"{device.type}:{device.index}"
    named = ensure_device(ground.project, ground.terms.device).name
    return {
        "device": f"{kind} ({named})" if named else kind,
        "cores": str(count_cores()),
        "runs at a time": str(n_jobs),
        "threads for each": str(max(1, count_cores() // n_jobs)),
        "threads that wait": os.environ.get("OMP_WAIT_POLICY", "as the system has it").lower(),
        "system": f"{platform.system()} {platform.machine()}",
        "autoseg": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "Python": platform.python_version(),
    }


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
