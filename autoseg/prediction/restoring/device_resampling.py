"""How are logits resampled on a GPU? By the matrices of `preprocessing.resampling`, multiplied there.

A matrix per axis and one product for each, in float32: the same values as on the CPU within rounding.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from autoseg.preprocessing.resampling import Matrices


def apply_on_device(values: Tensor, matrices: Matrices) -> Tensor:
    """Multiply a tensor by one matrix per trailing axis, shrinking axes first to keep intermediates small.

    Args:
        values: float32 (..., n_in_0, n_in_1, n_in_2), any number of leading axes.
        matrices: (n_out, n_in) or None for each of the trailing axes.
    """
    leading = values.ndim - len(matrices)
    growth = {axis: matrix.shape[0] / matrix.shape[1] for axis, matrix in enumerate(matrices) if matrix is not None}
    for axis in sorted(growth, key=growth.__getitem__):
        matrix = torch.from_numpy(np.array(matrices[axis], dtype=np.float32)).to(values.device)
        values = _apply_along(values, matrix, leading + axis)
    return values


def _apply_along(values: Tensor, matrix: Tensor, axis: int) -> Tensor:
    if axis == values.ndim - 1:
        return values @ matrix.T
    before, after = values.shape[:axis], values.shape[axis + 1 :]
    flat = values.reshape(-1, values.shape[axis], after.numel())
    return (matrix @ flat).reshape(*before, len(matrix), *after)
