"""A quick look at how well a network does during training: Dice over a fixed set of validation patches.

It is no substitute for whole cases on their own grid, which `evaluation` scores after training.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from autoseg.data.labels import IGNORED, Labels
from autoseg.training.batches import Batch
from autoseg.training.device import move_input


@torch.inference_mode()
def measure_patch_dice(
    network: nn.Module, batches: Sequence[Batch], labels: Labels, device: torch.device
) -> dict[str, float | None]:
    """Dice of each foreground label, its counts pooled over all patches; None where the label is nowhere."""
    network.eval()
    overlap = torch.zeros(labels.n_labels, dtype=torch.int64)
    total = torch.zeros(labels.n_labels, dtype=torch.int64)
    for batch in batches:
        predicted = network(move_input(batch, labels.n_labels, device)).argmax(1).cpu()
        target = torch.from_numpy(batch.segmentation).long()
        supervised = target != IGNORED
        predicted, target = predicted[supervised], target[supervised]
        overlap += torch.bincount(target[predicted == target], minlength=labels.n_labels)
        total += torch.bincount(target, minlength=labels.n_labels) + torch.bincount(
            predicted, minlength=labels.n_labels
        )
    return {
        labels.names[label]: 2 * int(overlap[label]) / int(total[label]) if total[label] else None
        for label in labels.foreground
    }
