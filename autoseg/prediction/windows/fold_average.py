"""What do the networks of an ensemble say about a batch of windows, averaged over mirror images?

Source: Isensee et al., Nature Methods 2021; method part 5: all folds and all mirror images weigh the same, as logits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor

from autoseg.prediction.options import Mirroring
from autoseg.prediction.windows.adaptive_mirroring import predict_adaptively
from autoseg.prediction.windows.agreement import decide
from autoseg.prediction.windows.mirroring import Network, list_mirrorings, predict_mirrored

SLICE_AXIS = 2  # of windows (B, C, 1, y, x), which networks of two axes see without it


@dataclass(frozen=True)
class Ensemble:
    """Networks that see the same windows.

    Attributes:
        networks: each (B, C, *patch) -> logits (B, K, *patch).
        n_axes: of the patch that they see, 2 or 3.
        mirroring: over how many mirror images to average.
        axes: of the patch, counted from 0, along which mirroring is allowed.
        regions: whether outputs are regions, each decided alone, not labels of which the largest wins.
        keep_decisions: whether it matters what each network decides.
    """

    networks: Sequence[Network]
    n_axes: int
    mirroring: Mirroring
    axes: Sequence[int]
    regions: bool = False
    keep_decisions: bool = False


@dataclass(frozen=True)
class Answer:
    """What an ensemble says about a batch of windows.

    Attributes:
        logits: float32 (B, K, z, y, x), the mean; it may be the network's own tensor.
        decisions: per network, labels (B, z, y, x) or regions (B, K, z, y, x); empty if they were not kept.
        n_mirrorings: mirror images that each network saw, itself included, summed over the windows.
    """

    logits: Tensor
    decisions: tuple[Tensor, ...]
    n_mirrorings: int


def ask(ensemble: Ensemble, windows: Tensor, most: int) -> Answer:
    """Average an ensemble's logits over a batch of windows (B, C, z, y, x).

    Args:
        most: windows, mirror images included, that a network sees at once.
    """
    seen = windows.squeeze(SLICE_AXIS) if ensemble.n_axes == 2 else windows
    if ensemble.mirroring == "adaptive" and ensemble.axes:
        said = predict_adaptively(
            ensemble.networks, seen, ensemble.axes, regions=ensemble.regions, keep_members=ensemble.keep_decisions
        )
        return _combine(ensemble, said.members, len(said.members), sum(said.n_mirrorings))
    axes = () if ensemble.mirroring == "none" else ensemble.axes
    members = (predict_mirrored(network, seen, axes, most=most) for network in ensemble.networks)
    return _combine(ensemble, members, len(ensemble.networks), len(seen) * len(list_mirrorings(axes)))


def _combine(ensemble: Ensemble, members: Iterable[Tensor], n_members: int, n_mirrorings: int) -> Answer:
    """Average logits (B, K, *patch) that are made one after the other."""
    decisions: list[Tensor] = []
    total: Tensor | None = None
    for member in members:
        member = member.unsqueeze(SLICE_AXIS) if ensemble.n_axes == 2 else member
        if ensemble.keep_decisions:
            decisions.append(decide(member, regions=ensemble.regions))
        if total is None:
            total = member.clone() if n_members > 1 else member
        else:
            total += member
        del member  # before the next one is made
    assert total is not None  # an ensemble has a network
    return Answer(total.div_(n_members) if n_members > 1 else total, tuple(decisions), n_mirrorings)
