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
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class FastConvolutions(TorchFunctionMode):
    """While it is entered, in this thread: 3D convolutions of float32 on a CPU go to oneDNN, where torch has it.

    Only for inference: what it calls has no gradient.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        if func is torch.conv3d and not kwargs and _suits(*args):
            return _convolve(*args)
        return func(*args, **(kwargs or {}))


def _suits(image: Tensor, weight: Tensor, bias: Tensor | None = None, *sizes: Any) -> bool:
    """Whether oneDNN takes these; sizes are stride, padding, dilation and groups, where padding may be a word."""
    return (
        torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and image.device.type == "cpu"
        and image.ndim == weight.ndim
        and image.dtype == weight.dtype == torch.float32
        and len(sizes) == 4
        and not isinstance(sizes[1], str)
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
