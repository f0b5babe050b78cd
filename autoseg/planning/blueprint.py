"""Which parameters are the same for every dataset? (the fixed ones)

Source: nnU-Net's training as in Isensee et al., Nature Methods 2021. Also the names that a plan may use: the rooms that
give them meaning import torch or scipy, so the names stand here, where planning and validation can read them.
"""

from __future__ import annotations

from autoseg.data.splits import N_FOLDS
from autoseg.decision import Decision, fixed, ruled
from autoseg.planning.choices import Loss

CONFIGURATIONS = ("2d", "3d_fullres", "3d_lowres", "3d_cascade")
NETWORKS = ("unet", "residual_unet")  # networks.build.NETWORKS
NORMALIZATION_SCHEMES = ("ct", "zscore", "rescale", "rgb", "none")  # preprocessing.normalizing.SCHEMES
OPTIMIZERS = ("sgd", "adamw")  # training.state.OPTIMIZERS
SCHEDULES = ("polynomial", "cosine", "constant")  # training.schedule.SCHEDULES
LOSS_TERMS = ("cross_entropy", "soft_dice")  # training.losses.TERMS

ITERATIONS_PER_EPOCH = 250  # borrowed
FOREGROUND_SHARE = 0.33  # of the patches are centred on a foreground voxel; borrowed


def fix_n_folds(n_cases: int) -> Decision[int]:
    """Folds of the cross-validation; a dataset of fewer cases has one fold per case."""
    if n_cases >= N_FOLDS:
        return fixed(N_FOLDS, f"{N_FOLDS} folds, as published with nnU-Net")
    if n_cases < 2:
        return ruled(2, "WARNING: the fewest there can be, but one case cannot be split: add cases", n_cases=n_cases)
    return ruled(n_cases, f"one fold per case, because there are fewer than {N_FOLDS} cases", n_cases=n_cases)


def fix_loss() -> Decision[Loss]:
    """What training minimises."""
    return fixed(
        Loss(terms={"cross_entropy": 1.0, "soft_dice": 1.0}),
        "cross-entropy for smooth gradients plus soft Dice for the measure itself, at every decoder stage; published",
    )


def fix_foreground_share() -> Decision[float]:
    """Share of training patches that are centred on foreground."""
    return fixed(FOREGROUND_SHARE, "a third of the patches show foreground for certain; published value")
