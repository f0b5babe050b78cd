"""How is a volume resampled on a GPU? By the matrices of `preprocessing.resampling`, multiplied there.

A matrix per axis and one product for each, in float32: the same values as on the CPU within rounding.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from autoseg.preprocessing.resampling import Matrices, axis_orders, compute_matrices

Array = np.ndarray


def resample_on_device(
    volume: Array,
    new_shape: Sequence[int],
    order: int,
    *,
    device: torch.device,
    separate_axis: int | None = None,
    separate_order: int = 0,
) -> Array:
    """Interpolate a volume on another grid, as `preprocessing.resampling.resample` does, on a device.

    Args:
        volume: (Z, Y, X), any real type.
        new_shape, order, separate_axis, separate_order: as there.
        device: where it is computed; it holds the volume, the result and one between them.

    Returns:
        float32 array of `new_shape` within the range of the input: a spline's overshoot is clipped, with
        a separate axis slice by slice.
    """
    source = np.array(volume, dtype=np.float32, order="C")
    if source.shape == tuple(new_shape):
        return source
    matrices = compute_matrices(source.shape, new_shape, axis_orders(order, separate_axis, separate_order))
    in_plane = tuple(None if axis == separate_axis else matrix for axis, matrix in enumerate(matrices))
    through = tuple(matrix if axis == separate_axis else None for axis, matrix in enumerate(matrices))
    across = tuple(axis for axis in range(3) if axis != separate_axis)
    with torch.inference_mode():
        values = torch.from_numpy(source).to(device)
        values = _apply_clipped(_apply_clipped(values, in_plane, across), through, (0, 1, 2))
        result: Array = values.cpu().numpy()
    return result


def _apply_clipped(values: Tensor, matrices: Matrices, axes: tuple[int, ...]) -> Tensor:
    """Multiply by the matrices, and clip to the range that the values have along these axes."""
    if all(matrix is None for matrix in matrices):
        return values
    low, high = values.amin(dim=axes, keepdim=True), values.amax(dim=axes, keepdim=True)
    middle = low.min() / 2 + high.max() / 2  # taken off, so that a large offset does not eat float32's digits
    return apply_on_device(values - middle, matrices).add_(middle).clamp_(low, high)


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
