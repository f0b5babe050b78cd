"""What does a run follow from? What changed is run anew, so that a folder never holds the result of something else.

A network's run follows from its plan, its cases, its length and its code: of a network of one's own the file that
defines it, not what that file imports. Seconds are worth more on a faster machine and with more cores to themselves,
so that a budget of time belongs to its machine; iterations and operations are the same everywhere.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from autoseg import __version__
from autoseg.data.freshness import digest_listing
from autoseg.machine import count_cores
from autoseg.networks.methods import find_method
from autoseg.pipeline.benchmarking.circumstances import list_versions, name_device
from autoseg.pipeline.benchmarking.grounds import CommonGround, name_device_kind
from autoseg.pipeline.benchmarking.methods import Contender
from autoseg.pipeline.benchmarking.weighing import Weighed
from autoseg.planning.components_used import list_components
from autoseg.planning.plan import Plan, list_obeyed
from autoseg.serialization import digest, digest_file, to_plain

LIBRARIES = {  # distributions that a module of adapters calls
    "monai_networks": ("monai",),
    "segmentation_models": ("segmentation-models-pytorch", "timm"),
}


def name_place(ground: CommonGround, contender: Contender, weighed: Weighed | None, n_jobs: int) -> str:
    """The folder of a method's runs, named after all that they follow from but for fold and seed.

    Args:
        weighed: of a network.
        n_jobs: runs that share the machine.
    """
    if weighed is not None:
        obeyed = _list_obeyed_by_network(ground, contender, weighed, n_jobs)
    elif contender.folder is not None:
        obeyed = [digest_listing(contender.folder, leave_out=contender.folder / ".left_out"), __version__]
    else:
        plan = ground.plan
        obeyed = [list_obeyed(plan.normalization), to_plain(plan.labels), plan.axis_order.value, __version__]
    return f"{contender.file_name}-{digest([*obeyed, ground.case_digest])}"


def _list_obeyed_by_network(ground: CommonGround, contender: Contender, weighed: Weighed, n_jobs: int) -> list[Any]:
    before = {path.parent.name for files in ground.previous.values() for path in files.values()}
    return [
        weighed.plan.training_digest(ground.configuration),
        [to_plain(weighed.length), to_plain(weighed.trial_length)],
        dict(ground.group_of) if weighed.trial_length is not None else {},  # which trials do not divide
        digest_sources(weighed.plan, ground.configuration),
        list_versions(list_libraries(contender)),
        sorted(before),  # of a cascade: named after the weights that made the previous segmentations
        name_device_kind(ground),
        _name_machine(ground, n_jobs) if ground.terms.budget.kind == "time" else [],
    ]


def _name_machine(ground: CommonGround, n_jobs: int) -> list[Any]:
    """What a second is worth on."""
    return [name_device(ground.terms.device), count_cores(), n_jobs]


def digest_sources(plan: Plan, configuration: str) -> dict[str, str]:
    """The code of every component of one's own that a plan names, by its dotted path."""
    paths = dict.fromkeys(list_components(plan, configuration).values())
    return {path: _digest_module(path.partition(":")[0]) for path in paths}


def _digest_module(name: str) -> str:
    """Of the file that defines a module; empty where there is none, which training says better."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return ""
    origin = None if spec is None else spec.origin
    return digest_file(Path(origin)) if origin is not None and Path(origin).is_file() else ""


def list_libraries(contender: Contender) -> tuple[str, ...]:
    """Distributions that a network by name is built from."""
    method = find_method(contender.name) if contender.kind == "network" else None
    if method is None:
        return ()
    function = getattr(method.builder, "func", method.builder)  # a variant's builder is a partial one
    return LIBRARIES.get(function.__module__.rpartition(".")[2], ())
