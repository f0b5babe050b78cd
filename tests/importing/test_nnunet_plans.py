"""What plans.json says is taken as it is, or refused by name."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from autoseg.errors import PlanError
from autoseg.importing.nnunet_plans import NnunetConfiguration, read_nnunet_configuration
from tests.importing.conftest import CT, make_plans, make_settings


def read(tmp_path: Path, plans: Any, name: str = "3d_fullres") -> NnunetConfiguration:
    (tmp_path / "plans.json").write_text(json.dumps(plans), encoding="utf-8")
    return read_nnunet_configuration(tmp_path, name, n_channels=2)


def test_values_are_taken_over(tmp_path: Path) -> None:
    found = read(tmp_path, make_plans({"3d_fullres": make_settings()}))
    assert (found.axis_order, found.spacing_mm, found.patch_size) == ((2, 0, 1), (4.0, 1.0, 1.5), (8, 16, 24))
    assert (found.schemes, found.inside_mask) == (("ct", "zscore"), (False, True))
    assert found.architecture.topology.kernel_sizes[0] == (1, 3, 3)
    assert found.architecture.blocks.decoder == (2, 1), "finest first here, coarsest first in nnU-Net"
    assert found.resampling.separate_axis == 0, "4 mm is more than 3 times 1 mm"


def test_a_child_inherits_what_it_does_not_say(tmp_path: Path) -> None:
    grandchild = {"inherits_from": "big", "patch_size": [16, 16, 16]}
    plans = make_plans({"3d_fullres": make_settings(), "big": {"inherits_from": "3d_fullres", "batch_size": 9}})
    plans["configurations"]["bigger"] = grandchild
    found = read(tmp_path, plans, "bigger")
    assert (found.patch_size, found.batch_size, found.spacing_mm) == ((16, 16, 16), 9, (4.0, 1.0, 1.5))


def test_inheriting_in_a_circle_is_an_error(tmp_path: Path) -> None:
    plans = make_plans({"a": {"inherits_from": "b"}, "b": {"inherits_from": "a"}})
    with pytest.raises(PlanError, match="a inherits from b inherits from a, which never ends"):
        read(tmp_path, plans, "a")


def test_plans_before_2_4_say_the_same(tmp_path: Path) -> None:
    new = make_settings()
    arguments = new["architecture"]["arch_kwargs"]
    arguments["features_per_stage"] = [4, 8, 12]
    old = {key: value for key, value in new.items() if key != "architecture"} | {
        "UNet_class_name": "PlainConvUNet",
        "UNet_base_num_features": 4,
        "unet_max_num_features": 12,
        "n_conv_per_stage_encoder": arguments["n_conv_per_stage"],
        "n_conv_per_stage_decoder": arguments["n_conv_per_stage_decoder"],
        "num_pool_per_axis": [1, 2, 2],
        "pool_op_kernel_sizes": arguments["strides"],
        "conv_kernel_sizes": arguments["kernel_sizes"],
    }
    was = read(tmp_path, make_plans({"3d_fullres": old})).architecture
    assert was == read(tmp_path, make_plans({"3d_fullres": new})).architecture


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("norm_op", "torch.nn.modules.batchnorm.BatchNorm3d", "norm_op is .*BatchNorm3d"),
        ("norm_op_kwargs", {"eps": 1e-3, "affine": True}, "norm_op_kwargs is"),
        ("norm_op_kwargs", {"eps": 1e-5}, "norm_op_kwargs is"),
        ("nonlin", "torch.nn.ReLU", "nonlin is torch.nn.ReLU"),
        ("nonlin_kwargs", {"negative_slope": 0.1}, "slope of LeakyReLU is 0.1"),
        ("conv_bias", False, "conv_bias is False"),
        ("stem_channels", 7, "stem_channels is 7"),
        ("attention", True, "attention=True"),
        ("nonlin", "removed", "nonlin is not named"),
        ("norm_op", "removed", "norm_op is not named"),
        ("norm_op_kwargs", "removed", "norm_op_kwargs is .*'affine': False"),
        ("conv_op", "removed", "conv_op is not named"),
        ("conv_bias", "removed", "conv_bias is False"),
    ],
)
def test_another_network_is_refused(tmp_path: Path, key: str, value: Any, said: str) -> None:
    settings = make_settings()
    settings["architecture"]["arch_kwargs"][key] = value
    if value == "removed":  # then its class builds without, as PlainConvUNet's signature says
        del settings["architecture"]["arch_kwargs"][key]
    with pytest.raises(PlanError, match=said):
        read(tmp_path, make_plans({"3d_fullres": settings}))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("preprocessor_name", "MyPreprocessor", "preprocessor_name is MyPreprocessor"),
        ("resampling_fn_data", "resample_torch_fornnunet", "resampling_fn_data is resample_torch_fornnunet"),
        ("normalization_schemes", ["MyNorm", "CTNormalization"], "normalises by MyNorm"),
        ("normalization_schemes", ["CTNormalization"], "normalises 1 channel"),
    ],
)
def test_other_preprocessing_is_refused(tmp_path: Path, key: str, value: Any, said: str) -> None:
    with pytest.raises(PlanError, match=said):
        read(tmp_path, make_plans({"3d_fullres": {**make_settings(), key: value}}))


@pytest.mark.parametrize(
    ("use", "option", "said"),
    [
        ("data", {"force_separate_z": True}, "force_separate_z of resampling_fn_probabilities is None, but True"),
        ("data", {"force_separate_z": "z"}, "force_separate_z z, but it is null or a bool"),
        ("probabilities", {"order_z": 1}, "order_z of resampling_fn_probabilities is 1, but 0"),
        ("data", {"separate_z_anisotropy_threshold": 5}, "separate_z_anisotropy_threshold 5"),
        ("seg", {"blur": 2}, "blur 2, which is not known"),
    ],
)
def test_other_resampling_is_refused(tmp_path: Path, use: str, option: dict[str, Any], said: str) -> None:
    settings = make_settings()
    settings[f"resampling_fn_{use}_kwargs"] |= option
    with pytest.raises(PlanError, match=said):
        read(tmp_path, make_plans({"3d_fullres": settings}))


@pytest.mark.parametrize(("force", "separate"), [(None, "by_spacing"), (False, "never"), (True, "always")])
def test_whether_a_coarse_axis_is_forced_apart_is_taken_over(tmp_path: Path, force: Any, separate: str) -> None:
    settings = make_settings()
    for use in ("data", "seg", "probabilities"):
        settings[f"resampling_fn_{use}_kwargs"]["force_separate_z"] = force
    assert read(tmp_path, make_plans({"3d_fullres": settings})).resampling.separate == separate


def test_a_reader_that_turns_images_is_refused(tmp_path: Path) -> None:
    plans = {**make_plans({"3d_fullres": make_settings()}), "image_reader_writer": "NibabelIOWithReorient"}
    with pytest.raises(PlanError, match=r"NibabelIOWithReorient .it turns every image"):
        read(tmp_path, plans)


def test_only_zscore_obeys_the_mask(tmp_path: Path) -> None:
    """nnU-Net's other schemes do not look at use_mask_for_norm."""
    masks = {}
    for scheme in ("CT", "ZScore", "RescaleTo01", "RGBTo01", "No"):
        settings = {**make_settings(), "normalization_schemes": [f"{scheme}Normalization"] * 2}
        masks[scheme] = read(tmp_path, make_plans({"3d_fullres": settings | {"use_mask_for_norm": [True, False]}}))
    assert {name: found.inside_mask for name, found in masks.items()} == {
        **dict.fromkeys(masks, (False, False)),
        "ZScore": (True, False),
    }


def test_intensities_are_read_for_ct_alone(tmp_path: Path) -> None:
    """nnU-Net writes NaN for a channel in which no foreground was measured."""
    plans = make_plans({"3d_fullres": make_settings()})
    plans["foreground_intensity_properties_per_channel"]["1"] = dict.fromkeys(CT, math.nan)
    found = read(tmp_path, plans)
    assert found.intensities[0] is not None
    assert (found.intensities[0].mean, found.intensities[1]) == (CT["mean"], None)
    plans["foreground_intensity_properties_per_channel"]["0"] = dict.fromkeys(CT, math.nan)
    with pytest.raises(PlanError, match=r"foreground_intensity_properties_per_channel.0"):
        read(tmp_path, plans)
