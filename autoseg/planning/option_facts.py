"""What can the schema not tell of an option? Names, ranges, defaults of the blueprint, and an example of each.

Keys are those of a plan, without the name of a configuration. Tests hold ranges and examples to the validator.
"""

from __future__ import annotations

from collections.abc import Mapping

from autoseg.planning import blueprint, naming
from autoseg.planning.explaining import format_value
from autoseg.planning.naming import Named
from autoseg.planning.transforms import BOUNDS

CONFIGURATION, CHANNEL = "CONFIGURATION", "normalization.CHANNEL"  # stand for a name, in keys
BY_RULE = "by rule"
CHANCES = "probabilities from 0 to 1; a finite range, the lower end first"

NAMES: Mapping[str, Mapping[str, Named]] = {
    "network": naming.NETWORKS,
    "loss.terms": naming.LOSS_TERMS,
    "optimizer.name": naming.OPTIMIZERS,
    "optimizer.schedule": naming.SCHEDULES,
    "case_sampling": naming.CASE_SAMPLINGS,
    "precision": naming.PRECISIONS,
    "memory_layout": naming.MEMORY_LAYOUTS,
    "augmentation_engine": naming.ENGINES,
    f"{CHANNEL}.scheme": naming.NORMALIZATION_SCHEMES,
}
TAKES_OWN = ("network", "loss.terms", "optimizer.name", "optimizer.schedule", f"{CHANNEL}.scheme")
RANGES: Mapping[str, str] = {
    "n_folds": "at least 2",
    "budget.memory_gb": "above 0",
    "budget.train_time_s": "above 0",
    "batch_size": "at least 1",
    "spacing_mm": "1e-06 to 10000 each",
    "patch_size": "multiples of what the strides divide",
    "features": "at least 1 each",
    "blocks.encoder": "at least 1 each",
    "blocks.decoder": "at least 1 each",
    "resampling.image_order": "0 to 3",
    "resampling.segmentation_order": "0 to 3",
    "resampling.logits_order": "0 to 3",
    "resampling.separate_order": "0 to 3",
    "loss.terms": "weights of at least 0, one of them above",
    "dropout": "at least 0 and below 1",
    "optimizer.learning_rate": "above 0",
    "optimizer.weight_decay": "at least 0",
    "optimizer.momentum": "at least 0 and below 1",
    "optimizer.warmup_share": "at least 0 and below 1",
    "optimizer.gradient_clip_norm": "above 0",
    "optimizer.ema_decay": "above 0 and below 1",
    "length.train_time_s": "above 0",
    "length.n_iterations": "at least 1",
    "foreground_share": "0 to 1",
    "patch_schedule": "until_share rising, above 0 and below 1; patches no larger than patch_size",
    "early_stopping": "check_every and patience at least 1, min_gain from 0 to below 1",
    **{f"augmentation.{name}": CHANCES for name in ("rotation_deg", "scaling", "gaussian_noise", "gaussian_blur")},
    **{f"augmentation.{name}": CHANCES for name in ("brightness", "contrast", "low_resolution", "inverted_gamma")},
    **{f"augmentation.{name}": CHANCES for name in ("gamma", "mirroring")},
    "augmentation.elastic": f"{CHANCES}, {BOUNDS['elastic']}",
}
EXAMPLES: Mapping[str, str] = {
    "axis_order": "axis_order=[1,0,2]",
    "n_folds": "n_folds=3",
    "budget.memory_gb": "budget.memory_gb=6",
    "budget.train_time_s": "budget.train_time_s=1800",
    f"{CHANNEL}.scheme": "normalization.CT.scheme=zscore",
    f"{CHANNEL}.inside_mask": "normalization.CT.inside_mask=true",
    "spacing_mm": "spacing_mm=[3.0,1.6,1.6]",
    "patch_size": "patch_size=[32,48,48]",
    "batch_size": "batch_size=4",
    "network": "network=residual_unet",
    "loss.terms": "loss.terms='{focal: 1, soft_dice: 1}'",
    "loss.deep_supervision": "loss.deep_supervision=false",
    "dropout": "dropout=0.1",
    "batch_dice": "batch_dice=true",
    "optimizer.name": "optimizer.name=lion",
    "optimizer.learning_rate": "optimizer.learning_rate=0.005",
    "optimizer.schedule": "optimizer.schedule=constant",
    "optimizer.gradient_clip_norm": "optimizer.gradient_clip_norm=null",
    "optimizer.ema_decay": "optimizer.ema_decay=0.99",
    "optimizer.parameters": "optimizer.parameters.betas=[0.9,0.99]",
    "length.n_iterations": "length='{n_iterations: 2000, iterations_per_epoch: 100}'",
    "early_stopping": "early_stopping='{check_every: 5, patience: 4, min_gain: 0.001}'",
    "topology.strides": "topology.strides[1]=[1,2,2]",
    "features": "features=[8,16,32,64,128,128]",
    "resampling.separate_axis": "resampling.separate_axis=null",
    "loss.parameters": "loss.parameters.soft_dice.smooth=1.0",
    "augmentation.scaling": "augmentation.scaling.probability=0.5",
    "augmentation.elastic": "augmentation.elastic='{probability: 0.2, range: [1, 4]}'",
    "augmentation.custom": "augmentation.custom='[my_package.transforms:Bias]'",
    "mirroring_axes": "mirroring_axes=[1,2]",
    "foreground_share": "foreground_share=0.5",
    "case_sampling": "case_sampling=by_rare_label",
    "patch_schedule": "patch_schedule='[{until_share: 0.4, patch_size: [16,32,32], batch_size: 4}]'",
    "precision": "precision=float16",
    "memory_layout": "memory_layout=contiguous",
    "compile": "compile=true",
    "augmentation_engine": "augmentation_engine=workers",
}
DEFAULTS: Mapping[str, str] = {
    "loss.terms": format_value(blueprint.fix_loss().value.terms),
    "loss.parameters": "none",
    "loss.deep_supervision": format_value(blueprint.fix_loss().value.deep_supervision),
    "optimizer.parameters": "none",
    "foreground_share": format_value(blueprint.fix_foreground_share().value),
    "patch_schedule": "none",
    "memory_layout": BY_RULE,
    "augmentation.elastic": "never, but in the strong preset",
    "augmentation.custom": "none",
}
MEANINGS: Mapping[str, str] = {
    "axis_order": "which of (z, y, x) is first, second and third",
    "n_folds": "folds of the cross-validation",
    "patch_size": "voxels that the network sees at a time, per axis",
    "batch_size": "patches per iteration of training",
    "network": "the kind of network",
    "blocks.encoder": "convolutions, or residual blocks, of each encoder stage, finest first",
    "blocks.decoder": "convolutions of each decoder stage, finest first",
    "features": "feature maps of each stage, finest first",
    "batch_dice": "whether overlaps are summed over the batch, or per patch",
    "mirroring_axes": "axes that are flipped in training and in prediction",
    "optimizer.name": "how gradients become new weights",
    "optimizer.learning_rate": "at its highest",
    "optimizer.weight_decay": "how much weights shrink per step, times the learning rate in AdamW and Lion",
    "optimizer.momentum": "of sgd",
    "optimizer.schedule": "how the learning rate falls over the share of training that is spent",
    "optimizer.warmup_share": "of training, in which the learning rate rises first",
    "optimizer.gradient_clip_norm": "longer gradients are cut to this length; null cuts nothing",
    "optimizer.ema_decay": "of the averaged weights, which predict; null averages nothing",
    "optimizer.parameters": "further numbers of the optimiser, by name",
    "length.train_time_s": "seconds per fold",
    "length.n_iterations": "iterations, instead of a time",
    "length.iterations_per_epoch": "iterations between two lines of the history; by default from the time",
    "augmentation.rotation_deg": "turning around each axis, in degrees",
    "augmentation.scaling": "zooming, as a factor",
    "augmentation.gaussian_noise": "noise, up to this variance",
    "augmentation.gaussian_blur": "blur, sigma in voxels",
    "augmentation.brightness": "intensities times a factor",
    "augmentation.contrast": "intensities stretched around their mean by a factor, within their range",
    "augmentation.low_resolution": "sampled down by a factor and up again",
    "augmentation.inverted_gamma": "a gamma curve on inverted intensities",
    "augmentation.gamma": "a gamma curve on intensities, mean and deviation kept",
    "augmentation.mirroring": "flipping along each of mirroring_axes",
    "early_stopping": "ends training on a plateau of whole validation cases; null never does",
}
