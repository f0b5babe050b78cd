"""What do the logits of some voxels mean: which label, how probable, how undecided?

Labels exclude each other: softmax, and the largest wins. Regions overlap: each has a probability of its own (sigmoid),
and those above one half are painted one over the other, in the order of the regions. Source: Isensee et al. 2021.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from autoseg.data.labels import LABEL_DTYPE, Region

SMALLEST = np.float32(1e-30)  # p ln p is 0 for p = 0, which the logarithm does not know

Array = np.ndarray


def find_largest(values: Array) -> Array:
    """The index of the largest value along the first axis, the smaller of equals; faster there than numpy's argmax."""
    largest = values[0].copy()
    result = np.zeros(largest.shape, dtype=LABEL_DTYPE)
    for label in range(1, len(values)):
        larger = values[label] > largest
        np.copyto(result, LABEL_DTYPE(label), where=larger)
        np.maximum(largest, values[label], out=largest)
    return result


def paint_regions(values: Array, regions: Sequence[Region], threshold: float) -> Array:
    """Labels (...) of regions (K, ...): each, in its order, paints its label where its value is above the threshold."""
    result = np.zeros(values.shape[1:], dtype=LABEL_DTYPE)
    for value, region in zip(values, regions, strict=True):
        result[value > threshold] = region.paints
    return result


def compute_probabilities(logits: Array, *, are_regions: bool) -> Array:
    """Softmax over the first axis; the sigmoid of each region. In place: the logits become their probabilities."""
    return _to_sigmoid(logits) if are_regions else _to_softmax(logits)


def measure_entropy(probabilities: Array, n_outputs: int, *, are_regions: bool) -> Array:
    """How undecided each voxel is, uint8: 0 is certain, 255 knows nothing.

    Labels: Shannon's entropy over that of `n_outputs` equal probabilities. Regions: the largest binary entropy of any
    region over ln 2. Outputs whose probability is 0 may be missing in `probabilities` (k, ...).
    """
    if are_regions:
        nearest = np.abs(probabilities - np.float32(0.5)).min(axis=0)
        parts, n_equal = [np.float32(0.5) + nearest, np.float32(0.5) - nearest], 2
    else:
        parts, n_equal = list(probabilities), max(n_outputs, 2)
    entropy = np.zeros(probabilities.shape[1:], dtype=np.float32)
    for part in parts:
        entropy += _count_nats(part)
    entropy *= 255 / math.log(n_equal)
    shares: Array = np.rint(np.clip(entropy, 0, 255)).astype(np.uint8)
    return shares


def _count_nats(probability: Array) -> Array:
    """-p ln p."""
    nats: Array = np.log(np.maximum(probability, SMALLEST))
    nats *= -probability
    return nats


def _to_sigmoid(logits: Array) -> Array:
    """1 / (1 + exp(-x)), as (1 + tanh(x / 2)) / 2, which no logit is too large for."""
    logits *= np.float32(0.5)
    np.tanh(logits, out=logits)
    logits += 1
    logits *= 0.5
    return logits


def _to_softmax(logits: Array) -> Array:
    logits -= logits.max(axis=0)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=0)
    return logits
