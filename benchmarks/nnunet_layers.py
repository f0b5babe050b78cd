"""Which layers do nnU-Net's own plans name? For both environments: the standard library alone."""

from __future__ import annotations

from typing import Any


def describe_layers(n_dimensions: int) -> dict[str, Any]:
    """Convolution, normalisation and activation, as the default planner of nnU-Net 2.8 writes them into plans.json."""
    return {
        "conv_op": f"torch.nn.modules.conv.Conv{n_dimensions}d",
        "conv_bias": True,
        "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{n_dimensions}d",
        "norm_op_kwargs": {"eps": 1e-05, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }


REQUIRING_IMPORT = ["conv_op", "norm_op", "dropout_op", "nonlin"]
