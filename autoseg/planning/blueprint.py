"""Which parameters are the same for every dataset? (the fixed ones)

Source: nnU-Net's training as in Isensee et al., Nature Methods 2021. Also the names that a plan may use: the rooms that
give them meaning import torch or scipy, so the names stand here, where planning and validation can read them.
"""

from __future__ import annotations

from typing import Literal

from autoseg.data.splits import N_FOLDS
from autoseg.decision import Decision, fixed, ruled
from autoseg.planning.choices import EarlyStopping, Loss, PatchStep

CONFIGURATIONS = ("2d", "3d_fullres", "3d_lowres", "3d_cascade")
NETWORKS = (  # networks.build.NETWORKS
    "unet",
    "residual_unet",
    "unet_2015",
    "fcn8s",
    "vnet",
    "unet_plus_plus",
    "attention_unet",
    "mednext",
    "segresnet",
    "swin_unetr",
    "unetr",
    "dynunet",
    "fpn",
    "deeplabv3_plus",
)
NETWORK_VARIANTS: dict[str, tuple[str, ...]] = {  # what may stand after an @; where nothing is listed, any encoder
    "mednext": ("s", "b", "m", "l"),
    "fpn": (),
    "deeplabv3_plus": (),
}
NETWORKS_OF_SLICES = ("fpn", "deeplabv3_plus")  # 2D alone; Method.n_dimensions says the same
NORMALIZATION_SCHEMES = (  # preprocessing.normalizing.SCHEMES
    "ct",
    "zscore",
    "rescale",
    "rgb",
    "none",
    "percentile_clip",
    "dataset_percentile_clip",
    "robust",
    "histogram_equalization",
    "clahe",
)
OPTIMIZERS = ("sgd", "adamw", "lion")  # training.optimizers.OPTIMIZERS
SCHEDULES = ("polynomial", "cosine", "constant")  # training.schedule.SCHEDULES
LOSS_TERMS = (  # training.losses.TERMS
    "cross_entropy",
    "weighted_cross_entropy",
    "focal",
    "top_k",
    "soft_dice",
    "batch_dice",
    "tversky",
    "jaccard",
    "boundary",
    "hausdorff",
)
CASE_SAMPLINGS = ("uniform", "by_size", "by_rare_label")  # training.sampling.CASE_SAMPLINGS
PRECISIONS = ("float32", "bfloat16", "float16")
MEMORY_LAYOUTS = ("auto", "channels_last", "contiguous")
ENGINES = ("auto", "workers", "device")  # who augments: training.batches, or training.device_augmentation

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


def fix_dropout() -> Decision[float]:
    """Share of feature maps that training blanks at random, after every convolution."""
    return fixed(0.0, "none, as published: instance normalisation and augmentation regularise")


def fix_case_sampling() -> Decision[str]:
    """How the case of a patch is drawn."""
    return fixed("uniform", "every case with the same chance, as published")


def fix_patch_schedule() -> Decision[tuple[PatchStep, ...]]:
    """Smaller patches in earlier parts of training; none where the whole training sees `patch_size`."""
    return fixed((), "the same patches throughout, as published")


def fix_cascade_grid() -> Decision[Literal["network_grid", "original_grid"]]:
    """Where the previous segmentation that a cascade sees is decided."""
    return fixed("network_grid", "logits go straight to the cascade's grid, as in training: nothing is rounded between")


def fix_compile() -> Decision[bool]:
    """Whether torch compiles the network before training."""
    return fixed(False, "no: compiling needs a C++ compiler or minutes of a GPU's time, and changes nothing but speed")


def fix_memory_layout() -> Decision[Literal["auto", "channels_last", "contiguous"]]:
    """How feature maps lie in memory."""
    return fixed("auto", "as was fastest on this kind of device: channels-last for volumes on a CPU, else contiguous")


def fix_engine() -> Decision[Literal["auto", "workers", "device"]]:
    """Who augments patches: worker processes, or the training device in batches."""
    return fixed("auto", "on a GPU the faster of both, measured when training begins; on a CPU workers, always")


def fix_early_stopping() -> Decision[EarlyStopping | None]:
    """When training ends before its length is spent; None for never."""
    return fixed(None, "never: the schedule ends annealed when its length is spent")
