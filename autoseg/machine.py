"""What may this process use of its machine? Cores and memory, within the limits of a container."""

from __future__ import annotations

import math
import os
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")


def count_cores() -> int:
    """Cores that this process may use: by the scheduler, and by the control group's quota."""
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _read_words("cpu.max")
    if len(quota) == 2 and quota[0] != "max":
        n_cores = min(n_cores, math.ceil(int(quota[0]) / int(quota[1])))
    return max(n_cores, 1)


def measure_free_memory_bytes() -> int:
    """Bytes that can be taken without swapping, within the control group's limit."""
    free = int(psutil.virtual_memory().available)
    limit, used = _read_words("memory.max"), _read_words("memory.current")
    if limit and used and limit[0] != "max":
        free = min(free, int(limit[0]) - int(used[0]))
    return max(free, 1)


def _read_words(name: str) -> list[str]:
    """The first line of a file of the control group; nothing where there is none."""
    try:
        return (CGROUP / name).read_text(encoding="utf-8").split("\n")[0].split()
    except OSError:
        return []
