"""Model folders as nnU-Net v2 writes them, made by hand: small networks of random weights for two channels."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from autoseg.importing.nnunet_plans import NnunetDataset, read_nnunet_configuration, read_nnunet_dataset
from autoseg.importing.nnunet_weights import to_nnunet_names
from autoseg.importing.translating import TrainedConfiguration, name_configuration, translate_plan
from autoseg.networks.build import build_network
from autoseg.planning.plan import Plan

DECLARED = {
    "channel_names": {"0": "CT", "1": "PET"},
    "labels": {"background": 0, "liver": 1, "tumour": 2},
    "numTraining": 12,
    "file_ending": ".nii.gz",
}
CT = {
    "mean": 9.0,
    "std": 3.0,
    "min": -5.0,
    "max": 50.0,
    "median": 8.0,
    "percentile_00_5": -4.0,
    "percentile_99_5": 40.0,
}


def make_settings(n_dimensions: int = 3, *, residual: bool = False) -> dict[str, Any]:
    """One configuration of plans.json: anisotropic in all that can be."""
    flat, coarse = [1, 2, 2][-n_dimensions:], [2, 2, 2][-n_dimensions:]
    depths: dict[str, Any] = {"n_blocks_per_stage": [1, 2, 1]} if residual else {"n_conv_per_stage": [2, 1, 2]}
    network = "ResidualEncoderUNet" if residual else "PlainConvUNet"
    settings: dict[str, Any] = {
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": [8, 16, 24][-n_dimensions:],
        "median_image_size_in_voxels": [10.0, 30.5, 40.0][-n_dimensions:],
        "spacing": [4.0, 1.0, 1.5][-n_dimensions:],
        "normalization_schemes": ["CTNormalization", "ZScoreNormalization"],
        "use_mask_for_norm": [False, True],
        "batch_dice": n_dimensions == 2,
        "architecture": {
            "network_class_name": f"dynamic_network_architectures.architectures.unet.{network}",
            "arch_kwargs": {
                "n_stages": 3,
                "features_per_stage": [4, 8, 8],
                "conv_op": f"torch.nn.modules.conv.Conv{n_dimensions}d",
                "kernel_sizes": [[1, 3, 3][-n_dimensions:], [3] * n_dimensions, [3] * n_dimensions],
                "strides": [[1] * n_dimensions, flat, coarse],
                **depths,
                "n_conv_per_stage_decoder": [1, 2],
                "conv_bias": True,
                "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{n_dimensions}d",
                "norm_op_kwargs": {"eps": 1e-05, "affine": True},
                "dropout_op": None,
                "dropout_op_kwargs": None,
                "nonlin": "torch.nn.LeakyReLU",
                "nonlin_kwargs": {"inplace": True},
            },
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
    }
    for use, order in (("data", 3), ("seg", 1), ("probabilities", 1)):
        kwargs = {"is_seg": use == "seg", "order": order, "order_z": 0, "force_separate_z": None}
        settings[f"resampling_fn_{use}"] = "resample_data_or_seg_to_shape"
        settings[f"resampling_fn_{use}_kwargs"] = kwargs
    return settings


def make_plans(configurations: Mapping[str, Any]) -> dict[str, Any]:
    """plans.json, with turned axes."""
    return {
        "dataset_name": "Dataset007_Liver",
        "plans_name": "nnUNetPlans",
        "original_median_shape_after_transp": [10, 60, 80],
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [2, 0, 1],
        "transpose_backward": [1, 2, 0],
        "configurations": copy.deepcopy(dict(configurations)),
        "experiment_planner_used": "nnUNetPlannerResEncL",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": CT, "1": CT},
    }


def write_folder(
    root: Path, plans: Mapping[str, Any], name: str, *, folds: tuple[str, ...] = ("0",), declared: Any = DECLARED
) -> Path:
    """A model folder, its networks built here and saved under nnU-Net's names."""
    folder = root / f"nnUNetTrainer__nnUNetPlans__{name}"
    folder.mkdir(parents=True)
    (folder / "plans.json").write_text(json.dumps(plans), encoding="utf-8")
    (folder / "dataset.json").write_text(json.dumps(declared), encoding="utf-8")
    plan, ours = plan_folder(folder, name)
    settings = plan.configurations[ours]
    n_inputs = settings.count_input_channels(len(plan.channels), plan.labels.n_labels)
    for fold in folds:
        torch.manual_seed(sum(map(ord, fold)))
        network = build_network(settings, n_inputs, plan.labels.n_outputs)
        content = {
            "network_weights": to_nnunet_names(network.state_dict(), settings),
            "init_args": {"configuration": name},
            "trainer_name": "nnUNetTrainer",
            "inference_allowed_mirroring_axes": (0, 1),
            "current_epoch": 1000,
        }
        (folder / f"fold_{fold}").mkdir()
        torch.save(content, folder / f"fold_{fold}" / "checkpoint_final.pth")
    return folder


def plan_folder(folder: Path, name: str) -> tuple[Plan, str]:
    """The plan of one configuration of a folder, and its name here; of a cascade together with what it builds on."""
    dataset: NnunetDataset = read_nnunet_dataset(folder)
    found = read_nnunet_configuration(folder, name, n_channels=len(dataset.channels))
    trained = {name_configuration(found): TrainedConfiguration(found, (0, 1), deep_supervision=True)}
    if found.previous is not None:
        before = read_nnunet_configuration(folder, found.previous, n_channels=len(dataset.channels))
        trained["3d_lowres"] = TrainedConfiguration(before, (0, 1), deep_supervision=True)
    plan = translate_plan(trained, dataset, fingerprint_digest="0", where=str(folder))
    return plan, name_configuration(found)


@pytest.fixture
def cascade_folders(tmp_path: Path) -> tuple[Path, Path]:
    """The folders of a low-resolution model and of the cascade on top of it, side by side."""
    low = {**make_settings(), "spacing": [8.0, 2.0, 3.0], "patch_size": [8, 8, 8]}
    top = {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"}
    plans = make_plans({"3d_fullres": make_settings(), "3d_lowres": low, "3d_cascade_fullres": top})
    results = tmp_path / "Dataset007_Liver"
    return write_folder(results, plans, "3d_lowres"), write_folder(results, plans, "3d_cascade_fullres")
