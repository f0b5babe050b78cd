"""How does a previous segmentation enter the network of a cascade? As one channel of 0 and 1 per foreground label.

Source: Isensee et al., Nature Methods 2021 (method part 4). Training and prediction both ask here, so that the channels
stand in the same order: the image's, then label 1, 2, ...
"""

from __future__ import annotations

import torch
from torch import Tensor


def join_previous(image: Tensor, previous: Tensor, n_labels: int) -> Tensor:
    """Append a previous segmentation to the channels of an image.

    Args:
        image: (B, C, *patch).
        previous: integer (B, *patch).
        n_labels: background included; it gets no channel.

    Returns:
        (B, C + n_labels - 1, *patch) in the image's type.
    """
    labels = torch.arange(1, n_labels, device=previous.device).view(1, -1, *(1,) * (previous.ndim - 1))
    return torch.cat([image, (previous.unsqueeze(1) == labels).to(image.dtype)], dim=1)
