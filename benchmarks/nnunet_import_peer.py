"""What does nnU-Net predict with given models? Runs in an environment of its own, started by `nnunet_import.py`.

    PEER_PYTHON benchmarks/nnunet_import_peer.py DATA FOLDER [--only NAME ...]

Writes, for every case of the table below, a model folder as nnU-Net writes it (plans.json, dataset.json, checkpoints of
its own networks with random weights, the last layer's bias set so that a share of voxels is foreground), and what
nnU-Net's own preprocessing, prediction and export make of one or two images: `expected/CASE.nii.gz`. nnU-Net weighs and
sums windows in half precision; `exact/CASE.nii.gz` is what its own code makes of them in float32, and `exact/CASE.npz`
holds the network's input and these logits.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunet_layers import REQUIRING_IMPORT, describe_layers
from nnunetv2.inference import predict_from_raw_data
from nnunetv2.inference.export_prediction import export_prediction_from_logits
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.label_handling.label_handling import convert_labelmap_to_one_hot, determine_num_input_channels
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

CT = {"mean": 20.0, "std": 60.0, "min": -900.0, "max": 900.0, "median": 25.0}
CT |= {"percentile_00_5": -120.0, "percentile_99_5": 160.0}
SHARE = 0.3  # of the voxels that each output claims

SARCOMA = {"source": "Dataset010_SarcomaCT", "cases": ["STS_002"], "schemes": ["CTNormalization"], "masks": [False]}
MULTIMODAL = {
    "source": "Dataset011_SarcomaMultimodal",
    "cases": ["STS_002"],
    "schemes": ["ZScoreNormalization", "CTNormalization", "RescaleTo01Normalization"],
    "masks": [True, False, True],
}
HIPPOCAMPUS = {
    "source": "Dataset004_Hippocampus",
    "cases": ["hippocampus_001", "hippocampus_004"],
    "schemes": ["ZScoreNormalization"],
    "masks": [False],
}
REGIONS = {"labels": {"background": 0, "whole": [1, 2], "posterior": 2}, "regions_class_order": [1, 2]}
IGNORE = {"labels": {"background": 0, "anterior": 1, "posterior": 2, "ignore": 3}}
FLAT = {"strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]], "kernels": [[1, 3, 3], [3, 3, 3], [3, 3, 3]]}
CUBE = {"strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]], "kernels": [[3, 3, 3]] * 3}
SLICE = {"strides": [[1, 1], [2, 2], [2, 2]], "kernels": [[3, 3]] * 3}

# name: dataset, configuration(s) with their spacing and patch, and what is special
CASES: dict[str, dict[str, Any]] = {
    "ct_flat_residual": {
        **SARCOMA,
        "configurations": {"3d_fullres": {"spacing": [5.0, 2.0, 2.0], "patch": [24, 64, 64], **FLAT}},
        "residual": True,
        "folds": [0, 3],
        "mirroring": (1, 2),
    },
    "ct_unmirrored": {
        **SARCOMA,
        "configurations": {"3d_fullres": {"spacing": [3.0, 1.3, 1.2], "patch": [32, 128, 128], **FLAT}},
        "mirroring": None,
    },
    "ct_slices": {
        **SARCOMA,
        "configurations": {"2d": {"spacing": [1.4, 1.5], "patch": [96, 96], **SLICE}},
        "mirroring": (0, 1),
    },
    "ct_cascade": {
        **SARCOMA,
        "configurations": {
            "3d_lowres": {"spacing": [6.0, 3.0, 3.0], "patch": [24, 48, 48], **FLAT},
            "3d_cascade_fullres": {"spacing": [4.0, 1.7, 1.7], "patch": [24, 64, 64], **FLAT, "from": "3d_lowres"},
        },
        "mirroring": (2,),
    },
    "masks": {
        **MULTIMODAL,
        "configurations": {"3d_fullres": {"spacing": [4.0, 1.6, 1.6], "patch": [24, 64, 64], **FLAT}},
        "mirroring": (0,),
    },
    "regions": {
        **HIPPOCAMPUS,
        "configurations": {"3d_fullres": {"spacing": [1.2, 0.9, 1.1], "patch": [24, 40, 24], **CUBE}},
        "dataset": REGIONS,
        "mirroring": (0, 1, 2),
    },
    "ignore": {
        **HIPPOCAMPUS,
        "configurations": {"3d_fullres": {"spacing": [1.0, 1.0, 1.0], "patch": [24, 40, 24], **CUBE}},
        "dataset": IGNORE,
        "folds": [0, 1, 2],
        "mirroring": (0, 2),
    },
    "transposed": {
        **HIPPOCAMPUS,
        "configurations": {"3d_fullres": {"spacing": [4.0, 0.8, 1.1], "patch": [12, 32, 40], **FLAT}},
        "transpose": [2, 0, 1],
        "mirroring": (0, 1),
    },
    "old_plans": {
        **HIPPOCAMPUS,
        "configurations": {"3d_fullres": {"spacing": [0.7, 0.8, 0.9], "patch": [40, 40, 40], **CUBE}},
        "old": True,
        "mirroring": (0, 1, 2),
    },
    "cascade": {
        **HIPPOCAMPUS,
        "configurations": {
            "3d_lowres": {"spacing": [2.0, 1.9, 2.1], "patch": [16, 24, 16], **CUBE},
            "3d_cascade_fullres": {"spacing": [1.0, 0.9, 1.1], "patch": [24, 40, 24], **CUBE, "from": "3d_lowres"},
        },
        "mirroring": (0, 1, 2),
    },
}
RESAMPLING = "resample_data_or_seg_to_shape"
ORDERS = {"data": 3, "seg": 1, "probabilities": 1}


def describe_network(settings: dict[str, Any], residual: bool) -> dict[str, Any]:
    """The entry `architecture` of plans.json."""
    n_dimensions, n_stages = len(settings["patch"]), len(settings["strides"])
    depths = {"n_blocks_per_stage": [1, 2, 2]} if residual else {"n_conv_per_stage": [2] * n_stages}
    return {
        "network_class_name": "dynamic_network_architectures.architectures.unet."
        + ("ResidualEncoderUNet" if residual else "PlainConvUNet"),
        "arch_kwargs": {
            "n_stages": n_stages,
            "features_per_stage": [4, 8, 16],
            **describe_layers(n_dimensions),
            "kernel_sizes": settings["kernels"],
            "strides": settings["strides"],
            **depths,
            "n_conv_per_stage_decoder": [2, 1] if not residual else [1, 1],
        },
        "_kw_requires_import": REQUIRING_IMPORT,
    }


def describe_old_network(settings: dict[str, Any]) -> dict[str, Any]:
    """The same before nnU-Net 2.4."""
    return {
        "UNet_class_name": "PlainConvUNet",
        "UNet_base_num_features": 4,
        "unet_max_num_features": 12,
        "n_conv_per_stage_encoder": [2, 2, 2],
        "n_conv_per_stage_decoder": [2, 2],
        "num_pool_per_axis": [2, 2, 2],
        "pool_op_kernel_sizes": settings["strides"],
        "conv_kernel_sizes": settings["kernels"],
    }


def describe_configuration(case: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """One configuration of plans.json."""
    resampling: dict[str, Any] = {}
    for use, order in ORDERS.items():
        resampling[f"resampling_fn_{use}"] = RESAMPLING
        kwargs = {"is_seg": use == "seg", "order": order, "order_z": 0, "force_separate_z": None}
        resampling[f"resampling_fn_{use}_kwargs"] = kwargs
    old = case.get("old", False)
    network = (
        describe_old_network(settings)
        if old
        else {"architecture": describe_network(settings, case.get("residual", False))}
    )
    return {
        "data_identifier": "any",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": settings["patch"],
        "median_image_size_in_voxels": settings["patch"],
        "spacing": settings["spacing"],
        "normalization_schemes": case["schemes"],
        "use_mask_for_norm": case["masks"],
        **resampling,
        **network,
        "batch_dice": False,
        **({"previous_stage": settings["from"]} if "from" in settings else {}),
    }


def write_plans(case: dict[str, Any], declared: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """plans.json and dataset.json. A parent configuration holds what children inherit."""
    transpose = case.get("transpose", [0, 1, 2])
    configurations: dict[str, Any] = {}
    for name, settings in case["configurations"].items():
        whole = describe_configuration(case, settings)
        configurations[f"{name}_parent"] = {**whole, "batch_size": 7}
        configurations[name] = {"inherits_from": f"{name}_parent", "batch_size": whole["batch_size"]}
    plans = {
        "dataset_name": case["source"],
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [1.0, 1.0, 1.0],
        "original_median_shape_after_transp": [40, 50, 60],
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": transpose,
        "transpose_backward": [transpose.index(axis) for axis in range(3)],
        "configurations": configurations,
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {str(i): CT for i in range(len(case["schemes"]))},
    }
    return plans, {**declared, **case.get("dataset", {})}


class Float32Torch:
    """torch, but for the type that nnU-Net's prediction sums windows in."""

    half = torch.float32

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


