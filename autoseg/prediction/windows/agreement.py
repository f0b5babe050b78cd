"""How far do the networks of an ensemble agree? Counted on windows, so that no network's logits are held as a whole.

The agreement of two members about an output is the Dice of their segmentations, each voxel of each window weighing its
importance: what windows say about their middles decides, as in the segmentation itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from autoseg.prediction.windows.placing import Slices

Array = np.ndarray


@dataclass(frozen=True)
class Agreement:
    """What the members of an ensemble say about the same voxels.

    Attributes:
        n_members: networks.
        intersections: float64 (n_pairs, K), pairs in the order of itertools.combinations: importance of the voxels that
            both members give to an output.
        sizes: float64 (n_members, K): importance of the voxels that a member gives to an output.
    """

    n_members: int
    intersections: Array
    sizes: Array

    def mean_pairwise_dice(self) -> tuple[float | None, ...]:
        """Per output, the mean Dice over the pairs of members of which one sees it at all; None if there is none."""
        pairs = list(combinations(range(self.n_members), 2))
        totals = [self.sizes[a] + self.sizes[b] for a, b in pairs]
        return tuple(
            _mean(
                2 * shared[k] / total[k] for shared, total in zip(self.intersections, totals, strict=True) if total[k]
            )
            for k in range(self.sizes.shape[1])
        )


class AgreementCount:
    """The running sums of an `Agreement`, kept on the device that counts: it is asked for them once, at the end.

    Args:
        n_members: networks, two at least.
        n_outputs: K.
        device: of the decisions and of the importance.
    """

    def __init__(self, n_members: int, n_outputs: int, device: str | torch.device = "cpu") -> None:
        kind = torch.float32 if torch.device(device).type == "mps" else torch.float64
        self._intersections = torch.zeros(n_members * (n_members - 1) // 2, n_outputs, dtype=kind, device=device)
        self._sizes = torch.zeros(n_members, n_outputs, dtype=kind, device=device)

    def add(self, decisions: Sequence[Tensor], importance: Tensor, within: Slices) -> None:
        """Count one window.

        Args:
            decisions: per member what `decide` said, (z, y, x) or (K, z, y, x).
            importance: (z, y, x).
            within: the part of the window that lies in the image.
        """
        parts = [decision[..., within[0], within[1], within[2]] for decision in decisions]
        weights = importance[within].to(self._sizes.dtype)
        for member, part in enumerate(parts):
            self._sizes[member] += self._sum(part, part, weights)
        for pair, (first, second) in enumerate(combinations(parts, 2)):
            self._intersections[pair] += self._sum(first, second, weights)

    def finish(self) -> Agreement:
        intersections, sizes = (sums.cpu().double().numpy() for sums in (self._intersections, self._sizes))
        return Agreement(len(sizes), intersections, sizes)

    def _sum(self, first: Tensor, second: Tensor, weights: Tensor) -> Tensor:
        """Weight per output of the voxels where both decisions hold; nothing here waits for the device.

        Each row of voxels has bins of its own, so that threads of a GPU do not queue for a few of them.
        """
        if first.ndim > weights.ndim:
            return torch.stack([torch.where(a & b, weights, 0).sum() for a, b in zip(first, second, strict=True)])
        n_outputs = self._sizes.shape[1]
        shared = torch.where(first == second, first, n_outputs).long().flatten(0, 1)
        bins = torch.zeros(len(shared), n_outputs + 1, dtype=weights.dtype, device=weights.device)
        return bins.scatter_add_(1, shared, weights.flatten(0, 1)).sum(dim=0)[:n_outputs]


def decide(logits: Tensor, *, regions: bool) -> Tensor:
    """What logits (B, K, *patch) say: int16 labels (B, *patch), or bool (B, K, *patch) for regions."""
    return logits > 0 if regions else logits.argmax(dim=1).to(torch.int16)


def _mean(values: Iterable[float]) -> float | None:
    known = [float(value) for value in values]
    return sum(known) / len(known) if known else None
