"""A quick look at how well a network does during training: Dice over a fixed set of validation patches.

It is no substitute for whole cases on their own grid, which `evaluation` scores after training.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from autoseg.data.labels import IGNORED, Labels, Region
from autoseg.training.batches import Batch
from autoseg.training.inputs import move_input


@torch.inference_mode()
def measure_patch_dice(
    network: nn.Module, batches: Sequence[Batch], labels: Labels, device: torch.device
) -> dict[str, float | None]:
    """Dice of each foreground label, or region, its counts pooled over all patches; None where it is nowhere.

    What a sample does not annotate does not count, neither single voxels nor whole labels.
    """
    network.eval()
    overlap = torch.zeros(labels.n_outputs, dtype=torch.int64)
    total = torch.zeros(labels.n_outputs, dtype=torch.int64)
    for batch in batches:
        logits = network(move_input(batch, labels.n_labels, device)).cpu()
        target = torch.from_numpy(batch.segmentation).long()
        both, either = _count_regions(logits, target, labels.regions) if labels.regions else _count(logits, target)
        if batch.annotated is not None:
            is_annotated = torch.from_numpy(batch.annotated)
            both, either = both * is_annotated, either * is_annotated
        overlap += both.sum(0)
        total += either.sum(0)
    dice = {
        name: 2 * int(its_overlap) / int(its_total) if its_total else None
        for name, its_overlap, its_total in zip(labels.output_names, overlap, total, strict=True)
    }
    return {name: dice[name] for name, _ in labels.targets}


def _count(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Voxels (B, K) of each label in prediction and target both, and the sum of its voxels in either."""
    n_samples, n_labels = logits.shape[:2]
    predicted, supervised = logits.argmax(1), target != IGNORED
    first = torch.arange(n_samples).view(-1, *(1,) * (target.ndim - 1)) * n_labels  # each sample counts by itself

    def count(labels: Tensor, where: Tensor) -> Tensor:
        return torch.bincount((labels + first)[where], minlength=n_samples * n_labels).view(n_samples, n_labels)

    both = count(target, supervised & (predicted == target))
    return both, count(target, supervised) + count(predicted, supervised)


def _count_regions(logits: Tensor, target: Tensor, regions: Sequence[Region]) -> tuple[Tensor, Tensor]:
    """The same of each region, predicted where its logit is above 0."""
    supervised = target != IGNORED
    predicted = (logits > 0) & supervised.unsqueeze(1)
    wanted = torch.stack([torch.isin(target, torch.tensor(region.labels)) for region in regions], dim=1)
    return (predicted & wanted).flatten(2).sum(2), predicted.flatten(2).sum(2) + wanted.flatten(2).sum(2)
