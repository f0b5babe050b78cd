"""What does NVIDIA's driver say of the GPUs? Asked through its own command, without torch."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from typing import NamedTuple

from autoseg.errors import UsageError

GB_PER_MIB = 2**20 / 1e9
QUERY = ("nvidia-smi", "--query-gpu=index,uuid,memory.total,memory.free,name", "--format=csv,noheader,nounits")
QUERY_TIMEOUT_S = 10
VISIBLE = "CUDA_VISIBLE_DEVICES"  # the driver's own variable: torch counts `cuda:0`, `cuda:1` among these alone


class Gpu(NamedTuple):
    """A GPU as its driver describes it; memory in GB."""

    number: int
    uuid: str
    total_gb: float
    free_gb: float
    name: str


def list_gpus() -> tuple[Gpu, ...]:
    """NVIDIA GPUs in torch's order: those that `CUDA_VISIBLE_DEVICES` names, or all of them in the driver's.

    Raises:
        UsageError: the driver's command is missing, fails or reports no GPU, or the variable hides every one.
    """
    gpus = parse_gpus(_ask_driver())
    if not gpus:
        raise UsageError(f"device cuda: {QUERY[0]} reports no GPU on this machine. Use cpu, or mend the driver.")
    visible = choose_visible(gpus, os.environ.get(VISIBLE))
    if not visible:
        raise UsageError(f"device cuda: {VISIBLE}={os.environ[VISIBLE]} hides every GPU. Unset it, or use cpu.")
    return visible


def _ask_driver() -> str:
    if shutil.which(QUERY[0]) is None:
        raise UsageError(f"device cuda: there is no {QUERY[0]} on this machine. Use cpu, or install NVIDIA's driver.")
    try:
        return subprocess.run(QUERY, capture_output=True, text=True, timeout=QUERY_TIMEOUT_S, check=True).stdout
    except subprocess.TimeoutExpired:
        raise UsageError(f"device cuda: {QUERY[0]} gave no answer in {QUERY_TIMEOUT_S} s. Use cpu.") from None
    except (subprocess.CalledProcessError, OSError) as problem:
        said = (str(getattr(problem, "stdout", "")).strip() or str(problem)).splitlines()[0]
        raise UsageError(f"device cuda: {QUERY[0]} fails ({said}). Use cpu, or mend the driver.") from None


def parse_gpus(answer: str) -> tuple[Gpu, ...]:
    """Read the driver's answer: a line per GPU, memory in MiB. Where it does not tell the memory, there is no GPU."""
    lines = [[word.strip() for word in line.split(",", 4)] for line in answer.strip().splitlines()]
    return tuple(
        Gpu(int(line[0]), line[1], _in_gb(line[2]), _in_gb(line[3]), line[4])
        for line in lines
        if len(line) == 5 and all(line[column].isdecimal() for column in (0, 2, 3))
    )


def _in_gb(mib: str) -> float:
    return round(int(mib) * GB_PER_MIB, 2)


def choose_visible(gpus: Sequence[Gpu], visible: str | None) -> tuple[Gpu, ...]:
    """The GPUs that a value of `CUDA_VISIBLE_DEVICES` leaves, in its order; as for CUDA, an unknown word ends it."""
    if visible is None:
        return tuple(gpus)
    chosen: list[Gpu] = []
    for word in (part.strip() for part in visible.split(",")):
        found = [gpu for gpu in gpus if word == str(gpu.number) or _is_start(word, gpu.uuid)]
        if not found:
            break
        chosen.append(found[0])
    return tuple(chosen)


def _is_start(word: str, uuid: str) -> bool:
    """Whether a word is a GPU's UUID or the beginning of it, as CUDA allows."""
    return word.startswith("GPU-") and uuid.startswith(word)
