"""What does a network see of a batch, and what is it held to, on its device?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from autoseg.data.labels import Labels
from autoseg.networks.previous import join_previous
from autoseg.planning.choices import Augmentation
from autoseg.training.batches import Batch, RawBatch
from autoseg.training.device_augmentation import finish
from autoseg.training.losses import Target


@dataclass(frozen=True)
class Inputs:
    """A batch on the device.

    Attributes:
        image: float32 (B, C, *patch), the previous segmentation of a cascade included.
        target: what the logits are held to.
    """

    image: Tensor
    target: Target


def place_batch(
    batch: Batch | RawBatch, labels: Labels, device: torch.device, augmentation: Augmentation | None = None
) -> Inputs:
    """Bring a batch to the device; a raw one is augmented there."""
    if isinstance(batch, RawBatch):
        made = finish(batch, augmentation, batch.patch_size, device)
        image, segmentation, previous = made.image, made.segmentation, made.previous
    else:
        image = _send(batch.image, device)
        segmentation = _send(batch.segmentation, device).long()
        previous = None if batch.previous is None else _send(batch.previous, device)
    if previous is not None:
        image = join_previous(image, previous, labels.n_labels)
    return Inputs(image, make_target(segmentation, labels, batch.annotated))


def move_input(batch: Batch, n_labels: int, device: torch.device) -> Tensor:
    """What a network sees of a batch, on the device: float32 (B, C, *patch), previous segmentation included."""
    image = _send(batch.image, device)
    if batch.previous is None:
        return image
    return join_previous(image, _send(batch.previous, device), n_labels)


def make_target(segmentation: Tensor, labels: Labels, annotated: np.ndarray | None = None) -> Target:
    """What logits (B, n_outputs, *patch) are held to: labels or regions, and which of them each sample annotates.

    Args:
        segmentation: int64 (B, *patch) with labels and `IGNORED`.
        labels: of the dataset.
        annotated: bool (B, n_outputs), None where all are.
    """
    regions = tuple(region.labels for region in labels.regions) or None
    marks = None if annotated is None else torch.from_numpy(annotated).to(segmentation.device)
    return Target(segmentation, regions, marks)


def _send(array: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(array).to(device, non_blocking=True)
