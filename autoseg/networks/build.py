"""From the words of a plan to a network.

A network is a function of a configuration, the channels and the labels. In evaluation mode it maps (batch, channel,
*patch) to logits (batch, label, *patch); in training mode it may return a list of logits, finest first, for deep
supervision. `NETWORKS` is open: a name and a function make a new network known to plans, commands and benchmarks; and
a plan may name one of a person's own by its dotted path, `my_package.nets:MyNet`, which is called in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import nn

from autoseg.components import find_component, is_dotted
from autoseg.errors import PlanError
from autoseg.networks.unet import UNet
from autoseg.planning.plan import Configuration
from autoseg.planning.rules.memory_layout import decide_memory_layout
from autoseg.serialization import did_you_mean

Builder = Callable[[Configuration, int, int], nn.Module]

CONVOLUTIONS = {nn.Conv2d: 2, nn.ConvTranspose2d: 2, nn.Conv3d: 3, nn.ConvTranspose3d: 3}
CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}  # by number of dimensions


def build_unet(configuration: Configuration, n_channels: int, n_outputs: int) -> nn.Module:
    """The plain U-Net of Isensee et al. 2021."""
    return _build_unet(configuration, n_channels, n_outputs, residual=False)


def build_residual_unet(configuration: Configuration, n_channels: int, n_outputs: int) -> nn.Module:
    """The U-Net with a residual encoder of arXiv 2404.09556."""
    return _build_unet(configuration, n_channels, n_outputs, residual=True)


def _build_unet(configuration: Configuration, n_channels: int, n_outputs: int, *, residual: bool) -> nn.Module:
    return UNet(
        n_channels,
        n_outputs,
        topology=configuration.topology.value,
        features=configuration.features.value,
        blocks=configuration.blocks.value,
        residual=residual,
        deep_supervision=configuration.loss.value.deep_supervision,
        dropout=configuration.dropout.value,
    )


NETWORKS: dict[str, Builder] = {"unet": build_unet, "residual_unet": build_residual_unet}


def build_network(configuration: Configuration, n_channels: int, n_outputs: int) -> nn.Module:
    """Build the network that a configuration names, with fresh weights from torch's generator.

    Args:
        n_channels: of the image, those of a previous segmentation included.
        n_outputs: labels including background, or regions.

    Raises:
        PlanError: no network has that name; or the module of a person's own is missing here, or makes no network.
    """
    name = configuration.network.value
    if is_dotted(name):
        return _build_own(name, configuration, n_channels, n_outputs)
    if name not in NETWORKS:
        raise PlanError(f"network {name} is not known.{did_you_mean(name, NETWORKS)}")
    return NETWORKS[name](configuration, n_channels, n_outputs)


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
