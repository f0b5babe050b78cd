"""Along which axes are patches flipped, in training and at prediction? (mirroring)

Source: nnU-Net flips along all axes; its 250,000 iterations give a network time to learn an organ and all its mirror
images. A short training does not: see `TOO_SHORT`. Where labels are the left and the right one of a pair, a flipped
image shows each where the other belongs: nnU-Net leaves it to a person to switch off that axis, here it follows from
the fingerprint.
"""

from __future__ import annotations

from collections.abc import Sequence

from autoseg.decision import Decision, ruled
from autoseg.fingerprinting.fingerprint import SidePair
from autoseg.planning.rules.axis_order import AXES

# On Hippocampus, fold 0: with all axes a patch Dice of 0.848/0.823 after 1,094 iterations (10 minutes), with none
# 0.860/0.845 after 301 (90 seconds; benchmarks/LOG.md). Where from there to the published length it turns is untested.
TOO_SHORT = 10_000


def decide_mirroring_axes(
    *,
    n_dimensions: int,
    n_iterations: int,
    as_published: bool = False,
    axis_order: Sequence[int] = (0, 1, 2),
    side_pairs: Sequence[SidePair] = (),
) -> Decision[tuple[int, ...]]:
    """The axes, counted along the patch.

    Args:
        n_dimensions: of the patch; 2 means the last two axes of `axis_order`.
        n_iterations: length of the training.
        as_published: mirror all axes, in a training of any length and whatever the labels are.
        axis_order: the permutation from (z, y, x) to the network's axes.
        side_pairs: labels that are each other's mirror image, with the axis (z, y, x) between them.
    """
    if n_iterations < TOO_SHORT and not as_published:
        return ruled(
            (),
            f"none: about {n_iterations:,} iterations are too few to learn mirror images as well, and prediction is "
            f"{2**n_dimensions} times faster without them",
            n_iterations=n_iterations,
        )
    in_patch = list(axis_order)[3 - n_dimensions :]
    lying_apart = [pair for pair in side_pairs if pair.axis in in_patch]
    if not lying_apart or as_published:
        return ruled(tuple(range(n_dimensions)), _explain_all(lying_apart), n_iterations=n_iterations)
    left_out = {pair.axis for pair in lying_apart}
    axes = tuple(index for index, axis in enumerate(in_patch) if axis not in left_out)
    return ruled(axes, _explain_left_out(lying_apart), n_iterations=n_iterations)


def _explain_all(pairs: Sequence[SidePair]) -> str:
    if pairs:
        return f"all axes, as published, though {_name_pairs(pairs)} are mirror images of each other"
    return "all axes, as published; the fingerprint knows no left and right labels that a flip would mix up"


def _explain_left_out(pairs: Sequence[SidePair]) -> str:
    """Pairs axis by axis, each with what told it."""
    parts = []
    for axis in sorted({pair.axis for pair in pairs}):
        along = [pair for pair in pairs if pair.axis == axis]
        parts.append(f"{AXES[axis]} ({_name_pairs(along)} lie apart along it, as told by {_name_evidence(along)})")
    return f"all axes but {' and '.join(parts)}: a flipped image shows each of them where the other belongs"


def _name_pairs(pairs: Sequence[SidePair]) -> str:
    first = f"{pairs[0].left} and {pairs[0].right}"
    rest = len(pairs) - 1
    return first if not rest else f"{first} and {rest} more pair{'s' if rest > 1 else ''}"


def _name_evidence(pairs: Sequence[SidePair]) -> str:
    first = pairs[0]
    if "position" not in first.by:
        return "their names"
    what = "their positions" if first.by == "position" else "their names and positions"
    return f"{what} in {first.share_of_cases:.0%} of the cases"
