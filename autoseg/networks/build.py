"""From the words of a plan to a network.

A network is a function of a configuration, the channels and the labels. In evaluation mode it maps (batch, channel,
*patch) to logits (batch, label, *patch); in training mode it may return a list of logits, finest first, for deep
supervision. `NETWORKS` is open: a name and a function make a new network known to plans, commands and benchmarks.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from autoseg.errors import PlanError
from autoseg.networks.unet import UNet
from autoseg.planning.plan import Configuration
from autoseg.serialization import did_you_mean

Builder = Callable[[Configuration, int, int], nn.Module]


def build_unet(configuration: Configuration, n_channels: int, n_labels: int) -> nn.Module:
    """The plain U-Net of Isensee et al. 2021."""
    return _build_unet(configuration, n_channels, n_labels, residual=False)


def build_residual_unet(configuration: Configuration, n_channels: int, n_labels: int) -> nn.Module:
    """The U-Net with a residual encoder of arXiv 2404.09556."""
    return _build_unet(configuration, n_channels, n_labels, residual=True)


def _build_unet(configuration: Configuration, n_channels: int, n_labels: int, *, residual: bool) -> nn.Module:
    return UNet(
        n_channels,
        n_labels,
        topology=configuration.topology.value,
        features=configuration.features.value,
        blocks=configuration.blocks.value,
        residual=residual,
        deep_supervision=configuration.loss.value.deep_supervision,
    )


NETWORKS: dict[str, Builder] = {"unet": build_unet, "residual_unet": build_residual_unet}


def build_network(configuration: Configuration, n_channels: int, n_labels: int) -> nn.Module:
    """Build the network that a configuration names, with fresh weights from torch's generator.

    Raises:
        PlanError: no network has that name.
    """
    name = configuration.network.value
    if name not in NETWORKS:
        raise PlanError(f"network {name} is not known.{did_you_mean(name, NETWORKS)}")
    return NETWORKS[name](configuration, n_channels, n_labels)


def place_network(network: nn.Module, device: torch.device) -> nn.Module:
    """Move a network to a device, in the memory layout that is fastest there.

    On a CPU, three-dimensional convolutions run up to twice as fast in channels-last memory and two-dimensional ones
    in contiguous memory (benchmarks/LOG.md). Weights in that layout are enough: activations follow them.
    """
    if device.type == "cpu" and any(isinstance(module, nn.Conv3d) for module in network.modules()):
        return network.to(device=device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload, no-any-return]
    return network.to(device)
