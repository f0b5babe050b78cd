"""From the words of a plan to a network.

A network is a function of a configuration, the channels and the labels. In evaluation mode it maps (batch, channel,
*patch) to logits (batch, label, *patch); in training mode it may return a list of logits, finest first, for deep
supervision. `NETWORKS` is open: a name and a function make a new network known, and `methods` says whom each follows; a
plan may also name one of a person's own by its dotted path, `my_package.nets:MyNet`, which is called in the same way.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from autoseg.components import find_component, is_dotted
from autoseg.errors import PlanError
from autoseg.networks.method import Builder
from autoseg.networks.methods import METHODS, find_method
from autoseg.planning.network_names import find_fault
from autoseg.planning.plan import Configuration
from autoseg.planning.rules.memory_layout import decide_memory_layout

CONVOLUTIONS = {nn.Conv2d: 2, nn.ConvTranspose2d: 2, nn.Conv3d: 3, nn.ConvTranspose3d: 3}
CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}  # by number of dimensions


NETWORKS: dict[str, Builder] = {name: method.builder for name, method in METHODS.items()}


def build_network(configuration: Configuration, n_channels: int, n_outputs: int) -> nn.Module:
    """Build the network that a configuration names, with fresh weights from torch's generator.

    Args:
        n_channels: of the image, those of a previous segmentation included.
        n_outputs: labels including background, or regions.

    Raises:
        PlanError: no network has that name, or it has another number of dimensions; or the module of a person's own is
            missing here, or makes no network.
        UsageError: the library that an adapted network needs is not installed.
    """
    name = configuration.network.value
    if is_dotted(name):
        return _build_own(name, configuration, n_channels, n_outputs)
    return _find_builder(name, configuration.n_dimensions)(configuration, n_channels, n_outputs)


def _find_builder(name: str, n_dimensions: int) -> Builder:
    """Of an added network by its name alone; of autoseg's own also with a variant."""
    method = find_method(name)
    if name not in NETWORKS and (fault := find_fault(name)):
        raise PlanError(f"network {name} {fault}")
    if method is None:
        return NETWORKS[name]
    if n_dimensions not in method.n_dimensions:
        known = " or ".join(f"{n}D" for n in method.n_dimensions)
        raise PlanError(
            f"network {name}: is built in {known}, not in {n_dimensions}D. Choose another network for this."
        )
    return NETWORKS.get(name, method.builder)


def _build_own(path: str, configuration: Configuration, n_channels: int, n_outputs: int) -> nn.Module:
    """The network of a dotted path. Checkpoints hold its weights, but not its code."""
    build = find_component(path, where="network, whose code the plan and its checkpoints need")
    network = build(configuration, n_channels, n_outputs)
    if not isinstance(network, nn.Module):
        kind = type(network).__name__
        raise PlanError(
            f"network {path}: called with the configuration, channels and outputs, it must return a torch.nn.Module, "
            f"but it returned a {kind}."
        )
    return network


def place_network(
    network: nn.Module,
    device: torch.device,
    memory_layout: Literal["auto", "channels_last", "contiguous"] = "auto",
) -> nn.Module:
    """Move a network to a device, in a memory layout; `auto` is the rule's for that device.

    The weights of convolutions in that layout are enough: activations follow them.
    """
    network = network.to(device)
    for module in network.modules():
        n_dimensions = next((n for kind, n in CONVOLUTIONS.items() if isinstance(module, kind)), None)
        if n_dimensions is not None:
            ruled = decide_memory_layout(device=device.type, n_dimensions=n_dimensions).value
            layout = ruled if memory_layout == "auto" else memory_layout
            lasting = CHANNELS_LAST[n_dimensions] if layout == "channels_last" else torch.contiguous_format
            module.to(memory_format=lasting)  # type: ignore[call-overload]
    return network
