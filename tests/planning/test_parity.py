"""The published rules reproduce nnU-Net 2.8's own plans, number for number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autoseg.data.labels import Labels
from autoseg.fingerprinting.fingerprint import CaseFacts, Fingerprint
from autoseg.planning.devices import DeviceFacts
from autoseg.planning.plan import Configuration, Plan
from autoseg.planning.planner import make_plan
from autoseg.planning.wishes import Wishes

TABLE = Path(__file__).resolve().parents[3] / "shared" / "design" / "parity" / "nnunet_plans.json"
GPU = DeviceFacts(device="cuda", memory_gb=80, n_threads=8)
SCHEMES = {
    "CTNormalization": "ct",
    "ZScoreNormalization": "zscore",
    "RGBTo01Normalization": "rgb",
    "RescaleTo01Normalization": "rescale",
    "NoNormalization": "none",
}
NAMES = {"3d_cascade_fullres": "3d_cascade"}  # nnU-Net's name, ours


def plan_as_published(entry: dict[str, Any]) -> Plan:
    n_cases, names = entry["n_cases"], tuple(entry["labels"])
    pairs = list(zip(entry["spacings"], entry["shapes_after_crop"], strict=True))
    if len(pairs) == 1:
        pairs *= n_cases
    cases = tuple(CaseFacts(spacing_mm=spacing, shape_after_cropping=shape) for spacing, shape in pairs)
    fingerprint = Fingerprint(
        dataset=entry["name"],
        channels=tuple(entry["channels"]),
        labels=Labels(names=names, values=tuple(range(len(names)))),
        median_share_after_cropping=entry["median_relative_size_after_cropping"],
        cases=cases,
    )
    size = entry["planner"].removeprefix("resenc_")
    wish = {} if size == "default" else {"size": size}
    return make_plan(fingerprint, GPU, Wishes(gpu_memory_gb=entry["gpu_memory_gb"], rules="nnunet", **wish))


def describe(plan: Plan, configuration: Configuration) -> dict[str, Any]:
    """A configuration in the words of nnU-Net's plans file."""
    return {
        "spacing": list(configuration.spacing_mm.value),
        "median_shape": list(configuration.median_shape.value),
        "patch_size": list(configuration.patch_size.value),
        "batch_size": configuration.batch_size.value,
        "strides": [list(strides) for strides in configuration.topology.value.strides],
        "kernel_sizes": [list(kernel) for kernel in configuration.topology.value.kernel_sizes],
        "features_per_stage": list(configuration.features.value),
        "blocks": list(configuration.blocks.value.encoder),
        "normalization": [channel.scheme.value for channel in plan.normalization],
        "use_mask_for_norm": [channel.inside_mask.value for channel in plan.normalization],
        "batch_dice": configuration.batch_dice.value,
    }


def read_entries() -> list[dict[str, Any]]:
    return json.loads(TABLE.read_text())["entries"] if TABLE.is_file() else []


@pytest.mark.skipif(not TABLE.is_file(), reason=f"no table of published plans at {TABLE}")
@pytest.mark.parametrize("entry", read_entries(), ids=lambda entry: f"{entry['name']}-{entry['planner']}")
def test_every_entry_of_the_table_is_reproduced(entry: dict[str, Any]) -> None:
    plan, expected = plan_as_published(entry), entry["expected"]
    assert list(plan.axis_order.value) == expected["axis_order"]
    configurations = expected["configurations"]
    assert {NAMES.get(name, name) for name in configurations} == set(plan.configurations)
    for name, wanted in configurations.items():
        if "inherits_from" in wanted:
            previous = plan.configurations[NAMES[name]].cascade.previous.value
            assert previous == wanted["previous_stage"]
            wanted = configurations[wanted["inherits_from"]]
        wanted = {key: value for key, value in wanted.items() if key != "next_stage"}
        wanted["normalization"] = [SCHEMES[scheme] for scheme in wanted["normalization"]]
        assert describe(plan, plan.configurations[NAMES.get(name, name)]) == wanted


# nnU-Net's public reference plans (its default planner at 8 GB, as its documentation and datasets give them):
# name, spacing in mm, median shape, cases, labels, patch and batch in 3D and in 2D.
PUBLIC = [
    ("Hippocampus", (1, 1, 1), (36, 50, 35), 260, 3, ((40, 56, 40), 9), ((56, 40), 366)),
    ("Heart", (1.37, 1.25, 1.25), (115, 320, 232), 20, 2, ((80, 192, 160), 2), ((320, 256), 40)),
    ("Prostate", (3.6, 0.625, 0.625), (20, 320, 319), 32, 3, ((20, 320, 256), 2), ((320, 320), 32)),
    ("Spleen", (1.6, 0.79, 0.79), (187, 512, 512), 41, 2, ((64, 192, 160), 2), ((512, 512), 12)),
    ("BrainTumour", (1, 1, 1), (138, 169, 138), 484, 4, ((128, 128, 128), 2), ((192, 160), 105)),
    ("Liver", (1, 0.77, 0.77), (482, 512, 512), 131, 3, ((128, 128, 128), 2), ((512, 512), 12)),
    ("ACDC", (6.35, 1.52, 1.52), (14, 246, 213), 200, 4, ((14, 256, 224), 5), ((256, 224), 56)),
]


@pytest.mark.parametrize("row", PUBLIC, ids=[row[0] for row in PUBLIC])
def test_public_plans_are_reproduced(row: tuple[Any, ...]) -> None:
    name, spacing, shape, n_cases, n_labels, volume, slices = row
    entry = {"name": name, "spacings": [spacing], "shapes_after_crop": [shape], "n_cases": n_cases, "channels": ["MRI"]}
    entry |= {"labels": ["background", "a", "b", "c"][:n_labels], "median_relative_size_after_cropping": 1.0}
    plan = plan_as_published(entry | {"planner": "default", "gpu_memory_gb": 8})
    for configuration, expected in (("3d_fullres", volume), ("2d", slices)):
        planned = plan.configurations[configuration]
        assert (planned.patch_size.value, planned.batch_size.value) == expected


def test_tiny_and_uneven_images_are_planned_as_published() -> None:
    """Found by planning hundreds of generated fingerprints with nnU-Net 2.8.1 beside this: rare, and easy to miss."""
    tiny = {"name": "tiny", "spacings": [[1.0, 1.0, 1.0]], "shapes_after_crop": [[7, 6, 5]], "n_cases": 4}
    tiny |= {"channels": ["MRI"], "labels": ["background", "a"], "median_relative_size_after_cropping": 1.0}
    plan = plan_as_published(tiny | {"planner": "resenc_m", "gpu_memory_gb": 8})
    assert plan.configurations["3d_fullres"].topology.value.strides == ((1, 1, 1),)
    halves = tiny | {"shapes_after_crop": [[7, 40, 40], [8, 40, 40]], "spacings": [[1.0, 1.0, 1.0]] * 2, "n_cases": 2}
    strides = plan_as_published(halves | {"planner": "default", "gpu_memory_gb": 8}).configurations["3d_fullres"]
    assert strides.topology.value.strides[1] == (1, 2, 2)  # of 7.5 voxels, though they are padded to 8
