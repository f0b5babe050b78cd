"""How sure is a piece of its labels, at little more cost than deciding it?

Only outputs that can be noticed are looked at: the least probable ones are left out as long as all of them together
move a voxel's entropy by no more than one of its 255 steps. If outputs of at most b_1, b_2, ... of the largest
probability are left out and the others scaled to 1, Shannon's entropy moves by at most sum b (1 - ln b). What their
probabilities sum up to, for `Softness`, is estimated from every second network voxel: tails of a small label over a
whole body may count for more than the label.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from autoseg.data.labels import LABEL_DTYPE
from autoseg.prediction.restoring.labels_from_logits import find_largest
from autoseg.prediction.restoring.pieces import Cut, resample_piece
from autoseg.prediction.restoring.possible_winners import Contenders

ENTROPY_STEPS = 255  # of the stored entropy, from certain to knowing nothing
STEP_OF_TAILS = 2  # network voxels between those that tails are estimated from

Array = np.ndarray


def find_noticed(tops: Array, *, are_regions: bool) -> Array:
    """Which outputs to look at, bool (K,).

    Args:
        tops: bounds in nats: of labels, how far each stays below the largest logit, at least (0 or more: not at all);
            of regions, the highest logit.
        are_regions: whether each output has an entropy of its own, of which the largest counts.
    """
    bounds = np.minimum(np.asarray(tops, dtype=np.float64), 0.0)
    moved = np.exp(bounds) * (1 - bounds)
    if are_regions:
        noticed: Array = moved > math.log(2) / ENTROPY_STEPS
        return noticed
    order = np.argsort(moved)
    noticed = np.empty(len(moved), dtype=bool)
    noticed[order] = np.cumsum(moved[order]) > math.log(max(len(moved), 2)) / ENTROPY_STEPS
    return noticed


def estimate_tails(sources: Sequence[Array], left_out: Array, n_voxels: int, *, are_regions: bool) -> Array:
    """Sums of the probabilities of outputs over a piece, (n_left_out,).

    Args:
        sources: logits (K, z, y, x) of each member, that the piece is interpolated from.
        left_out: indices of the outputs.
        n_voxels: of the piece.
    """
    means = []
    for source in sources:
        logits = source[:, ::STEP_OF_TAILS, ::STEP_OF_TAILS, ::STEP_OF_TAILS].reshape(len(source), -1)
        if are_regions:
            means.append(np.exp(logits[left_out]).mean(axis=1))  # as good as the sigmoid of what lies so low
        else:
            shares = np.exp(logits - logits.max(axis=0))
            means.append((shares[left_out] / shares.sum(axis=0)).mean(axis=1))
    return np.asarray(np.mean(means, axis=0, dtype=np.float64) * n_voxels)


def measure_shares(logits: Array, highest: Array, n_outputs: int) -> tuple[Array, Array, Array]:
    """How probable and how undecided some voxels are, from the logits of the labels that are noticed.

    Args:
        logits: float32 (k, ...); they are overwritten.
        highest: of each voxel, float32 (...).
        n_outputs: of all labels, whose equal probabilities would have the entropy 1.

    Returns:
        entropy uint8 (...), 255 for 1: ln sum exp x - sum p x; probability of the largest, float32 (...); and the sum
        of each label's probability, float64 (k,).
    """
    flat = logits.reshape(len(logits), -1)
    flat -= highest.ravel()
    powers = np.exp(flat)
    largest = np.reciprocal(powers.sum(axis=0))
    flat *= powers
    nats = flat.sum(axis=0)
    nats *= largest
    nats += np.log(largest)
    nats *= -ENTROPY_STEPS / math.log(max(n_outputs, 2))
    entropy = np.rint(np.clip(nats, 0, ENTROPY_STEPS, out=nats), out=nats).astype(np.uint8)
    sums = np.einsum("kn,n->k", powers, largest).astype(np.float64)
    return entropy.reshape(logits.shape[1:]), largest.reshape(logits.shape[1:]), sums


def add_tails(sources: Sequence[Array], noticed: Array, n_voxels: int, sums: Array, *, are_regions: bool) -> float:
    """Add what the outputs that are not `noticed`, bool (K,), have of a piece to the sums (3, K); returns its sum."""
    left_out = np.flatnonzero(~noticed)
    if not left_out.size:
        return 0.0
    tails = estimate_tails(sources, left_out, n_voxels, are_regions=are_regions)
    sums[2, left_out] += tails
    return float(tails.sum())


def fill_with_certainty(
    source: Array, cuts: Sequence[Cut], contenders: Contenders, segment: Array, entropy: Array | None, sums: Array
) -> None:
    """Decide a piece of a single member's labels, and measure how sure it is.

    The labels that may win are resampled first; they tell how far the largest logit sinks between two labels, and with
    it which others can be noticed.

    Args:
        source: logits (K, z, y, x) that the piece is interpolated from.
        segment, entropy: of the piece, filled here.
        sums: of `Softness`, (3, K), added to.
    """
    winners = np.flatnonzero(contenders.can_win)
    if len(winners) == 1:
        _fill_around(source, cuts, contenders, int(winners[0]), segment, entropy, sums)
        return
    logits = resample_piece(source if len(winners) == len(source) else source[winners], cuts)
    segment[...] = winners.astype(LABEL_DTYPE)[find_largest(logits)]
    highest = logits.max(axis=0)
    between = resample_piece(source.max(axis=0, keepdims=True), cuts)[0]
    depth = max(0.0, float((between - highest).max()))
    noticed = find_noticed(contenders.tops + depth, are_regions=False)
    add_tails([source], noticed, segment.size, sums, are_regions=False)
    kept = noticed[winners]
    logits = logits if kept.all() else logits[kept]
    others = np.flatnonzero(noticed & ~contenders.can_win)
    if others.size:
        logits = np.concatenate([logits, resample_piece(source[others], cuts)])
    shares, largest, totals = measure_shares(logits, highest, len(source))
    if entropy is not None:
        entropy[...] = shares
    sums[2, np.concatenate([winners[kept], others])] += totals
    labels = segment.ravel().astype(np.intp)
    sums[0] += np.bincount(labels, minlength=len(source))
    sums[1] += np.bincount(labels, largest.ravel(), minlength=len(source))


def _fill_around(
    source: Array,
    cuts: Sequence[Cut],
    contenders: Contenders,
    winner: int,
    segment: Array,
    entropy: Array | None,
    sums: Array,
) -> None:
    """A piece that is one label, which others may come near."""
    noticed = find_noticed(contenders.tops, are_regions=False)
    noticed[winner] = True
    rest = add_tails([source], noticed, segment.size, sums, are_regions=False)
    segment[...] = winner
    sums[0, winner] += segment.size
    indices = np.flatnonzero(noticed)
    if len(indices) == 1:
        sums[1:, winner] += segment.size - rest
        return
    logits = resample_piece(source[indices], cuts)
    shares, _, totals = measure_shares(logits, logits[np.searchsorted(indices, winner)].copy(), len(source))
    if entropy is not None:
        entropy[...] = shares
    sums[2, indices] += totals
    sums[1, winner] += totals[np.searchsorted(indices, winner)]