@contextmanager
def in_float32() -> Iterator[None]:
    """nnU-Net's prediction, with window weights and sums in float32."""
    weigh = predict_from_raw_data.compute_gaussian

    def weigh_exactly(*arguments: Any, **named: Any) -> torch.Tensor:
        return weigh(*arguments, **{**named, "dtype": torch.float32})

    weigh_exactly.cache_clear = weigh.cache_clear  # type: ignore[attr-defined]
    predict_from_raw_data.torch, predict_from_raw_data.compute_gaussian = Float32Torch(), weigh_exactly
    try:
        yield
    finally:
        predict_from_raw_data.torch, predict_from_raw_data.compute_gaussian = torch, weigh


class Peer:
    """One configuration of one case: its folder, its plans, and nnU-Net's own predictor."""

    def __init__(self, root: Path, case: dict[str, Any], name: str, plans: dict[str, Any], declared: dict[str, Any]):
        self.folder = root / f"nnUNetTrainer__nnUNetPlans__{name}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.case, self.name, self.plans, self.declared = case, name, plans, declared
        for file, content in (("plans.json", plans), ("dataset.json", declared)):
            (self.folder / file).write_text(json.dumps(content))
        self.manager = PlansManager(copy.deepcopy(plans))
        self.configuration = self.manager.get_configuration(name)
        self.labels = self.manager.get_label_manager(declared)

    def read_case(self, images: Path, case_id: str, previous: Path | None) -> tuple[np.ndarray, dict[str, Any]]:
        """What the network sees, as nnU-Net's prediction makes it of files."""
        files = [str(images / f"{case_id}_{i:04d}.nii.gz") for i in range(len(self.case["schemes"]))]
        before = None if previous is None else str(previous / f"{case_id}.nii.gz")
        preprocessor = self.configuration.preprocessor_class(verbose=False)
        data, seg, properties = preprocessor.run_case(files, before, self.manager, self.configuration, self.declared)
        if before is not None:
            data = np.vstack((data, convert_labelmap_to_one_hot(seg[0], self.labels.foreground_labels, data.dtype)))
        return data, properties

    def write_checkpoints(self, data: np.ndarray) -> None:
        """Random networks in nnU-Net's form, each fold's its own."""
        n_inputs = determine_num_input_channels(self.manager, self.configuration, self.declared)
        for fold in self.case.get("folds", [0]):
            torch.manual_seed(100 + fold)
            network = nnUNetTrainer.build_network_architecture(
                self.manager, self.configuration, n_inputs, self.labels.num_segmentation_heads, True
            )
            self.balance(network, data)
            arguments = {"plans": self.plans, "configuration": self.name, "fold": fold, "dataset_json": self.declared}
            content = {
                "network_weights": network.state_dict(),
                "optimizer_state": {},
                "grad_scaler_state": None,
                "logging": {"ema_fg_dice": [np.float32(0.5)], "lrs": [0.01], "train_losses": [np.float64(0.1)]},
                "_best_ema": np.float32(0.5),
                "current_epoch": 1,
                "init_args": {**arguments, "device": torch.device("cpu")},
                "trainer_name": "nnUNetTrainer",
                "inference_allowed_mirroring_axes": self.case["mirroring"],
            }
            place = self.folder / f"fold_{fold}"
            place.mkdir(exist_ok=True)
            torch.save(content, place / "checkpoint_final.pth")

    @torch.no_grad()
    def balance(self, network: torch.nn.Module, data: np.ndarray) -> None:
        """Shift the outputs so that each claims a share of a patch in the middle of the image."""
        patch = self.configuration.patch_size
        image = data[:, data.shape[1] // 2] if len(patch) == 2 else data
        starts = [max(0, (size - p) // 2) for size, p in zip(image.shape[1:], patch, strict=True)]
        part = image[(slice(None), *(slice(a, a + p) for a, p in zip(starts, patch, strict=True)))]
        pad = [(0, 0), *((0, p - size) for size, p in zip(part.shape[1:], patch, strict=True))]
        logits = network.eval()(torch.from_numpy(np.pad(part, pad)).float()[None])[0][0]
        flat, head = logits.flatten(1)[:, ::7], network.decoder.seg_layers[-1]
        if self.labels.has_regions:
            head.bias -= torch.quantile(flat, 1 - SHARE, dim=1)
        else:
            head.bias[1:] -= torch.quantile(flat[1:] - flat[:1], 1 - SHARE, dim=1)

    def predict(self, data: np.ndarray, properties: dict[str, Any], target: Path) -> np.ndarray:
        """nnU-Net's own sliding window and export. Returns the logits."""
        target.parent.mkdir(parents=True, exist_ok=True)
        predictor = nnUNetPredictor(device=torch.device("cpu"), allow_tqdm=False)
        predictor.initialize_from_trained_model_folder(str(self.folder), tuple(self.case.get("folds", [0])))
        logits = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(data).float()).cpu()
        arguments = (properties, self.configuration, self.manager, self.declared, str(target))
        export_prediction_from_logits(logits.clone(), *arguments, num_threads_torch=1)
        return logits.numpy()


def run_case(data_folder: Path, root: Path, case: dict[str, Any]) -> None:
    """All configurations of a case, in order: a cascade reads the files of the one before, of its own precision."""
    source = data_folder / case["source"]
    plans, declared = write_plans(case, json.loads((source / "dataset.json").read_text()))
    before: Path | None = None
    for name in case["configurations"]:
        peer = Peer(root, case, name, plans, declared)
        for number, case_id in enumerate(case["cases"]):
            read = partial(peer.read_case, source / "imagesTr", case_id)
            data, properties = read(None if before is None else before / "expected")
            if number == 0:
                peer.write_checkpoints(data)
            peer.predict(data, properties, peer.folder / "expected" / case_id)
            data, properties = read(None if before is None else before / "exact")
            with in_float32():
                logits = peer.predict(data, properties, peer.folder / "exact" / case_id)
            np.savez(peer.folder / "exact" / f"{case_id}.npz", data=data.astype(np.float32), logits=logits)
        before = peer.folder


def main() -> None:
    """Make every model folder that is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", default=list(CASES))
    arguments = parser.parse_args()
    for name in arguments.only:
        if not (arguments.folder / name / "done").is_file():
            print(name, flush=True)
            run_case(arguments.data, arguments.folder / name, CASES[name])
            (arguments.folder / name / "done").touch()


if __name__ == "__main__":
    main()
