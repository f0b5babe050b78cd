"""The U-Net with a plain or a residual encoder.

Source: Ronneberger et al., arXiv 1505.04597; plain form and deep supervision as in Isensee et al., Nature Methods 2021;
residual encoder as in nnU-Net Revisited, arXiv 2404.09556.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from autoseg.networks.blocks import ConvNormAct, PlainStage, ResidualStage, UpStage, convolve, initialize
from autoseg.planning.choices import Blocks, Topology


class UNet(nn.Module):
    """An encoder, a decoder, and one head per decoder stage.

    Args:
        n_channels: channels of the input.
        n_labels: labels including background, or regions: channels of the output.
        topology: strides and kernel sizes per stage, finest first; of a single stage there is no decoder, and the head
            stands on the encoder.
        features: channels per stage.
        blocks: encoder blocks and decoder convolutions per stage.
        residual: residual blocks and a stem in the encoder, instead of plain convolutions.
        deep_supervision: heads at every decoder stage but the coarsest (whose loss would weigh nothing), instead of
            at the finest alone.
        dropout: share of feature maps that training blanks after a convolution, of residual blocks after the first.

    In training with deep supervision, `forward` returns a list of logits, finest first; otherwise the finest logits
    (batch, n_labels, *patch).
    """

    def __init__(
        self,
        n_channels: int,
        n_labels: int,
        *,
        topology: Topology,
        features: Sequence[int],
        blocks: Blocks,
        residual: bool,
        deep_supervision: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        kernels, strides = topology.kernel_sizes, topology.strides
        n_in = features[0] if residual else n_channels
        ones = [1] * len(kernels[0])
        self.stem = ConvNormAct(n_channels, n_in, kernels[0], ones, dropout) if residual else nn.Identity()
        stage = ResidualStage if residual else PlainStage
        self.encoder = nn.ModuleList()
        for level, n_out in enumerate(features):
            self.encoder.append(stage(n_in, n_out, kernels[level], strides[level], blocks.encoder[level], dropout))
            n_in = n_out
        self.decoder = nn.ModuleList()
        self.heads = nn.ModuleList()
        for level in reversed(range(len(features) - 1)):
            below = (features[level + 1], features[level], kernels[level], strides[level + 1])
            self.decoder.append(UpStage(*below, n_blocks=blocks.decoder[level], dropout=dropout))
            if level == 0 or (deep_supervision and level < len(features) - 2):
                self.heads.append(convolve(features[level], n_labels, ones, ones))
        if not self.decoder:
            self.heads.append(convolve(features[0], n_labels, ones, ones))
        self.deep_supervision = deep_supervision
        initialize(self)

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        skips = []
        x = self.stem(image)
        for stage in self.encoder:
            x = stage(x)
            skips.append(x)
        levels = [] if self.decoder else [x]
        for up, skip in zip(self.decoder, reversed(skips[:-1]), strict=True):
            x = up(x, skip)
            levels.append(x)
        if self.training and self.deep_supervision:
            pairs = zip(reversed(self.heads), reversed(levels), strict=False)  # the coarsest level may have no head
            return [head(level) for head, level in pairs]
        return self.heads[-1](levels[-1])  # type: ignore[no-any-return]
