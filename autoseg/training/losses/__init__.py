"""What does training minimise? A weighted sum of named terms, on every level of deep supervision.

    target       what the network should have said, and for which voxels and channels that is known
    voxelwise    cross_entropy, weighted_cross_entropy, focal, top_k
    overlap      soft_dice, batch_dice, tversky, jaccard
    boundary     boundary, hausdorff
    combining    the weighted sum; `TERMS`, and a person's own term by dotted path

Every term is built of sums that are gathered over processes, so that several of them find the loss of the whole batch.
"""

from autoseg.training.losses.combining import TERMS, compute_loss, find_terms, level_weights
from autoseg.training.losses.target import Target, shrink_target

__all__ = ["TERMS", "Target", "compute_loss", "find_terms", "level_weights", "shrink_target"]
