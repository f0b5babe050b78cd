"""How does a new network begin with the weights of another? What fits is taken, and what does not is told.

Weights fit by name and shape. The first convolution is adapted to another number of channels; heads for other labels,
and all else of another shape, keep their fresh weights; from two dimensions to three nothing is attempted. Transfer
from a larger dataset: Chen et al., arXiv 1904.00625; adapted channels as in timm (Wightman, github.com/rwightman).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from autoseg.errors import WorkspaceError
from autoseg.networks.checkpoint import read_tensors

LEAST_CONVOLUTION = 4  # axes of a convolution's weights: outputs, inputs, and two or three of the kernel
N_SHOWN = 3  # names of tensors in a sentence


@dataclass(frozen=True)
class Pretrained:
    """Weights of a file.

    Attributes:
        weights: tensors by name.
        n_channels: of the images that they were trained with; None where the file does not say.
        where: the file, for errors.
    """

    weights: Mapping[str, Tensor]
    n_channels: int | None
    where: str


@dataclass(frozen=True)
class Loaded:
    """What became of the tensors of a network and of a file.

    Attributes:
        loaded: names that were taken as they are.
        adapted: names that were taken for another number of input channels.
        left: names of another shape in the file, which stay fresh.
        missing: names of the network that the file does not have, which stay fresh.
        unused: names of the file that the network does not have.
        share: of the network's values that come from the file.
    """

    loaded: tuple[str, ...]
    adapted: tuple[str, ...]
    left: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]
    share: float


def read_pretrained(path: Path) -> Pretrained:
    """Read a checkpoint of autoseg, or any safetensors file of named tensors.

    Raises:
        WorkspaceError: there is no such file, or it holds no tensors.
    """
    if not path.is_file():
        raise WorkspaceError(f"{path}: there is no such file. Give a checkpoint, or a safetensors file of weights.")
    try:
        weights, content = read_tensors(path)
    except WorkspaceError:
        weights, content = {}, {}
    if not weights:
        raise WorkspaceError(f"{path}: holds no weights that can be read. Give a checkpoint or a safetensors file.")
    channels = content.get("plan", {}).get("channels")
    return Pretrained(weights, len(channels) if channels else None, str(path))


def load_pretrained(
    network: nn.Module,
    weights: Mapping[str, Tensor],
    *,
    where: str,
    n_channels: int | None = None,
    n_channels_before: int | None = None,
) -> Loaded:
    """Put weights into a network where they fit by name and shape; the rest of it stays as it is.

    Args:
        network: changed in place.
        weights: tensors by name.
        where: the file they come from, for the error.
        n_channels: of the network's images; further input channels are a previous segmentation's. None for all.
        n_channels_before: the same of the network that the weights were trained in.

    Raises:
        WorkspaceError: nothing fits.
    """
    state = network.state_dict()
    fitting = {name: weights[name] for name in state if name in weights and weights[name].shape == state[name].shape}
    adapted = _adapt_first(state, weights, n_channels, n_channels_before)
    if not fitting and not adapted:
        raise WorkspaceError(_explain_misfit(where, list(weights), list(state)))
    network.load_state_dict({**state, **fitting, **adapted})
    taken = {*fitting, *adapted}
    n_values = sum(state[name].numel() for name in taken)
    return Loaded(
        loaded=tuple(fitting),
        adapted=tuple(adapted),
        left=tuple(name for name in state if name in weights and name not in taken),
        missing=tuple(name for name in state if name not in weights),
        unused=tuple(name for name in weights if name not in state),
        share=n_values / max(sum(tensor.numel() for tensor in state.values()), 1),
    )


def _adapt_first(
    state: Mapping[str, Tensor], weights: Mapping[str, Tensor], n_channels: int | None, n_channels_before: int | None
) -> dict[str, Tensor]:
    """The first convolution's weights by their name, if they differ in their inputs alone; else nothing."""
    first = next((name for name, tensor in state.items() if tensor.ndim >= LEAST_CONVOLUTION), "")
    if first not in weights:
        return {}
    old, new = weights[first], state[first]
    n_inputs = new.shape[1]
    if old.ndim != new.ndim or old.shape[1] == n_inputs or (old[:, 0].shape != new[:, 0].shape):
        return {}
    n_before, n_after = n_channels_before or old.shape[1], n_channels or n_inputs
    return {first: adapt_channels(old, n_inputs=n_inputs, n_before=n_before, n_after=n_after)}


def adapt_channels(weight: Tensor, *, n_inputs: int, n_before: int, n_after: int) -> Tensor:
    """The weights of a first convolution for another number of input channels.

    Where the images have as many channels as before, these keep their weights. Where not, each gets the mean over the
    channels before, times before / after: an image whose channels are all alike gives the same activations as before.
    Channels beyond the image's, of a previous segmentation, begin with zero.

    Args:
        weight: (outputs, inputs before, *kernel).
        n_inputs: input channels of the new network.
        n_before, n_after: how many of the input channels are the image's, in the old network and in the new.

    Returns:
        (outputs, n_inputs, *kernel).
    """
    image = weight[:, :n_before]
    if n_before != n_after:
        mean = image.float().mean(dim=1, keepdim=True) * (n_before / n_after)
        image = mean.to(weight.dtype).expand(-1, n_after, *(-1,) * (weight.ndim - 2))
    rest = weight.new_zeros(weight.shape[0], n_inputs - n_after, *weight.shape[2:])
    return torch.cat([image, rest], dim=1)


def _explain_misfit(where: str, given: list[str], wanted: list[str]) -> str:
    return (
        f"{where}: none of its {len(given)} tensors ({_show(given)}) fits this network ({_show(wanted)}) by name and "
        "shape. Take weights of a network with the same name, topology and width, or train without them."
    )


def describe_loaded(loaded: Loaded) -> str:
    """What was taken and what was not, in one sentence."""
    told = [f"{len(loaded.loaded)} tensors were taken"]
    if loaded.adapted:
        told.append(f"{_show(loaded.adapted)} was adapted to another number of channels")
    if loaded.left:
        told.append(f"{len(loaded.left)} of another shape begin anew ({_show(loaded.left)})")
    if loaded.missing:
        told.append(f"{len(loaded.missing)} that the file lacks begin anew ({_show(loaded.missing)})")
    if loaded.unused:
        told.append(f"{len(loaded.unused)} of the file have no place here ({_show(loaded.unused)})")
    return f"{loaded.share:.0%} of the network's values are pretrained: {'; '.join(told)}."


def _show(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(names[:N_SHOWN]) + (", ..." if len(names) > N_SHOWN else "")
