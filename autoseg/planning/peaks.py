"""What is in flight at a network's busiest moments, beside what autograd keeps?

Three moments can be the busiest: the loss on the finest level, the backward pass through the finest stage, and, without
autograd, a stage of the forward pass where all skips are still alive. Each is walked through here as `networks/unet.py`
and `training/losses.py` do it; tests hold the walks against the live tensors of the real networks. Bytes of one sample.

What kernels take for themselves was measured on a CPU (oneDNN 3.12, AVX2): in contiguous memory a convolution works on
copies of its tensors with channels in blocks of 8; in channels-last memory only the gradient of a kernel that is wide
along all axes takes a buffer. GPUs are assumed to copy as contiguous memory does; that is not measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autoseg.planning.layers import NetworkSketch

FLOAT32_BYTES = 4
HALF_BYTES = 2  # bfloat16 and float16
MIXED = ("bfloat16", "float16")  # precisions that mix halves with float32
TARGET_BYTES = 8  # int64
CHANNEL_BLOCK = 8  # channels that a convolution's own copies are rounded up to
FEW_CHANNELS = 3  # which are read as they are
LOSS_GRADIENTS = 5  # tensors like the logits, beside them, in soft Dice's gradient: two softmaxes, three gradients


@dataclass(frozen=True)
class Arithmetic:
    """How a device computes.

    Attributes:
        device: `cpu`, `cuda` or `mps`.
        precision: `float32`; or `bfloat16` or `float16` for CUDA's autocast: maps in that; weights and the loss in
            float32. Both halves take the same bytes.
    """

    device: str = "cpu"
    precision: str = "float32"

    @property
    def is_mixed(self) -> bool:
        return self.precision in MIXED

    @property
    def map_bytes(self) -> int:
        """Bytes of a value of a feature map."""
        return HALF_BYTES if self.is_mixed else FLOAT32_BYTES

    def copies_for_convolution(self, n_dimensions: int) -> bool:
        """Whether convolutions work on copies of their tensors: not in channels-last memory (`networks.build`)."""
        return self.device != "cpu" or n_dimensions == 2


def peak_of_loss(n_labels: int, shapes: Sequence[Sequence[int]], arithmetic: Arithmetic) -> int:
    """Bytes of cross-entropy and soft Dice beside the logits, at their busiest, for levels of these shapes."""
    kept = count_bytes_per_voxel(n_labels) * sum(math.prod(shape) for shape in shapes)
    products = 2 * FLOAT32_BYTES * (n_labels - 1)  # probabilities of the foreground, and their product with the truth
    widened = FLOAT32_BYTES * n_labels if arithmetic.is_mixed else 0  # logits in float32
    return max(kept, (count_bytes_per_voxel(n_labels) + products + widened) * math.prod(shapes[0]))


def count_bytes_per_voxel(n_labels: int) -> int:
    """Bytes per voxel that the loss keeps for its gradient: two softmaxes, targets, masks of supervision and labels."""
    return 2 * FLOAT32_BYTES * n_labels + TARGET_BYTES + n_labels


def peak_of_backward(sketch: NetworkSketch, patch_size: Sequence[int], arithmetic: Arithmetic) -> float:
    """Bytes in flight beside logits and kept activations while gradients pass the finest stage, less what it lets go.

    Coarser heads are differentiated first: their gradients wait until the decoder comes down to them.
    """
    shapes = sketch.stage_shapes(patch_size)
    voxels = math.prod(patch_size)
    waiting = sum(sketch.features[stage] * math.prod(shapes[stage]) for stage in sketch.supervised_stages[1:])
    loss = FLOAT32_BYTES * LOSS_GRADIENTS * sketch.n_labels
    steps = max(loss, *_walk_backward(sketch, patch_size, arithmetic))
    return arithmetic.map_bytes * waiting + steps * voxels


def _walk_backward(sketch: NetworkSketch, patch_size: Sequence[int], arithmetic: Arithmetic) -> Iterator[float]:
    """Bytes per voxel of the finest stage in flight at each step: gradients and copies, less what is freed by then."""
    width, labels = sketch.features[0], sketch.n_labels
    copies = arithmetic.copies_for_convolution(len(patch_size))
    arriving = FLOAT32_BYTES * labels + arithmetic.map_bytes * width
    yield arriving + copies * arithmetic.map_bytes * (_block(labels) + _block(width))
    freed = 0
    for n_in in _widths_entering_finest(sketch):
        yield arithmetic.map_bytes * 2 * width - freed  # the activation's gradient, then the normalisation's
        freed += arithmetic.map_bytes * 2 * width
        own = _gradient_buffer(n_in, width, sketch.topology.kernel_sizes[0], patch_size, arithmetic)
        yield arithmetic.map_bytes * (n_in + width) + own - freed


def _widths_entering_finest(sketch: NetworkSketch) -> Iterator[int]:
    """Channels that enter the finest convolutions, in the order of the backward pass."""
    width = sketch.features[0]
    if sketch.topology.n_stages == 1:
        yield from [width] * sketch.blocks.encoder[0]
    else:
        yield from [width] * (sketch.blocks.decoder[0] - 1)
        yield 2 * width


def _gradient_buffer(
    n_in: int, n_out: int, kernel: Sequence[int], patch_size: Sequence[int], arithmetic: Arithmetic
) -> float:
    """Bytes per voxel that a convolution takes for its gradients beside its tensors."""
    if arithmetic.copies_for_convolution(len(patch_size)):
        return arithmetic.map_bytes * (_block(n_in) + _block(n_out))
    if min(kernel) == 1:
        return 0
    slices = 1 + math.prod(kernel) / patch_size[0]  # the input, and a slice of it per kernel value
    return FLOAT32_BYTES * n_in * slices


def peak_of_forward(sketch: NetworkSketch, patch_size: Sequence[int], arithmetic: Arithmetic) -> int:
    """Bytes of live feature maps at the busiest moment of a forward pass without autograd, logits included."""
    voxels = [math.prod(shape) for shape in sketch.stage_shapes(patch_size)]
    maps = [arithmetic.map_bytes * width * n for width, n in zip(sketch.features, voxels, strict=True)]
    peak, alive = 0, 0  # skips stay alive to the end, and so does every decoder stage's output
    for stage, size in enumerate(maps):
        peak = max(peak, alive + _busiest_of_encoder(sketch, stage, voxels[stage], arithmetic))
        alive += size
    for stage in reversed(range(len(maps) - 1)):
        peak = max(peak, alive + _busiest_of_decoder(sketch, stage, voxels[stage], arithmetic))
        alive += maps[stage]
    return max(peak, alive + _busiest_of_head(sketch, arithmetic) * voxels[0])


def _busiest_of_encoder(sketch: NetworkSketch, stage: int, voxels: int, arithmetic: Arithmetic) -> int:
    """A block holds its input (the first's is a skip and counted as one, or the stem's output), and its own maps."""
    width = sketch.features[stage]
    n_blocks = sketch.blocks.encoder[stage]
    n_inputs = (n_blocks > 1) + (sketch.is_residual and stage == 0)
    held = arithmetic.map_bytes * width * (n_inputs + sketch.is_residual)
    return voxels * (held + _busiest_of_convolution(width, width, sketch, arithmetic))


def _busiest_of_decoder(sketch: NetworkSketch, stage: int, voxels: int, arithmetic: Arithmetic) -> int:
    """The concatenation stays alive through all convolutions of a stage."""
    width, n_convolutions = sketch.features[stage], sketch.blocks.decoder[stage]
    concatenation = arithmetic.map_bytes * 2 * width
    first = concatenation + _busiest_of_convolution(2 * width, width, sketch, arithmetic)
    if n_convolutions == 1:
        return voxels * first
    return voxels * max(
        first, concatenation + arithmetic.map_bytes * width + _busiest_of_convolution(width, width, sketch, arithmetic)
    )


def _busiest_of_head(sketch: NetworkSketch, arithmetic: Arithmetic) -> int:
    """Bytes per voxel of the logits; where kernels copy, a copy of them beside their input's, then beside them."""
    width, labels = sketch.features[0], sketch.n_labels
    if not arithmetic.copies_for_convolution(len(sketch.topology.strides[0])):
        return FLOAT32_BYTES * labels
    return FLOAT32_BYTES * (_block(labels) + max(_block(width), labels))


def _busiest_of_convolution(n_in: int, n_out: int, sketch: NetworkSketch, arithmetic: Arithmetic) -> int:
    """Bytes per voxel that a convolution and its normalisation hold beside their input."""
    own = arithmetic.map_bytes
    copies = arithmetic.copies_for_convolution(len(sketch.topology.strides[0]))
    convolving = own * ((_block(n_in) + _block(n_out)) if copies else n_out)
    return max(convolving, 2 * own * n_out)


def _block(n_channels: int) -> int:
    """Channels of a convolution's own copy."""
    return 0 if n_channels <= FEW_CHANNELS else math.ceil(n_channels / CHANNEL_BLOCK) * CHANNEL_BLOCK
