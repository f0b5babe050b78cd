"""What does a checkpoint of nnU-Net hold, read without running any of it?

A `.pth` file is a pickle, which may name any function to be called while it is read. torch reads tensors and plain data
by itself (`weights_only`); beside those an explicit list of numpy's scalars and their types is allowed, which nnU-Net
logs. Whatever else a file names ends the import, and nothing of it has run.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autoseg.errors import WorkspaceError

FINAL, BEST = "checkpoint_final.pth", "checkpoint_best.pth"
NUMBERS = "?bhilqBHILQefd"  # numpy's plain numbers, by their letters; no objects
FOREIGN = re.compile(r"(?:GLOBAL|global:?) ([\w.]+)")


@dataclass(frozen=True)
class NnunetCheckpoint:
    """A trained network of nnU-Net's.

    Attributes:
        path: the file.
        weights: tensors by nnU-Net's names; of a file that is not compressed they are read when they are used.
        configuration: nnU-Net's name of what was trained.
        mirroring_axes: along which its predictions are mirrored; none where the trainer allows none.
        trainer: name of the class that trained it.
        n_epochs: how many it was trained for, None where the file does not tell.
    """

    path: Path
    weights: Mapping[str, Tensor]
    configuration: str
    mirroring_axes: tuple[int, ...]
    trainer: str
    n_epochs: int | None


def read_nnunet_checkpoint(path: Path) -> NnunetCheckpoint:
    """Read a checkpoint of nnU-Net v2.

    Raises:
        WorkspaceError: there is no such file, it is damaged, names code that is not on the list, or lacks what
            nnU-Net's prediction needs.
    """
    content = _load(path)
    weights = _find(content, "network_weights", dict, path)
    arguments = _find(content, "init_args", dict, path)
    if not weights or not all(isinstance(weight, Tensor) for weight in weights.values()):
        raise WorkspaceError(f"{path}: network_weights must hold tensors by name. Is it a checkpoint of nnU-Net v2?")
    epochs = content.get("current_epoch")
    return NnunetCheckpoint(
        path=path,
        weights=weights,
        configuration=_find(arguments, "configuration", str, path),
        mirroring_axes=tuple(int(axis) for axis in content.get("inference_allowed_mirroring_axes") or ()),
        trainer=str(content.get("trainer_name", "")),
        n_epochs=epochs if isinstance(epochs, int) else None,
    )


def list_allowed() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """What a pickle may name beside torch's own list: numpy's scalars and their types, under old and new names."""
    rebuild: Any = np.float64(0).__reduce__()[0]
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")  # before and after numpy 2
    kinds = {type(np.dtype(letter)) for letter in NUMBERS}
    return [
        *((rebuild, name) for name in names),
        (np.dtype, "numpy.dtype"),
        *((kind, f"{kind.__module__}.{kind.__qualname__}") for kind in kinds),
    ]


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise WorkspaceError(f"{path}: there is no such checkpoint.")
    try:
        with torch.serialization.safe_globals(list_allowed()):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as problem:
        raise WorkspaceError(f"{path}: {_explain(problem)}") from None
    except Exception as problem:  # whatever bytes make of a reader: torch and pickle promise nothing about damaged ones
        first = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise WorkspaceError(f"{path}: is damaged or no checkpoint of nnU-Net ({first}). Copy it anew.") from None
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise WorkspaceError(f"{path}: holds a {kind}, but a checkpoint of nnU-Net v2 is a dictionary.")
    return content


def _explain(problem: Exception) -> str:
    named = FOREIGN.search(str(problem))
    if named is None:
        return "is damaged or no checkpoint of nnU-Net. Copy it anew."
    return (
        f"names {named[1]}, which no checkpoint of nnU-Net needs; a file that may run code is not read. Ask whoever "
        "made it, or save its network_weights, init_args and inference_allowed_mirroring_axes alone."
    )


def _find(content: Mapping[str, Any], key: str, kind: type, path: Path) -> Any:
    value = content.get(key)
    if not isinstance(value, kind):
        came = "is missing" if value is None else f"is a {type(value).__name__}"
        raise WorkspaceError(f"{path}: {key} {came}, but a checkpoint of nnU-Net v2 has it as a {kind.__name__}.")
    return value
