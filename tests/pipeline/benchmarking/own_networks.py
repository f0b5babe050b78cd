"""Networks of a person's own, good and bad, as `--methods` takes them by dotted path."""

from __future__ import annotations

from torch import Tensor, nn

from autoseg.errors import UsageError
from autoseg.planning.plan import Configuration


def make_pointwise(configuration: Configuration, n_channels: int, n_outputs: int) -> nn.Module:
    """One linear map for each voxel."""
    return nn.Conv3d(n_channels, n_outputs, 1)


def make_coarse(configuration: Configuration, n_channels: int, n_outputs: int) -> nn.Module:
    """Answers at half the resolution."""
    return nn.Conv3d(n_channels, n_outputs, 2, stride=2)


def refuse(configuration: Configuration, n_channels: int, n_outputs: int) -> nn.Module:
    """Lacks a library."""
    raise UsageError("needs the library nowhere: pip install nowhere.")


def crash(configuration: Configuration, n_channels: int, n_outputs: int) -> nn.Module:
    """Has a mistake."""
    raise KeyError("width")


class _Careless(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        logits: Tensor = self.network(image)
        return logits if self.training else [logits]


def make_careless(configuration: Configuration, n_channels: int, n_outputs: int) -> nn.Module:
    """Answers in prediction with a list, in training as it must."""
    return _Careless(make_pointwise(configuration, n_channels, n_outputs))


class _Shrinking(_Careless):
    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.network(image)
        return logits if self.training else logits[..., 1:]


def make_shrinking(configuration: Configuration, n_channels: int, n_outputs: int) -> nn.Module:
    """Loses a voxel in prediction alone."""
    return _Shrinking(make_pointwise(configuration, n_channels, n_outputs))


class _Infinite(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.network(image)
        return logits / (logits - logits)


def make_infinite(configuration: Configuration, n_channels: int, n_outputs: int) -> nn.Module:
    """Divides by zero."""
    return _Infinite(make_pointwise(configuration, n_channels, n_outputs))
