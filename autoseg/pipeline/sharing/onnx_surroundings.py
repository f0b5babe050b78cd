"""What happens to an image before and after the network, told so that another program can do the same?

An ONNX file holds the network of one patch alone. All around it (crop, axes, intensities, grid, windows, mirror images,
the way back, labels) is plain data here: numbers of the plan, and one sentence for each rule that they belong to.
"""

from __future__ import annotations

import inspect
from typing import Any

from autoseg.data.labels import Labels
from autoseg.planning.plan import ChannelPlan, Configuration, Plan, values_only
from autoseg.postprocessing.deciding import Postprocessing
from autoseg.prediction.options import STEP
from autoseg.prediction.windows.placing import SIGMA_PER_PATCH, SMALLEST_IMPORTANCE
from autoseg.preprocessing.normalizing import find_scheme
from autoseg.preprocessing.preprocess import ANISOTROPY_THRESHOLD

CROP = (
    "Mark the voxels where any channel is not zero, and the zero voxels that these enclose (no path along voxel faces "
    "to the border); crop to the smallest box around the marks, the whole volume if there are none. Outside of the box "
    "the segmentation is background."
)
NORMALIZATION = (
    "After cropping, in axis order, channel by channel, before resampling; the mask is that of the crop. Where "
    "`inside_mask` is true, {obeying} take their statistics inside the mask alone, and all that lies outside becomes "
    "zero; every other scheme takes the whole crop and leaves no voxel out, whatever `inside_mask` says."
)
OBEYING = ("zscore", "percentile_clip", "robust", "histogram_equalization", "clahe")  # schemes that look at the mask
SHAPE = "max(1, round(voxels * spacing_mm / target_mm)) along each axis; of a 2D configuration, the first axis is kept."
SEPARATE = (
    "The axis that is resampled apart, with `separate_order`. by_spacing asks two grids: first the one that is left "
    "(the case's for the image, the network's on the way back), then the other. The first whose coarsest spacing is "
    "more than `anisotropy_threshold` times its finest says its coarsest axis, or none if several are equally coarse; "
    "without such a grid there is none. The network grid's answer is `separate_axis`; one of two axes has the case's "
    "spacing along its first axis. always: the coarsest axis of the grid that is left, none if several are equally "
    "coarse. never: none."
)
SPLINES = (
    "Interpolating splines as in scipy.ndimage.zoom (grid_mode=True, mode='nearest', prefilter), axis by axis; then "
    "the result is clipped to the range that the channel had. With an axis apart, each slice across it is first "
    "resampled within its plane and clipped to its own range; then all of it along that axis, clipped to the "
    "range of these slices."
)
STARTS = (
    "Along each axis n = ceil((size - patch) / max(1, patch * step)); windows begin at round((size - patch) / "
    "max(1, n) * i) for i = 0 ... n."
)
PADDING = "An axis shorter than the patch is padded with zeros to it: missing // 2 before, the rest behind."
SLICES = "A patch of two axes sees every slice along the first axis of the network grid by itself."
IMPORTANCE = (
    "weight(i) = max(floor, product over axes of exp(-((i - n // 2) / (n * sigma_per_patch))^2 / 2)), n being the "
    "patch along the axis; the logits of a voxel are the weighted mean over its windows."
)
MIRRORING = (
    "Mean of the logits over all subsets of the axes, counted from 0 in the patch; the output is mirrored back before."
)
ENSEMBLE = (
    "Folds of a configuration: mean of their logits on the network grid. Several configurations: mean of their "
    "probabilities on the original grid."
)
WAY_BACK = (
    "Resample the logits to the crop's shape with `logits_order` (and `separate_order`), then decide; put the result "
    "into the crop's place, axes back in the image's order (z, y, x)."
)
CASCADE = (
    "One further input channel per foreground label, in their order: 1 where the segmentation by `previous` has it on "
    "this network grid, else 0. They are mirrored and cut into windows as the image is. Where `through` is "
    "network_grid, the logits of `previous` are resampled to this grid and decided there; where it is original_grid, "
    "its segmentation of the original grid is cropped and resampled label by label: the mask of each with "
    "`segmentation_order`, background outside of the crop's mask being a label of its own that counts as background "
    "afterwards. The label that weighs most wins; of equal ones the label of the nearest voxel, if it is among them, "
    "else the smallest."
)
THRESHOLD = 0.5
LARGEST = "These labels as one mask: what lies outside of its largest component (26 neighbours) becomes background."


