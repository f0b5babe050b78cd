"""Which names may a plan use, what does each mean, and which numbers does it take?

One table per kind of name. Tests hold the names to `blueprint` and to the rooms that give them a meaning, and the
parameters to the signatures there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from autoseg.serialization import Record


class Parameter(Record):
    """A number, or a word, that a named part takes.

    Attributes:
        default: where nobody says.
        meaning: in a few words.
        low, high: ends of its range, which belong to it; None for no end.
        is_above: whether the low end itself is excluded.
    """

    default: Any
    meaning: str
    low: float | None = None
    high: float | None = None
    is_above: bool = False

    def find_fault(self, value: Any) -> str | None:
        """What is wrong with a value, None if nothing is; what has no range is left to the part itself."""
        if isinstance(self.default, bool):
            return None if isinstance(value, bool) else f"is {value}, but must be true or false."
        if not isinstance(self.default, int | float):
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return f"is {value}, but must be a finite number."
        is_low = self.low is not None and (value <= self.low if self.is_above else value < self.low)
        if is_low or (self.high is not None and value > self.high):
            return f"is {value:g}, but must be {self.range}."
        return None

    @property
    def range(self) -> str:
        """Its range in words, empty where it has none."""
        low = "" if self.low is None else f"above {self.low:g}" if self.is_above else f"at least {self.low:g}"
        high = "" if self.high is None else f"at most {self.high:g}"
        return " and ".join(filter(None, (low, high)))


class Named(Record):
    """What a name of a plan stands for.

    Attributes:
        name: as the plan has it.
        meaning: one line.
        parameters: what can be set of it, by name.
    """

    name: str
    meaning: str
    parameters: dict[str, Parameter] = {}


def _table(*rows: Named) -> Mapping[str, Named]:
    return {row.name: row for row in rows}


SMOOTH = Parameter(default=1e-5, meaning="added above and below: defines an empty label", low=0, is_above=True)
SPACING = Parameter(default=None, meaning="lengths of a voxel along each axis; of 1 where nobody says")
OVER_BATCH = Parameter(default=False, meaning="sums over the batch; the plan's batch_dice where nobody says")

LOSS_TERMS = _table(
    Named(name="cross_entropy", meaning="mean cross-entropy of voxels; of regions, binary"),
    Named(
        name="weighted_cross_entropy",
        meaning="cross-entropy in which rare labels weigh more",
        parameters={
            "weights": Parameter(
                default="inverse_frequency", meaning="of each label; or inverse_frequency, of the labels of a batch"
            )
        },
    ),
    Named(name="soft_dice", meaning="one minus soft Dice", parameters={"batch_dice": OVER_BATCH, "smooth": SMOOTH}),
    Named(
        name="batch_dice",
        meaning="soft Dice over the whole batch, whatever the plan's batch_dice",
        parameters={"smooth": SMOOTH},
    ),
    Named(
        name="focal",
        meaning="cross-entropy in which easy voxels weigh less (arXiv 1708.02002)",
        parameters={"gamma": Parameter(default=2.0, meaning="how much less; 0 is cross-entropy", low=0)},
    ),
    Named(
        name="tversky",
        meaning="Dice that weighs false positives and misses differently (arXiv 1706.05721)",
        parameters={
            "batch_dice": OVER_BATCH,
            "alpha": Parameter(default=0.3, meaning="weight of false positives", low=0),
            "beta": Parameter(default=0.7, meaning="weight of misses", low=0),
            "smooth": SMOOTH,
        },
    ),
    Named(
        name="jaccard",
        meaning="one minus the soft Jaccard index",
        parameters={"batch_dice": OVER_BATCH, "smooth": SMOOTH},
    ),
    Named(
        name="top_k",
        meaning="cross-entropy of the hardest voxels alone (arXiv 1605.06885)",
        parameters={"share": Parameter(default=0.1, meaning="of each sample's voxels", low=0, high=1, is_above=True)},
    ),
    Named(
        name="boundary",
        meaning="probability times signed distance to the true border (arXiv 1812.07032)",
        parameters={"spacing": SPACING},
    ),
    Named(
        name="hausdorff",
        meaning="errors weighted by their distance to both borders (arXiv 1904.10030)",
        parameters={
            "exponent": Parameter(default=2.0, meaning="of the distance", low=0, is_above=True),
            "spacing": SPACING,
        },
    ),
)

OPTIMIZERS = _table(
    Named(
        name="sgd",
        meaning="stochastic gradient descent with momentum",
        parameters={"nesterov": Parameter(default=True, meaning="look ahead along the momentum")},
    ),
    Named(
        name="adamw",
        meaning="Adam with decoupled weight decay (arXiv 1711.05101)",
        parameters={
            "betas": Parameter(default=[0.9, 0.999], meaning="decay of the averaged gradient, and of its square"),
            "eps": Parameter(default=1e-8, meaning="added to the divisor", low=0, is_above=True),
            "amsgrad": Parameter(default=False, meaning="divide by the largest average of squares so far"),
        },
    ),
    Named(
        name="lion",
        meaning="moves by the sign of the averaged gradient, at a lower rate than AdamW's (arXiv 2302.06675)",
        parameters={"betas": Parameter(default=[0.9, 0.99], meaning="decay in the step, and in what is kept")},
    ),
)

SCHEDULES = _table(
    Named(name="polynomial", meaning="falls as (1 - share spent) to the power of 0.9"),
    Named(name="cosine", meaning="falls along half a cosine (arXiv 1608.03983)"),
    Named(name="constant", meaning="stays as it is"),
)

CASE_SAMPLINGS = _table(
    Named(name="uniform", meaning="every case with the same chance"),
    Named(name="by_size", meaning="by voxels: every place of the dataset with the same chance"),
    Named(name="by_rare_label", meaning="a label, all with the same chance, then one of the cases that hold it"),
)

NETWORKS = _table(
    Named(name="unet", meaning="plain U-Net (Isensee et al., Nature Methods 2021)"),
    Named(name="residual_unet", meaning="U-Net with a residual encoder (arXiv 2404.09556)"),
    Named(name="unet_2015", meaning="the first U-Net: max pooling, ReLU (Ronneberger et al., arXiv 1505.04597)"),
    Named(name="fcn8s", meaning="summed scores of three depths of a VGG-16 (Long et al., arXiv 1411.4038)"),
    Named(name="vnet", meaning="residual stages with kernels of 5 (Milletari et al., arXiv 1606.04797)"),
    Named(name="unet_plus_plus", meaning="U-Net with nested, dense skips (Zhou et al., arXiv 1807.10165)"),
    Named(name="attention_unet", meaning="U-Net with gates on its skips (Oktay et al., arXiv 1804.03999)"),
    Named(name="mednext", meaning="U-Net of ConvNeXt blocks; mednext@b, @m, @l are larger (arXiv 2303.09975)"),
    Named(name="segresnet", meaning="MONAI's SegResNet (Myronenko, arXiv 1810.11654); needs the extra monai"),
    Named(name="swin_unetr", meaning="MONAI's SwinUNETR (Hatamizadeh et al., arXiv 2201.01266); needs the extra monai"),
    Named(name="unetr", meaning="MONAI's UNETR (Hatamizadeh et al., arXiv 2103.10504); needs the extra monai"),
    Named(name="dynunet", meaning="MONAI's DynUNet (after Isensee et al., arXiv 1809.10486); needs the extra monai"),
    Named(name="fpn", meaning="feature pyramid, 2D; fpn@resnet50 names an encoder (arXiv 1612.03144); extra smp"),
    Named(name="deeplabv3_plus", meaning="DeepLabV3+, 2D; an encoder after @ as for fpn (arXiv 1802.02611); extra smp"),
)

NORMALIZATION_SCHEMES = _table(
    Named(name="ct", meaning="clipped and scaled by the dataset's foreground, for Hounsfield units"),
    Named(name="zscore", meaning="mean 0 and deviation 1, case by case"),
    Named(name="rescale", meaning="from 0 to 1, case by case"),
    Named(name="percentile_clip", meaning="clipped to percentiles 0.5 and 99.5, then 0 to 1, case by case"),
    Named(name="dataset_percentile_clip", meaning="the same by the dataset's foreground, alike in every case"),
    Named(name="robust", meaning="median 0 and range between quartiles 1, case by case"),
    Named(name="histogram_equalization", meaning="all greys equally often, 0 to 1, case by case"),
    Named(name="clahe", meaning="greys equalised in each neighbourhood with limited contrast, 0 to 1"),
    Named(name="rgb", meaning="0 to 255 becomes 0 to 1"),
    Named(name="none", meaning="as it is"),
)

SEPARATE = _table(
    Named(name="by_spacing", meaning="where it is more than 3 times coarser than the finest"),
    Named(name="never", meaning="all axes are treated alike"),
    Named(name="always", meaning="the coarsest axis, if it is one alone"),
)

PRECISIONS = _table(
    Named(name="float32", meaning="everything in 32 bits"),
    Named(name="bfloat16", meaning="convolutions in 16 bits of float32's range; GPUs from Ampere on"),
    Named(name="float16", meaning="convolutions in 16 bits, with a scaled loss; for older GPUs"),
)

MEMORY_LAYOUTS = _table(
    Named(name="auto", meaning="the rule's for the device that computes"),
    Named(name="channels_last", meaning="the channels of a voxel side by side"),
    Named(name="contiguous", meaning="each channel by itself"),
)

PRESETS = _table(
    Named(name="off", meaning="patches stay as they are"),
    Named(name="light", meaning="half of the published probabilities"),
    Named(name="default", meaning="as published with nnU-Net"),
    Named(name="strong", meaning="wider and more often, with elastic deformation"),
)

ENGINES = _table(
    Named(name="auto", meaning="the faster of both, measured when training begins"),
    Named(name="workers", meaning="processes on the CPU"),
    Named(name="device", meaning="batches on the training device"),
)
