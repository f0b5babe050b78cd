"""MONAI's networks, as this project's plans build them.

Source: MONAI (monai.networks.nets, Apache-2.0), installed with the extra `monai`; nothing of it is copied here. Widths
and stages come from the plan where the network's definition leaves them open; what is the library's own, `differs`
says. Networks with fixed isotropic strides see patches padded to what they take (`padding`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from autoseg.errors import PlanError
from autoseg.networks.adapters.libraries import explaining_absence
from autoseg.networks.adapters.padding import Padded, fit_shape
from autoseg.networks.method import Method
from autoseg.planning.plan import Configuration

MOST_GROUPS = 8  # of SegResNet's group normalisation, as published
SEGRESNET_BLOCKS = (1, 2, 4)  # of the first stage, of those between, of the last: 1, 2, 2, 4 as published
SWIN_WIDTH_STEP = 12  # SwinUNETR's heads want a width that is a multiple of this
SWIN_MULTIPLE = 32  # a patch embedding of 2 and four halvings
UNETR_MULTIPLE = 16  # voxels of a token, along each axis
FEWEST_STAGES = 3  # of DynUNet: one at least between the first and the last


class SupervisedDynUNet(nn.Module):
    """A DynUNet that answers in training with a list of logits, finest first, each in its own resolution.

    MONAI registers each block twice, and enlarges coarse logits to the patch; neither is taken over: checkpoints hold
    a weight once, and coarse levels are supervised as those of other networks.

    Args:
        network: a `monai.networks.nets.DynUNet`.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.skip_layers = network.skip_layers
        self.output_block = network.output_block
        self._coarse: list[Tensor] = network.heads  # its layers leave the coarse logits there
        self._is_supervised = bool(network.deep_supervision)

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        finest = self.output_block(self.skip_layers(image))
        coarse = list(self._coarse)
        self._coarse[:] = [finest.new_empty(0)] * len(coarse)  # nothing of a batch stays behind
        if self.training and self._is_supervised:
            return [finest, *coarse]
        return finest  # type: ignore[no-any-return]


def build_segresnet(configuration: Configuration, n_channels: int, n_outputs: int) -> nn.Module:
    """SegResNet without its variational branch: a stage per stage of the plan, halving all axes."""
    width, n_stages = configuration.features.value[0], configuration.topology.value.n_stages
    first, between, last = SEGRESNET_BLOCKS
    network = _load("segresnet").SegResNet(
        spatial_dims=configuration.n_dimensions,
        init_filters=width,
        in_channels=n_channels,
        out_channels=n_outputs,
        dropout_prob=configuration.dropout.value or None,
        norm=("GROUP", {"num_groups": math.gcd(MOST_GROUPS, width)}),
        blocks_down=(*(first, *(between,) * n_stages)[: n_stages - 1], last),
        blocks_up=(1,) * (n_stages - 1),
    )
    return Padded(network, 2 ** (n_stages - 1))


def build_swin_unetr(configuration: Configuration, n_channels: int, n_outputs: int) -> nn.Module:
    """Swin UNETR with the multiple of 12 that is nearest to the plan's width."""
    n_steps = max(1, round(configuration.features.value[0] / SWIN_WIDTH_STEP))
    network = _load("swin_unetr").SwinUNETR(
        in_channels=n_channels,
        out_channels=n_outputs,
        feature_size=SWIN_WIDTH_STEP * n_steps,
        drop_rate=configuration.dropout.value,
        spatial_dims=configuration.n_dimensions,
    )
    return Padded(network, SWIN_MULTIPLE, n_deepest=2)


def build_unetr(configuration: Configuration, n_channels: int, n_outputs: int) -> nn.Module:
    """UNETR with ViT-B/16 as published, and a decoder of the plan's width."""
    patch_size = configuration.patch_size.value
    shape = fit_shape(patch_size, UNETR_MULTIPLE)
    network = _load("unetr").UNETR(
        in_channels=n_channels,
        out_channels=n_outputs,
        img_size=shape,
        feature_size=configuration.features.value[0],
        dropout_rate=configuration.dropout.value,
        spatial_dims=configuration.n_dimensions,
    )
    return Padded(network, UNETR_MULTIPLE, smallest=shape)


def build_dynunet(configuration: Configuration, n_channels: int, n_outputs: int) -> nn.Module:
    """DynUNet with the plan's strides, kernels, widths and supervision."""
    topology = configuration.topology.value
    if topology.n_stages < FEWEST_STAGES:
        raise PlanError(
            f"network dynunet: needs {FEWEST_STAGES} stages or more, but topology has {topology.n_stages}. "
            "Choose unet, or a larger patch_size."
        )
    n_coarse = topology.n_stages - FEWEST_STAGES if configuration.loss.value.deep_supervision else 0
    network = _load("dynunet").DynUNet(
        spatial_dims=configuration.n_dimensions,
        in_channels=n_channels,
        out_channels=n_outputs,
        kernel_size=_lists(topology.kernel_sizes),
        strides=_lists(topology.strides),
        upsample_kernel_size=_lists(topology.strides[1:]),
        filters=list(configuration.features.value),
        dropout=configuration.dropout.value or None,
        deep_supervision=n_coarse > 0,
        deep_supr_num=max(n_coarse, 1),
    )
    return SupervisedDynUNet(network)


def _lists(rows: Sequence[Sequence[int]]) -> list[list[int]]:
    return [list(row) for row in rows]


def _load(name: str) -> Any:
    """MONAI's networks. Raises UsageError where it is absent."""
    with explaining_absence(name, library="monai", extra="monai"):
        import einops  # noqa: F401  # which the transformers among them ask for when they are built
        from monai.networks import nets
    return nets


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "segresnet",
            build_segresnet,
            "Myronenko 2018, arXiv 1810.11654; MONAI's SegResNet",
            "without the variational branch; every stage halves all axes, whatever the plan's strides, and patches are "
            "padded to fit; kernels of 3; width doubles from the plan's first without a cap; no deep supervision",
        ),
        Method(
            "swin_unetr",
            build_swin_unetr,
            "Hatamizadeh et al. 2022, arXiv 2201.01266; MONAI's SwinUNETR",
            "trained from scratch; five halvings of all axes, depths, heads and windows of 7 are the library's; "
            "patches are padded to multiples of 32; width is the multiple of 12 nearest to the plan's; no deep "
            "supervision",
        ),
        Method(
            "unetr",
            build_unetr,
            "Hatamizadeh et al. 2022, arXiv 2103.10504; MONAI's UNETR",
            "trained from scratch; transformer ViT-B/16 and four halvings of all axes as published, patches are padded "
            "to multiples of 16; the decoder has the plan's first width; no deep supervision",
        ),
        Method(
            "dynunet",
            build_dynunet,
            "Isensee et al. 2021, Nature Methods; MONAI's DynUNet",
            "two convolutions per stage, no biases but the heads'; a decoder stage has the kernel of the next coarser "
            "one; weights are drawn as the library does",
        ),
    )
}