def describe_surroundings(plan: Plan, configuration: str, postprocessing: Postprocessing) -> dict[str, Any]:
    """Everything around the network of a configuration, as plain data.

    Args:
        plan: what the network obeys.
        configuration: its name.
        postprocessing: what is done to the ensemble's segmentation.
    """
    settings = plan.find_configuration(configuration)
    return {
        "channels": list(plan.channels),
        "array_order": "(z, y, x)",
        "axis_order": {"value": plan.axis_order.value, "rule": "axis i of the network grid is image axis value[i]"},
        "crop": {"rule": CROP},
        "normalization": {
            "rule": _explain_normalization(),
            "channels": [_describe_channel(one) for one in plan.normalization],
        },
        "resampling": _describe_resampling(settings),
        "windows": _describe_windows(settings),
        "mirroring": {"axes": settings.mirroring_axes.value, "rule": MIRRORING},
        "cascade": _describe_cascade(plan, settings),
        "ensemble": {"rule": ENSEMBLE},
        "restoring": {"rule": WAY_BACK},
        "outputs": _describe_outputs(plan.labels),
        "postprocessing": [_describe_step(step.name, step.labels, plan.labels) for step in postprocessing.steps],
    }


def _explain_normalization() -> str:
    return NORMALIZATION.format(obeying=f"{', '.join(OBEYING[:-1])} and {OBEYING[-1]}")


def _describe_channel(channel: ChannelPlan) -> dict[str, Any]:
    formula = " ".join((inspect.getdoc(find_scheme(channel)) or "").split())
    return {**values_only(channel), "rule": formula}


def _describe_resampling(settings: Configuration) -> dict[str, Any]:
    return {
        "target_spacing_mm": settings.spacing_mm.value,
        "shape": SHAPE,
        **values_only(settings.resampling.value),
        "separate": settings.resampling.value.separate,
        "separate_rule": SEPARATE,
        "anisotropy_threshold": ANISOTROPY_THRESHOLD,
        "splines": SPLINES,
    }


def _describe_windows(settings: Configuration) -> dict[str, Any]:
    return {
        "n_dimensions": settings.n_dimensions,
        "patch_size": settings.patch_size.value,
        "step": STEP,
        "starts": STARTS,
        "padding": PADDING,
        "slices": SLICES if settings.n_dimensions == 2 else None,
        "importance": {"rule": IMPORTANCE, "sigma_per_patch": SIGMA_PER_PATCH, "floor": SMALLEST_IMPORTANCE},
    }


def _describe_cascade(plan: Plan, settings: Configuration) -> dict[str, Any] | None:
    if settings.cascade is None:
        return None
    labels = [plan.labels.names[label] for label in plan.labels.foreground]
    return {
        "previous": settings.cascade.previous.value,
        "through": settings.cascade.through.value,
        "labels": labels,
        "rule": CASCADE,
    }


def _describe_outputs(labels: Labels) -> dict[str, Any]:
    """What each output channel means, and which number it becomes in a file."""
    if labels.regions:
        regions = [
            {
                "name": region.name,
                "labels": [labels.names[label] for label in region.labels],
                "value": labels.values[region.paints],
            }
            for region in labels.regions
        ]
        rule = "sigmoid; in their order, each region writes its value where its probability is above the threshold"
        return {"kind": "regions", "rule": rule, "threshold": THRESHOLD, "regions": regions}
    named = [{"name": name, "value": value} for name, value in zip(labels.names, labels.values, strict=True)]
    return {"kind": "labels", "rule": "softmax; the value of the output with the largest logit", "labels": named}


def _describe_step(name: str, labels: tuple[int, ...], known: Labels) -> dict[str, Any]:
    return {
        "name": name,
        "labels": [known.names[label] for label in labels],
        "values": [known.values[label] for label in labels],
        "rule": LARGEST,
    }
