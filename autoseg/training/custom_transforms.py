"""How do a user's own transforms change a training patch?

They are named in the plan by their dotted paths (`my_package.transforms:add_streaks`) and come last, on what the
network is about to see: turned, changed in intensity and flipped already. Both engines call them here, in numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from autoseg.components import find_component
from autoseg.data.labels import LABEL_DTYPE
from autoseg.errors import PlanError

SETTING = "augmentation.custom"


def apply_custom(
    image: np.ndarray, labels: np.ndarray, paths: Sequence[str], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Apply transforms `(image, segmentation, rng) -> (image, segmentation)` one after the other.

    A second label map, the previous segmentation of a cascade, goes the way of the first: each transform is called once
    more for it, with the same image and random numbers, and the image that comes of that is not used.

    Args:
        image: float32 (C, *patch).
        labels: int16 (n_maps, *patch).
        paths: of the transforms.
        seed: of this patch; every transform has random numbers of its own.

    Returns:
        Arrays of the same shapes and types.

    Raises:
        PlanError: there is no such transform, or it gave something else than it has to.
    """
    for position, path in enumerate(paths):
        changed = [_call(path, image, one, np.random.default_rng([seed, position])) for one in labels]
        image, labels = changed[0][0], np.stack([one for _, one in changed])
    return image, labels


def _call(
    path: str, image: np.ndarray, segmentation: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    given = (image.astype(np.float32), segmentation.astype(LABEL_DTYPE))
    expected = _describe(given)
    result = _find(path)(*given, rng)
    if not isinstance(result, tuple) or len(result) != 2 or _describe(result) != expected:
        raise PlanError(
            f"{SETTING}: {path} has to return image and segmentation as it got them, {expected}, "
            f"but returned {_describe(result)}. Mend it, or take it out of the plan."
        )
    return result


def _describe(result: Any) -> str:
    arrays = result if isinstance(result, tuple | list) else (result,)
    shown = [
        f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__ for array in arrays
    ]
    return " and ".join(shown)


@cache
def _find(path: str) -> Any:
    return find_component(path, where=SETTING)
