"""A trained network as one file: weights in safetensors, and beside them, as plain data, the plan that they obey.

Nothing is pickled: the header of a safetensors file is JSON, and its tensors are bytes of a stated shape and type.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from autoseg.errors import AutosegError, WorkspaceError
from autoseg.networks.build import build_network
from autoseg.planning.plan import Configuration, Plan
from autoseg.serialization import dump_json, parse_json, parse_record, replacing

FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """A network's weights and everything needed to use them.

    Attributes:
        weights: tensors by parameter name.
        plan: the whole plan, as it was when training began.
        configuration: the configuration that was trained.
        fold: which fold, `0`, `1`, ...
        facts: what is known of the training: iterations, seconds, versions, cases.
    """

    weights: Mapping[str, Tensor]
    plan: Plan
    configuration: str
    fold: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> Configuration:
        return self.plan.find_configuration(self.configuration)


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint under a temporary name and rename it."""
    content = {
        "format": FORMAT,
        "plan": checkpoint.plan,
        "configuration": checkpoint.configuration,
        "fold": checkpoint.fold,
        "facts": dict(checkpoint.facts),
    }
    write_tensors(path, checkpoint.weights, content)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint. Raises WorkspaceError if the file is missing, damaged or of another kind."""
    weights, content = read_tensors(path)
    if content.get("format") != FORMAT:
        raise WorkspaceError(f"{path}: is not a checkpoint of format {FORMAT}, but {content.get('format')}.")
    plan = parse_record(Plan, content["plan"], where=str(path), error=WorkspaceError)
    return Checkpoint(weights, plan, content["configuration"], content["fold"], content["facts"])


def load_network(checkpoint: Checkpoint) -> nn.Module:
    """Build the network of a checkpoint, with its weights, in evaluation mode."""
    plan, settings = checkpoint.plan, checkpoint.settings
    n_inputs = settings.count_input_channels(len(plan.channels), plan.labels.n_labels)
    network = build_network(settings, n_inputs, plan.labels.n_outputs)
    network.load_state_dict(dict(checkpoint.weights))
    return network.eval()


def write_tensors(path: Path, tensors: Mapping[str, Tensor], content: Mapping[str, Any]) -> None:
    """Write named tensors and plain data as one safetensors file, atomically."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as temporary:
        save_file(contiguous, temporary, metadata={"autoseg": dump_json(content, indent=None)})


def read_content(path: Path) -> dict[str, Any]:
    """The plain data of a file of `write_tensors`, without its tensors. Raises as `read_tensors` does."""
    with _open_tensors(path) as (_, content):
        return content


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote. Raises WorkspaceError with a way out for a missing or damaged file."""
    with _open_tensors(path) as (stream, content):
        return {name: stream.get_tensor(name) for name in stream.keys()}, content  # noqa: SIM118


@contextmanager
def _open_tensors(path: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    if not path.is_file():
        raise WorkspaceError(f"{path}: there is no such checkpoint. Train this fold first.")
    try:
        with safe_open(path, framework="pt") as stream:
            yield stream, parse_json((stream.metadata() or {}).get("autoseg", "{}"), where=str(path))
    except (SafetensorError, AutosegError) as problem:
        raise WorkspaceError(
            f"{path}: is damaged or no checkpoint of autoseg ({problem}). Train the fold again."
        ) from None
