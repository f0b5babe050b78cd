"""Which kernel convolves a single small window on a CPU?

For one window whose channels and first two axes hold few values, torch falls back from oneDNN to an unfolding
convolution, which is slower. Asked for by name, oneDNN takes it, with the same result but for rounding. Measured with
one thread for a U-Net of 8 to 64 features, in seconds of a core per window:

    window        by default    by name
    40x56x40      0.364         0.047
    64x96x96      0.472         0.390
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

N_ARGUMENTS = 7  # of torch.conv3d
N_DIMENSIONS = 5  # batch, channels and three axes


class FastConvolutions(TorchFunctionMode):
    """While it is entered, in this thread: 3D convolutions of float32 on a CPU go to oneDNN, where torch has it.

    Whatever has a gradient, is being compiled, is no plain tensor, or is refused by oneDNN goes torch's own way.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        if func is torch.conv3d and not kwargs and _suits(*args):
            with suppress(RuntimeError, NotImplementedError):  # of shapes and groups that oneDNN does not take
                return _convolve(*args)
        return func(*args, **(kwargs or {}))


def _suits(*args: Any) -> bool:
    """Whether oneDNN takes these: image, weight, bias, stride, padding, dilation and groups, all of them spelt out."""
    if len(args) != N_ARGUMENTS or torch.is_grad_enabled() or torch.compiler.is_compiling():
        return False
    image, weight, bias, *sizes, _ = args
    tensors = [image, weight] if bias is None else [image, weight, bias]
    return (
        torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and bool(torch.backends.mkldnn.enabled)
        and all(type(one) in (Tensor, nn.Parameter) and one.device.type == "cpu" for one in tensors)
        and all(one.dtype == torch.float32 for one in tensors)
        and image.ndim == weight.ndim == N_DIMENSIONS
        and all(isinstance(size, Sequence) and len(size) == N_DIMENSIONS - 2 for size in sizes)
    )


def _convolve(
    image: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    result: Tensor = torch.ops.aten.mkldnn_convolution(image, weight, bias, padding, stride, dilation, groups)
    return result
