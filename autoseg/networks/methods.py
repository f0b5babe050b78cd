"""Which networks are there, whom does each follow, and what differs?

`unet` and `residual_unet` are autoseg's own; the baselines are published networks built from a plan's topology; the
adapters call other libraries, which are imported when a network is built and not before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import nn

from autoseg.networks.adapters import monai_networks, segmentation_models
from autoseg.networks.baselines.attention_unet import AttentionUNet
from autoseg.networks.baselines.fcn8s import FCN8s
from autoseg.networks.baselines.mednext import EXPANSIONS, MedNeXt
from autoseg.networks.baselines.unet_2015 import UNet2015
from autoseg.networks.baselines.unet_plus_plus import UNetPlusPlus
from autoseg.networks.baselines.vnet import VNet
from autoseg.networks.method import Builder, Method
from autoseg.networks.unet import UNet
from autoseg.planning.network_names import split_network
from autoseg.planning.plan import Configuration

FROM_THE_PLAN = "width, stages, strides and kernels from the plan"
NORMALIZED = "instance normalisation, as in unet, where it has none"
DROPOUT = "the plan's dropout after every convolution instead of"


def find_method(name: str) -> Method | None:
    """The method of a name, with its variant where it has one (`mednext@l`, `fpn@resnet50`); None if there is none."""
    network, variant = split_network(name)
    if network in segmentation_models.METHODS:
        return segmentation_models.find_method(name)
    method = METHODS.get(network)
    if method is None or variant is None:
        return method
    differs = _describe_mednext(variant) if network == "mednext" else method.differs
    return replace(method, name=name, differs=differs)


def _build_unet(configuration: Configuration, n_channels: int, n_outputs: int) -> nn.Module:
    return _follow_plan(
        UNet, configuration, n_channels, n_outputs, residual=False, deep_supervision=_asked(configuration)
    )


def _build_residual_unet(configuration: Configuration, n_channels: int, n_outputs: int) -> nn.Module:
    return _follow_plan(
        UNet, configuration, n_channels, n_outputs, residual=True, deep_supervision=_asked(configuration)
    )


def _build_mednext(configuration: Configuration, n_channels: int, n_outputs: int) -> nn.Module:
    size = split_network(configuration.network.value)[1] or next(iter(EXPANSIONS))
    is_deep = _asked(configuration)
    return _follow_plan(MedNeXt, configuration, n_channels, n_outputs, size=size, deep_supervision=is_deep)


def _describe_mednext(size: str) -> str:
    return (
        f"{FROM_THE_PLAN} instead of 32 features over five stages at 1 mm; transposed blocks are padded at the end of "
        f"an axis instead of its beginning; no head on the bottleneck; size {size.upper()}"
    )


def _build(network: Callable[..., nn.Module], *, supervises: bool) -> Builder:
    """Build a network of these; whether its definition has heads at several depths."""

    def build(configuration: Configuration, n_channels: int, n_outputs: int) -> nn.Module:
        heads = {"deep_supervision": _asked(configuration)} if supervises else {}
        return _follow_plan(network, configuration, n_channels, n_outputs, **heads)

    return build


def _follow_plan(
    network: Callable[..., nn.Module], configuration: Configuration, n_channels: int, n_outputs: int, **choices: object
) -> nn.Module:
    return network(
        n_channels,
        n_outputs,
        topology=configuration.topology.value,
        features=configuration.features.value,
        blocks=configuration.blocks.value,
        dropout=configuration.dropout.value,
        **choices,
    )


def _asked(configuration: Configuration) -> bool:
    return configuration.loss.value.deep_supervision


OWN = (
    Method("unet", _build_unet, "Isensee et al. 2021, Nature Methods (plain U-Net)", ""),
    Method("residual_unet", _build_residual_unet, "Isensee et al. 2024, arXiv 2404.09556 (residual encoder)", ""),
)
BASELINES = (
    Method(
        "unet_2015",
        _build(UNet2015, supervises=False),
        "Ronneberger et al. 2015, MICCAI, arXiv 1505.04597",
        f"{FROM_THE_PLAN} instead of 64 features over five stages in 2D; padded, so that shapes are kept; {DROPOUT} "
        f"dropout at the end of the contracting path; {NORMALIZED}",
    ),
    Method(
        "fcn8s",
        _build(FCN8s, supervises=False),
        "Long et al. 2015, CVPR, arXiv 1411.4038",
        f"from scratch instead of from ImageNet's weights; {FROM_THE_PLAN} instead of VGG-16's, and the coarsest stage "
        f"in place of 4,096 fully connected features; with fewer than five poolings the three coarsest depths are "
        f"scored; images are not padded by 100 voxels and scores not cropped; the scores of pool3 and pool4 are summed "
        f"as they are, not scaled down first; {DROPOUT} a half on the fully connected layers; {NORMALIZED}",
    ),
    Method(
        "vnet",
        _build(VNet, supervises=False),
        "Milletari et al. 2016, 3DV, arXiv 1606.04797",
        f"{FROM_THE_PLAN} instead of 16 features over five stages, with kernels of 5 where the plan has 3; "
        f"{NORMALIZED}; the plan's loss instead of Dice alone",
    ),
    Method(
        "unet_plus_plus",
        _build(UNetPlusPlus, supervises=True),
        "Zhou et al. 2018, DLMIA, arXiv 1807.10165",
        f"{FROM_THE_PLAN} instead of 32 features over five stages in 2D; {NORMALIZED}; {DROPOUT} that of the "
        "authors' code; each head before the last weighs half of the next instead of as much, and the last alone "
        "predicts instead of their mean",
    ),
    Method(
        "attention_unet",
        _build(AttentionUNet, supervises=True),
        "Oktay et al. 2018, MIDL, arXiv 1804.03999",
        f"{FROM_THE_PLAN} instead of 16 features over five stages; instance instead of batch normalisation; without "
        "the convolution that the authors' code puts after each gate (combine_gates); coarser stages are "
        "supervised at their own resolution instead of merged into the prediction",
    ),
    Method(
        "mednext",
        _build_mednext,
        "Roy et al. 2023, MICCAI, arXiv 2303.09975",
        f"{_describe_mednext(next(iter(EXPANSIONS)))}, as no other is named after an @",
    ),
)
METHODS: dict[str, Method] = {
    **{method.name: method for method in (*OWN, *BASELINES)},
    **monai_networks.METHODS,
    **segmentation_models.METHODS,
}
