"""How does a fold that autoseg trained look as a model folder of nnU-Net, so that both predict with the same weights?

    python benchmarks/nnunet_model.py CHECKPOINT.safetensors FOLDER --dataset DATASET

Writes what `nnUNetv2_predict_from_modelfolder` of nnU-Net 2.8 reads: plans.json, dataset.json and
fold_K/checkpoint_final.pth. For U-Nets, plain or residual, of datasets in nnU-Net's layout.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from nnunet_layers import REQUIRING_IMPORT, describe_layers

from autoseg.importing.nnunet_weights import to_nnunet_names
from autoseg.networks.checkpoint import Checkpoint, read_checkpoint
from autoseg.planning.plan import ChannelPlan, Configuration, Plan

SCHEMES = {
    "ct": "CTNormalization",
    "zscore": "ZScoreNormalization",
    "rescale": "RescaleTo01Normalization",
    "rgb": "RGBTo01Normalization",
    "none": "NoNormalization",
}
CLASSES = {"unet": "PlainConvUNet", "residual_unet": "ResidualEncoderUNet"}


def write_model(path: Path, folder: Path, *, dataset: Path, fold: int = 0) -> None:
    """Write a checkpoint as a model folder of nnU-Net, replacing what is there."""
    checkpoint = read_checkpoint(path)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / f"fold_{fold}").mkdir(parents=True)
    declared = json.loads((dataset / "dataset.json").read_text(encoding="utf-8"))
    plans = describe_plans(checkpoint, dataset.name)
    (folder / "dataset.json").write_text(json.dumps(declared), encoding="utf-8")
    (folder / "plans.json").write_text(json.dumps(plans, indent=1), encoding="utf-8")
    axes = checkpoint.settings.mirroring_axes.value
    content = {
        "network_weights": to_nnunet_names(checkpoint.weights, checkpoint.settings),
        "trainer_name": "nnUNetTrainer",
        "init_args": {"configuration": checkpoint.configuration, "plans": plans, "dataset_json": declared},
        "inference_allowed_mirroring_axes": axes or None,
    }
    torch.save(content, folder / f"fold_{fold}" / "checkpoint_final.pth")


def describe_plans(checkpoint: Checkpoint, dataset_name: str) -> dict[str, Any]:
    """What plans.json says."""
    plan, order = checkpoint.plan, list(checkpoint.plan.axis_order.value)
    return {
        "dataset_name": dataset_name,
        "plans_name": "nnUNetPlans",
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": order,
        "transpose_backward": [order.index(axis) for axis in range(3)],
        "configurations": {checkpoint.configuration: describe_configuration(checkpoint.settings, plan)},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {
            str(index): describe_intensities(channel) for index, channel in enumerate(plan.normalization)
        },
    }


def describe_intensities(channel: ChannelPlan) -> dict[str, float]:
    """A channel's statistics, where its scheme uses them."""
    facts = channel.intensities.value
    if facts is None:
        return {}
    names = ("mean", "std", "percentile_00_5", "percentile_99_5")
    return {name: getattr(facts, name) for name in names}


def describe_configuration(settings: Configuration, plan: Plan) -> dict[str, Any]:
    """What plans.json says of one configuration."""
    methods = settings.resampling.value
    forced = {"by_spacing": None, "never": False, "always": True}[methods.separate]
    separate = {"order_z": methods.separate_order, "force_separate_z": forced}
    function = "resample_data_or_seg_to_shape"
    return {
        "data_identifier": "nnUNetPlans",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": settings.batch_size.value,
        "patch_size": list(settings.patch_size.value),
        "spacing": list(settings.spacing_mm.value),
        "normalization_schemes": [SCHEMES[channel.scheme.value] for channel in plan.normalization],
        "use_mask_for_norm": [channel.inside_mask.value for channel in plan.normalization],
        "resampling_fn_data": function,
        "resampling_fn_seg": function,
        "resampling_fn_probabilities": function,
        "resampling_fn_data_kwargs": {"is_seg": False, "order": methods.image_order, **separate},
        "resampling_fn_seg_kwargs": {"is_seg": True, "order": methods.segmentation_order, **separate},
        "resampling_fn_probabilities_kwargs": {"is_seg": False, "order": methods.logits_order, **separate},
        "architecture": describe_architecture(settings),
        "batch_dice": settings.batch_dice.value,
    }


def describe_architecture(settings: Configuration) -> dict[str, Any]:
    """The network, as dynamic-network-architectures builds it."""
    name, topology, n_axes = settings.network.value, settings.topology.value, len(settings.patch_size.value)
    encoder = "n_blocks_per_stage" if name == "residual_unet" else "n_conv_per_stage"
    return {
        "network_class_name": f"dynamic_network_architectures.architectures.unet.{CLASSES[name]}",
        "arch_kwargs": {
            "n_stages": topology.n_stages,
            "features_per_stage": list(settings.features.value),
            **describe_layers(n_axes),
            "kernel_sizes": [list(kernel) for kernel in topology.kernel_sizes],
            "strides": [list(stride) for stride in topology.strides],
            encoder: list(settings.blocks.value.encoder),
            "n_conv_per_stage_decoder": list(reversed(settings.blocks.value.decoder)),
        },
        "_kw_requires_import": REQUIRING_IMPORT,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--fold", type=int, default=0)
    arguments = parser.parse_args()
    write_model(arguments.checkpoint, arguments.folder, dataset=arguments.dataset, fold=arguments.fold)


if __name__ == "__main__":
    main()
