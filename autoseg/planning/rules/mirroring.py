"""Along which axes are patches flipped, in training and at prediction? (mirroring)

Source: nnU-Net flips along all axes; its 250,000 iterations give a network time to learn an organ and all its mirror
images. A short training does not: see `TOO_SHORT`.
"""

from __future__ import annotations

from autoseg.decision import Decision, ruled

# On Hippocampus, fold 0: with all axes a patch Dice of 0.848/0.823 after 1,094 iterations (10 minutes), with none
# 0.860/0.845 after 301 (90 seconds; benchmarks/LOG.md). Where from there to the published length it turns is untested.
TOO_SHORT = 10_000


def decide_mirroring_axes(
    *, n_dimensions: int, n_iterations: int, as_published: bool = False
) -> Decision[tuple[int, ...]]:
    """The axes, counted along the patch; `as_published` mirrors in a training of any length."""
    if n_iterations < TOO_SHORT and not as_published:
        return ruled(
            (),
            f"none: about {n_iterations:,} iterations are too few to learn mirror images as well, and prediction is "
            f"{2**n_dimensions} times faster without them",
            n_iterations=n_iterations,
        )
    reason = "all axes, as published; leave one out where left and right labels must not be mixed up"
    return ruled(tuple(range(n_dimensions)), reason, n_iterations=n_iterations)
