"""How does the training device augment a batch by itself?

The same transforms with the same strengths as the workers apply in `augmentation`, drawn from the same variations:
whoever augments, a seed means the same batch, but for rounding and the realisation of the noise. Workers only read
patches then. Each turned patch comes with its own margin, so that patches are turned one by one; intensities are
changed for the whole batch together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from autoseg.planning.choices import Augmentation
from autoseg.training.augmentation import Variation
from autoseg.training.batches import RawBatch
from autoseg.training.custom_transforms import apply_custom
from autoseg.training.device_intensity import change_intensities
from autoseg.training.device_turning import turn_on_device

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Tensors:
    """A batch on the training device.

    Attributes:
        image: float32 (B, C, *patch).
        segmentation: int64 (B, *patch) with labels and `IGNORED`.
        previous: int64 (B, *patch), the previous segmentation of a cascade; None without one.
    """

    image: Tensor
    segmentation: Tensor
    previous: Tensor | None = None


@torch.no_grad()
def finish(
    raw: RawBatch, augmentation: Augmentation | None, patch_size: Sequence[int], device: torch.device
) -> Tensors:
    """Augment a batch on the device.

    Args:
        raw: sources, and what to do with each.
        augmentation: the ranges that strengths are drawn from; None for patches that are not varied.
        patch_size: (z, y, x), or (y, x) for a 2D network.
        device: of the training.

    Raises:
        PlanError: a user's own transform is not there, or gave something else than it has to.
    """
    size = tuple(patch_size)
    previous = None if raw.previous is None else _move(raw.previous, device)
    if raw.variations is None or augmentation is None:
        image, labels = _move(np.stack(raw.images), device), _move(np.stack(raw.segmentations), device)
        return Tensors(image, labels.long(), None if previous is None else previous.long())
    with torch.autocast(device.type, enabled=False):
        image, labels = _turn(raw, raw.variations, size, device)
        change_intensities(image, augmentation, raw.variations)
        image, labels = _mirror(image, labels, raw.variations)
        if augmentation.custom:
            image, labels, previous = _customise(image, labels, previous, augmentation.custom, raw.variations)
    return Tensors(image, labels.long(), None if previous is None else previous.long())


def _move(array: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(device, non_blocking=True)


def _turn(
    raw: RawBatch, variations: Sequence[Variation], patch_size: Shape, device: torch.device
) -> tuple[Tensor, Tensor]:
    images, labels = [], []
    for source, segmentation, variation in zip(raw.images, raw.segmentations, variations, strict=True):
        image, label_map = _move(source, device), _move(segmentation, device)
        if variation.turn.moves:
            image, label_map = turn_on_device(image, label_map, variation.turn, patch_size)
        images.append(image)
        labels.append(label_map)
    return torch.stack(images), torch.stack(labels)


def _mirror(image: Tensor, labels: Tensor, variations: Sequence[Variation]) -> tuple[Tensor, Tensor]:
    images = [one.flip([axis + 1 for axis in v.mirrored_axes]) for one, v in zip(image, variations, strict=True)]
    maps = [one.flip(list(v.mirrored_axes)) for one, v in zip(labels, variations, strict=True)]
    return torch.stack(images), torch.stack(maps)


def _customise(
    image: Tensor, labels: Tensor, previous: Tensor | None, paths: Sequence[str], variations: Sequence[Variation]
) -> tuple[Tensor, Tensor, Tensor | None]:
    """A user's own transforms are numpy's: there and back."""
    maps = (labels if previous is None else torch.stack([labels, previous], dim=1)).cpu().numpy()
    maps = maps.reshape(len(labels), -1, *labels.shape[1:])
    parts = zip(image.cpu().numpy(), maps, variations, strict=True)
    changed = [apply_custom(one, own, paths, variation.custom_seed) for one, own, variation in parts]
    images, label_maps = (_move(np.stack(arrays), image.device) for arrays in zip(*changed, strict=True))
    return images, label_maps[:, 0], None if previous is None else label_maps[:, 1]
