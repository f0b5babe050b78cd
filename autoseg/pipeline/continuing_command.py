"""Which command continues, scores or starts a fold, so that a person may type it?

Read from what a run left, without torch and without the plan's rules: `status` answers at once.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from autoseg.errors import AutosegError
from autoseg.serialization import parse_json, read_json
from autoseg.workspace import Run, Workspace


def phrase_command(workspace: Workspace, configuration: str, fold: str, run: Run, planned_length: Any) -> str:
    """What a person types to continue, to score, or to start a fold.

    Args:
        workspace: of the plan.
        configuration, fold: which.
        run: its files.
        planned_length: as the plan has it, as plain data.
    """
    words = ["autoseg", "train", _find_dataset(workspace), "--configuration", configuration, "--fold", fold]
    words += ["--workspace", str(workspace.root)]
    words += ["--variant", workspace.variant] if workspace.variant else []
    saved = read_saved(run)
    return shlex.join([*words, *_ask_as_begun(saved, fold), *_ask_for_length(saved, planned_length)])


def read_saved(run: Run) -> Mapping[str, Any]:
    """What the saved state says of its run: the header of a safetensors file, without a tensor."""
    if not run.resume.is_file():
        return {}
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(run.resume, framework="np") as stream:
            content = parse_json((stream.metadata() or {}).get("autoseg", "{}"), where=str(run.resume))
    except (SafetensorError, AutosegError, OSError):
        return {}
    return content if isinstance(content, Mapping) else {}


def _find_dataset(workspace: Workspace) -> str:
    """Where the dataset lay when it was read last."""
    content = read_json(workspace.dataset) if workspace.dataset.is_file() else {}
    return str(content.get("dataset", {}).get("folder", "DATASET"))


def _ask_as_begun(saved: Mapping[str, Any], fold: str) -> list[str]:
    """The seed and the pretrained weights of an unfinished run, which it is continued with."""
    seed = saved.get("seed", 0) - (int(fold) if fold.isdigit() else 0)
    words = ["--seed", str(seed)] if fold.isdigit() and seed > 0 else []
    return [*words, "--pretrained", saved["pretrained"]] if saved.get("pretrained") else words


def _ask_for_length(saved: Mapping[str, Any], planned: Any) -> Sequence[str]:
    """The words for the length that a run was begun with, where the plan has another."""
    begun = saved.get("base_length")
    if begun is None or begun == planned:
        return ()
    if begun.get("train_time_s") is not None:
        return ("--train-time", f"{begun['train_time_s']:g}s")
    return ("--iterations", str(begun["n_iterations"]))
