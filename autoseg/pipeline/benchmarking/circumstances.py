"""On what machine, and by which means, was a run done?

Kept with every run of a network: a comparison may gather runs of several days, and of several machines.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Sequence

import numpy as np
import torch

from autoseg import __version__
from autoseg.machine import count_cores
from autoseg.networks.device import choose_device
from autoseg.planning.devices import find_processor_name
from autoseg.planning.plan import Configuration
from autoseg.planning.rules.memory_layout import decide_memory_layout
from autoseg.serialization import Record


class Circumstances(Record):
    """What a run met.

    Attributes:
        device: kind and name; GPUs of one kind are not told apart.
        cores: that the process could use.
        threads: of torch.
        n_jobs: runs at a time.
        waiting: how threads waited (OMP_WAIT_POLICY).
        memory_layout, compiled, engine: by which means a network was trained; empty where none was.
        system: its name and architecture.
        versions: by package.
    """

    device: str
    cores: int
    threads: int
    n_jobs: int
    waiting: str
    memory_layout: str = ""
    compiled: str = ""
    engine: str = ""
    system: str
    versions: dict[str, str]

    @property
    def words(self) -> dict[str, str]:
        """By name, as a reader sees them."""
        listed = {
            "device": self.device,
            "cores": str(self.cores),
            "runs at a time": str(self.n_jobs),
            "threads for each": str(self.threads),
            "threads that wait": self.waiting,
            "memory layout": self.memory_layout,
            "compiled": self.compiled,
            "augmentation by": self.engine,
            "system": self.system,
            **self.versions,
        }
        return {name: value for name, value in listed.items() if value}


def observe(device: str, n_jobs: int, libraries: Sequence[str] = ()) -> Circumstances:
    """What runs on a device meet here and now, when `n_jobs` share the machine.

    Args:
        device: as a person names it.
        n_jobs: runs at a time.
        libraries: distributions whose versions count beside those that always do.
    """
    return Circumstances(
        device=name_device(device),
        cores=count_cores(),
        threads=max(1, count_cores() // n_jobs),
        n_jobs=n_jobs,
        waiting=os.environ.get("OMP_WAIT_POLICY", "as the system has it").lower(),
        system=f"{platform.system()} {platform.machine()}",
        versions={**list_versions(libraries), "numpy": np.__version__, "Python": platform.python_version()},
    )


def add_means(circumstances: Circumstances, settings: Configuration, device: str, engine: str) -> Circumstances:
    """With the means by which a network is trained; `auto` is told as what it means on the device."""
    layout = settings.memory_layout.value
    if layout == "auto":
        kind = choose_device(device).type
        layout = decide_memory_layout(device=kind, n_dimensions=settings.n_dimensions).value
    compiled = "yes" if settings.compile.value else "no"
    return circumstances.model_copy(update={"memory_layout": layout, "compiled": compiled, "engine": engine})


def name_device(device: str) -> str:
    """Its kind, and the name of the processor or GPU that is there now, which a workspace from elsewhere cannot say."""
    chosen = choose_device(device)
    name = torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else find_processor_name()
    return f"{chosen.type} ({name})" if name else chosen.type


def list_versions(libraries: Sequence[str] = ()) -> dict[str, str]:
    """Of autoseg, torch, and these distributions as far as they are installed."""
    versions = {"autoseg": __version__, "torch": str(torch.__version__)}
    for name in libraries:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # the method that needs it says so
    return versions
