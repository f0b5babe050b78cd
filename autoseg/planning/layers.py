"""Which layers does a U-Net consist of, and what does each hold, save and compute?

One description serves memory and throughput, so that the two cannot disagree. It follows `networks/unet.py` layer by
layer; tests hold it against the real networks. Shapes are in axis order, without the batch. A network of one stage has
no decoder: its head stands on the encoder's only stage.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from autoseg.planning.choices import Blocks, Topology

Shape = tuple[int, ...]

SKETCHED = ("unet", "residual_unet")  # every other network is taken for a plain U-Net


@dataclass(frozen=True)
class NetworkSketch:
    """Everything that a network's cost depends on, but for patch and batch.

    Attributes:
        network: of `SKETCHED`, or any other, which is taken for a plain one.
        topology, features, blocks: one entry per stage, finest first.
        n_channels, n_labels: channels of input and output.
        deep_supervision: whether coarser decoder stages have heads.
        dropout: share of feature maps that training blanks.
    """

    network: str
    topology: Topology
    features: tuple[int, ...]
    blocks: Blocks
    n_channels: int
    n_labels: int
    deep_supervision: bool = True
    dropout: float = 0.0

    @property
    def is_residual(self) -> bool:
        return self.network == "residual_unet"

    @property
    def drops(self) -> bool:
        """Whether training blanks feature maps."""
        return self.dropout > 0

    @property
    def supervised_stages(self) -> tuple[int, ...]:
        """Stages with a head: the finest, and with deep supervision the decoder's others but the coarsest."""
        return tuple(range(max(len(self.features) - 2, 1))) if self.deep_supervision else (0,)

    def stage_shapes(self, patch_size: Sequence[int]) -> tuple[Shape, ...]:
        """Voxels per axis of every stage, finest first."""
        shapes, shape = [], tuple(patch_size)
        for strides in self.topology.strides:
            shape = tuple(size // stride for size, stride in zip(shape, strides, strict=True))
            shapes.append(shape)
        return tuple(shapes)


class Layer(NamedTuple):
    """What one layer costs, for one sample.

    Attributes:
        n_parameters: learned values.
        n_multiply_adds: multiply-adds of the forward pass.
        n_kept: values that autograd keeps for normalisations (their input) and activations (their output).
        n_apart: values that autograd keeps for convolutions alone: the image, concatenations and pooled maps. What else
            enters a convolution is an activation's output and counted there.
        n_written: values that the forward pass writes.
        n_logits: values of the network's outputs.
    """

    n_parameters: int = 0
    n_multiply_adds: int = 0
    n_kept: int = 0
    n_apart: int = 0
    n_written: int = 0
    n_logits: int = 0


@lru_cache(maxsize=64)
def sum_layers(sketch: NetworkSketch, patch_size: Shape) -> Layer:
    """What all layers of a network cost together; the last few answers are kept, for rules ask in turn."""
    return _add(sum_stages(sketch, patch_size))


@lru_cache(maxsize=64)
def sum_stages(sketch: NetworkSketch, patch_size: Shape) -> tuple[Layer, ...]:
    """What the layers of every stage cost together, finest first."""
    shapes = sketch.stage_shapes(patch_size)
    stages: list[list[Layer]] = [[] for _ in shapes]
    for stage, layer in chain(_encoder(sketch, shapes), _decoder(sketch, shapes)):
        stages[stage].append(layer)
    return tuple(_add(layers) for layers in stages)


def _add(layers: Sequence[Layer]) -> Layer:
    return Layer(*(sum(column) for column in zip(*layers, strict=True)))


def _encoder(sketch: NetworkSketch, shapes: Sequence[Shape]) -> Iterator[tuple[int, Layer]]:
    kernels = sketch.topology.kernel_sizes
    n_in = sketch.n_channels
    yield 0, Layer(n_apart=n_in * math.prod(shapes[0]))  # the image itself
    if sketch.is_residual:
        yield 0, _conv_norm_act(n_in, sketch.features[0], kernels[0], shapes[0], drops=sketch.drops)
        n_in = sketch.features[0]
    for stage, n_out in enumerate(sketch.features):
        strides = sketch.topology.strides[stage]
        for _ in range(sketch.blocks.encoder[stage]):
            if sketch.is_residual:
                for layer in _residual_block(n_in, n_out, kernels[stage], shapes[stage], strides, drops=sketch.drops):
                    yield stage, layer
            else:
                yield stage, _conv_norm_act(n_in, n_out, kernels[stage], shapes[stage], drops=sketch.drops)
            n_in, strides = n_out, (1,) * len(strides)


def _decoder(sketch: NetworkSketch, shapes: Sequence[Shape]) -> Iterator[tuple[int, Layer]]:
    features, topology = sketch.features, sketch.topology
    for stage in reversed(range(len(features) - 1)):
        voxels, n_out = math.prod(shapes[stage]), features[stage]
        yield stage, _transposed(features[stage + 1], n_out, topology.strides[stage + 1], shapes[stage + 1])
        yield stage, Layer(n_apart=2 * n_out * voxels, n_written=2 * n_out * voxels)  # the concatenation with the skip
        n_in = 2 * n_out
        for _ in range(sketch.blocks.decoder[stage]):
            yield stage, _conv_norm_act(n_in, n_out, topology.kernel_sizes[stage], shapes[stage], drops=sketch.drops)
            n_in = n_out
    for stage in sketch.supervised_stages:
        yield stage, _head(features[stage], sketch.n_labels, math.prod(shapes[stage]))


def _conv_norm_act(n_in: int, n_out: int, kernel: Sequence[int], shape: Shape, *, drops: bool = False) -> Layer:
    """The normalisation keeps its input, the activation (in place) its output; three passes write.

    Dropout writes once more and keeps a factor per map; its output takes the place of the convolution's.
    """
    weights, values = n_in * n_out * math.prod(kernel), n_out * math.prod(shape)
    return Layer(
        n_parameters=weights + 3 * n_out,
        n_multiply_adds=weights * math.prod(shape),
        n_kept=2 * values + drops * n_out,
        n_written=(3 + drops) * values,
    )


def _residual_block(
    n_in: int, n_out: int, kernel: Sequence[int], shape: Shape, strides: Sequence[int], *, drops: bool
) -> Iterator[Layer]:
    """Two convolutions; the second's normalised output is not kept, but the activated sum with the skip is."""
    voxels = math.prod(shape)
    yield _conv_norm_act(n_in, n_out, kernel, shape, drops=drops)
    yield _conv_norm_act(n_out, n_out, kernel, shape)._replace(n_written=4 * n_out * voxels)
    if n_in != n_out:
        projected = n_out * voxels
        pooled = n_in * voxels if math.prod(strides) > 1 else 0
        yield Layer(
            n_parameters=n_in * n_out + 2 * n_out,
            n_multiply_adds=n_in * projected,
            n_kept=projected,
            n_apart=pooled,
            n_written=pooled + 2 * projected,
        )


def _transposed(n_in: int, n_out: int, strides: Sequence[int], shape_below: Shape) -> Layer:
    """Its output is kept only as part of the concatenation."""
    weights = n_in * n_out * math.prod(strides)
    written = n_out * math.prod(shape_below) * math.prod(strides)
    return Layer(weights + n_out, weights * math.prod(shape_below), n_written=written)


def _head(n_in: int, n_labels: int, voxels: int) -> Layer:
    weights, values = n_in * n_labels, n_labels * voxels
    return Layer(weights + n_labels, weights * voxels, n_written=values, n_logits=values)
