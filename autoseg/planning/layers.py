"""Which layers does a U-Net consist of, and what does each hold, save and compute?

One description serves memory and throughput, so that the two cannot disagree. It follows `networks/unet.py` layer by
layer; tests hold it against the real networks. Shapes are in axis order, without the batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from autoseg.planning.plan import Blocks, Topology

Shape = tuple[int, ...]


@dataclass(frozen=True)
class NetworkSketch:
    """Everything that a network's cost depends on, but for patch and batch.

    Attributes:
        network: `unet` or `residual_unet`.
        topology, features, blocks: one entry per stage, finest first.
        n_channels, n_labels: channels of input and output.
        deep_supervision: whether coarser decoder stages have heads.
    """

    network: str
    topology: Topology
    features: tuple[int, ...]
    blocks: Blocks
    n_channels: int
    n_labels: int
    deep_supervision: bool = True

    @property
    def is_residual(self) -> bool:
        return self.network == "residual_unet"

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
        n_saved: values that autograd keeps for the backward pass, counted where they first appear.
        n_written: values that the forward pass writes.
        n_logits: values of the network's outputs.
    """

    n_parameters: int = 0
    n_multiply_adds: int = 0
    n_saved: int = 0
    n_written: int = 0
    n_logits: int = 0


@lru_cache(maxsize=64)
def sum_layers(sketch: NetworkSketch, patch_size: Shape) -> Layer:
    """What all layers of a network cost together; the last few answers are kept, for rules ask in turn."""
    shapes = sketch.stage_shapes(patch_size)
    layers = [*_encoder(sketch, shapes), *_decoder(sketch, shapes)]
    return Layer(*(sum(column) for column in zip(*layers, strict=True)))


def _encoder(sketch: NetworkSketch, shapes: Sequence[Shape]) -> Iterator[Layer]:
    kernels = sketch.topology.kernel_sizes
    n_in = sketch.n_channels
    yield Layer(n_saved=n_in * math.prod(shapes[0]))  # the input itself
    if sketch.is_residual:
        yield _conv_norm_act(n_in, sketch.features[0], kernels[0], shapes[0])
        n_in = sketch.features[0]
    for stage, n_out in enumerate(sketch.features):
        is_strided = any(stride > 1 for stride in sketch.topology.strides[stage])
        for _ in range(sketch.blocks.encoder[stage]):
            if sketch.is_residual:
                yield from _residual_block(n_in, n_out, kernels[stage], shapes[stage], is_strided=is_strided)
            else:
                yield _conv_norm_act(n_in, n_out, kernels[stage], shapes[stage])
            n_in, is_strided = n_out, False


def _decoder(sketch: NetworkSketch, shapes: Sequence[Shape]) -> Iterator[Layer]:
    features, topology = sketch.features, sketch.topology
    for stage in reversed(range(len(features) - 1)):
        voxels, n_out = math.prod(shapes[stage]), features[stage]
        yield _transposed(features[stage + 1], n_out, topology.strides[stage + 1], shapes[stage + 1])
        yield Layer(n_saved=2 * n_out * voxels, n_written=2 * n_out * voxels)  # the concatenation with the skip
        n_in = 2 * n_out
        for _ in range(sketch.blocks.decoder[stage]):
            yield _conv_norm_act(n_in, n_out, topology.kernel_sizes[stage], shapes[stage])
            n_in = n_out
        if stage == 0 or (sketch.deep_supervision and stage < len(features) - 2):
            yield _head(n_out, sketch.n_labels, voxels)


def _conv_norm_act(n_in: int, n_out: int, kernel: Sequence[int], shape: Shape) -> Layer:
    """The normalisation saves its input, the activation (in place) its output; three passes write."""
    weights, values = n_in * n_out * math.prod(kernel), n_out * math.prod(shape)
    return Layer(weights + 3 * n_out, weights * math.prod(shape), n_saved=2 * values, n_written=3 * values)


def _residual_block(n_in: int, n_out: int, kernel: Sequence[int], shape: Shape, *, is_strided: bool) -> Iterator[Layer]:
    """Two convolutions; the second's normalised output is not saved, but the activated sum with the skip is."""
    voxels = math.prod(shape)
    yield _conv_norm_act(n_in, n_out, kernel, shape)
    second = _conv_norm_act(n_out, n_out, kernel, shape)
    yield Layer(second.n_parameters, second.n_multiply_adds, second.n_saved, n_written=4 * n_out * voxels)
    if n_in != n_out:
        pooled = n_in * voxels if is_strided else 0
        projected = n_out * voxels
        yield Layer(n_in * n_out + 2 * n_out, n_in * n_out * voxels, pooled + projected, pooled + 2 * projected)


def _transposed(n_in: int, n_out: int, strides: Sequence[int], shape_below: Shape) -> Layer:
    """Its input is saved already, its output only as part of the concatenation."""
    weights = n_in * n_out * math.prod(strides)
    values = n_out * math.prod(shape_below) * math.prod(strides)
    return Layer(weights + n_out, weights * math.prod(shape_below), n_written=values)


def _head(n_in: int, n_labels: int, voxels: int) -> Layer:
    weights, values = n_in * n_labels, n_labels * voxels
    return Layer(weights + n_labels, weights * voxels, n_written=values, n_logits=values)
