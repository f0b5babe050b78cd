from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from autoseg.errors import UsageError
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.planning.devices import DeviceFacts
from autoseg.planning.plan import Plan
from autoseg.planning.plan_file import parse_plan, read_plan, write_plan
from autoseg.planning.planner import make_plan, replace_network
from autoseg.planning.wishes import Wishes
from autoseg.serialization import dump_yaml, parse_yaml

MakeFingerprint = Callable[..., Fingerprint]


def test_planning_loads_no_heavy_library() -> None:
    code = "import sys, autoseg.planning.planner; print({'torch', 'SimpleITK', 'scipy', 'skimage'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_the_coarsest_axis_comes_first_in_every_list(make_fingerprint: MakeFingerprint, gpu: DeviceFacts) -> None:
    plan = make_plan(make_fingerprint(spacing_mm=(0.8, 0.9, 3.0), shape=(200, 180, 60)), gpu)
    assert plan.axis_order.value == (2, 0, 1)
    volume, slices = plan.configurations["3d_fullres"], plan.configurations["2d"]
    assert (volume.spacing_mm.value, volume.median_shape.value) == ((3.0, 0.8, 0.9), (60, 200, 180))
    assert (slices.spacing_mm.value, slices.median_shape.value) == ((0.8, 0.9), (200, 180))


def test_the_inputs_of_a_spacing_run_along_the_same_axes(make_fingerprint: MakeFingerprint, gpu: DeviceFacts) -> None:
    plan = make_plan(make_fingerprint(spacing_mm=(0.8, 0.9, 3.0), shape=(200, 180, 60)), gpu)
    inputs = {name: configuration.spacing_mm.inputs for name, configuration in plan.configurations.items()}
    assert inputs["3d_fullres"] == {"median_mm": [3.0, 0.8, 0.9], "median_shape": [60, 200, 180]}
    assert inputs["2d"] == {"median_mm": [0.8, 0.9], "median_shape": [200, 180]}


def test_pictures_have_no_volume_to_plan(make_fingerprint: MakeFingerprint, cpu: DeviceFacts) -> None:
    plan = make_plan(make_fingerprint(spacing_mm=(1, 1, 1), shape=(1, 256, 320), channels=("R", "G", "B")), cpu)
    assert list(plan.configurations) == ["2d"]
    assert "pictures" in plan.left_out["3d_fullres"].reason
    assert [channel.scheme.value for channel in plan.normalization] == ["rgb"] * 3


def test_more_time_on_a_cpu_widens_the_network(make_fingerprint: MakeFingerprint, cpu: DeviceFacts) -> None:
    hippocampus = make_fingerprint(spacing_mm=(1, 1, 1), shape=(36, 50, 35), channels=("MRI",))
    plans = [make_plan(hippocampus, cpu, Wishes(train_time_s=60 * minutes)) for minutes in (6, 20, 90)]
    widths = [plan.configurations["3d_fullres"].features.value[0] for plan in plans]
    assert widths[0] < widths[1] < widths[2]
    patches = [plan.configurations["3d_fullres"].patch_size.value for plan in plans]
    assert [math.prod(patch) for patch in patches] == sorted(math.prod(patch) for patch in patches)
    assert (patches[0], patches[-1]) == ((32, 40, 32), (40, 56, 40))


def test_a_cpu_with_too_little_time_trains_on_smaller_patches(
    make_fingerprint: MakeFingerprint, cpu: DeviceFacts
) -> None:
    volume = make_plan(make_fingerprint(), cpu, Wishes(train_time_s=180)).configurations["3d_fullres"]
    assert "the time would hold only" in volume.patch_size.reason
    assert 180 / volume.iteration_s.value > 500
    assert volume.features.value[0] == 8


def test_epochs_make_the_length_and_not_the_width(make_fingerprint: MakeFingerprint, cpu: DeviceFacts) -> None:
    volume = make_plan(make_fingerprint(), cpu, Wishes(n_epochs=1)).configurations["3d_fullres"]
    assert volume.length.value.n_iterations == 250
    assert volume.length.source == "user"
    assert volume.optimizer.value.name == "adamw"
    assert "the time" not in volume.patch_size.reason + volume.features.reason


def test_the_published_rules_train_as_published_however_short(
    make_fingerprint: MakeFingerprint, cpu: DeviceFacts
) -> None:
    volume = make_plan(make_fingerprint(), cpu, Wishes(n_epochs=1, rules="nnunet")).configurations["3d_fullres"]
    assert (volume.network.value, volume.optimizer.value.name, volume.mirroring_axes.value) == (
        "unet",
        "sgd",
        (0, 1, 2),
    )


def test_ct_under_another_name_can_be_set_to_ct_by_hand(make_fingerprint: MakeFingerprint, cpu: DeviceFacts) -> None:
    plan = make_plan(make_fingerprint(channels=("MRI",), channel_ranges=((-1024.0, 3000.0),)), cpu)
    by_hand = dump_yaml(plan).replace("zscore", "ct")
    assert parse_plan(parse_yaml(by_hand, where="text"), where="text").normalization[0].scheme.value == "ct"


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        (Wishes(train_time_s=60, n_epochs=3), "one of them"),
        (Wishes(gpu_memory_gb=-2), "gpu_memory_gb is -2"),
        (Wishes(train_time_s=0), "more than 0 seconds"),
        (Wishes(network="residual_net"), r"Did you mean residual_unet\?"),
        (Wishes(network="plain", size="l"), "preset of the residual network"),
    ],
)
def test_a_wish_that_nobody_can_fulfil_is_one_clear_line(
    make_fingerprint: MakeFingerprint, cpu: DeviceFacts, wishes: Wishes, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        make_plan(make_fingerprint(), cpu, wishes)


def test_another_network_takes_over_everything_but_its_blocks_and_costs(cpu_plan: Plan) -> None:
    plain = cpu_plan.configurations["3d_fullres"]
    residual = replace_network(cpu_plan, "3d_fullres", "residual_unet").configurations["3d_fullres"]
    changed = {name for name in type(plain).model_fields if getattr(plain, name) != getattr(residual, name)}
    assert changed - {"fold_hours"} == {"network", "blocks", "memory_gb", "prediction_memory_gb", "iteration_s"}
    assert residual.blocks.value.encoder[:4] == (1, 3, 4, 6)
    assert residual.memory_gb.value > plain.memory_gb.value


def test_blocks_set_by_hand_hold_for_the_network_that_they_were_set_for(cpu_plan: Plan) -> None:
    own = cpu_plan.configurations["3d_fullres"]
    blocks = own.blocks.value.model_copy(update={"encoder": (1,) * own.topology.value.n_stages})
    pinned = own.model_copy(update={"blocks": own.blocks.model_copy(update={"value": blocks, "source": "user"})})
    plan = cpu_plan.model_copy(update={"configurations": {**cpu_plan.configurations, "3d_fullres": pinned}})
    for name in (own.network.value, "plain"):
        assert replace_network(plan, "3d_fullres", name) == plan
    assert replace_network(plan, "3d_fullres", "vnet").configurations["3d_fullres"].blocks.value != blocks


def test_a_gpu_trains_the_residual_network_for_the_published_length(
    make_fingerprint: MakeFingerprint, gpu: DeviceFacts
) -> None:
    volume = make_plan(make_fingerprint(), gpu).configurations["3d_fullres"]
    assert (volume.network.value, volume.length.value.n_iterations) == ("residual_unet", 250_000)
    assert (volume.optimizer.value.name, volume.features.value[0]) == ("sgd", 32)


@pytest.mark.parametrize("memory_gb", [1.0, 2.0, 4.0, 8.0])
def test_a_small_gpu_gets_a_plan_that_fits(make_fingerprint: MakeFingerprint, memory_gb: float) -> None:
    plan = make_plan(make_fingerprint(), DeviceFacts(device="cuda", memory_gb=memory_gb, n_threads=4))
    for configuration in plan.configurations.values():
        assert configuration.memory_gb.value <= plan.budget.memory_gb.value


def test_a_gpu_that_holds_no_patch_at_all_is_warned_about(make_fingerprint: MakeFingerprint) -> None:
    plan = make_plan(make_fingerprint(), DeviceFacts(device="cuda", memory_gb=0.4, n_threads=4))
    assert plan.configurations["3d_fullres"].memory_gb.reason.startswith("WARNING")


def test_typical_intensities_of_ct_under_another_name_are_noticed(
    make_fingerprint: MakeFingerprint, cpu: DeviceFacts
) -> None:
    fingerprint = make_fingerprint(channels=("scan",), channel_ranges=((-1024.0, 3000.0),))
    assert make_plan(fingerprint, cpu).normalization[0].scheme.reason.startswith("WARNING")


def test_a_plan_is_written_and_read_back(cpu_plan: Plan, tmp_path: Path) -> None:
    write_plan(tmp_path / "plan.yaml", cpu_plan)
    assert read_plan(tmp_path / "plan.yaml") == cpu_plan


def test_a_case_larger_than_the_patch_gets_a_low_resolution_pass_and_a_cascade(
    make_fingerprint: MakeFingerprint, gpu: DeviceFacts
) -> None:
    plan = make_plan(make_fingerprint(spacing_mm=(2.0, 0.8, 0.8), shape=(300, 512, 480)), gpu)
    full, low, second = (plan.configurations[name] for name in ("3d_fullres", "3d_lowres", "3d_cascade"))
    assert low.spacing_mm.value[0] >= 2.0
    assert low.spacing_mm.value[1] > 0.8
    assert (full.batch_dice.value, low.batch_dice.value, second.batch_dice.value) == (True, False, True)
    assert second.cascade is not None
    assert second.cascade.previous.value == "3d_lowres"
    assert plan.left_out == {}
    assert plan.preprocessing_digest("3d_cascade") == plan.preprocessing_digest("3d_fullres")


def test_two_configurations_that_share_their_cases_count_them_once(
    make_fingerprint: MakeFingerprint, gpu: DeviceFacts
) -> None:
    plan = make_plan(make_fingerprint(spacing_mm=(2.0, 0.8, 0.8), shape=(300, 512, 480)), gpu)
    sizes = {name: configuration.disk_gb.value for name, configuration in plan.configurations.items()}
    assert plan.cost.disk_gb.value == pytest.approx(sizes["2d"] + sizes["3d_lowres"] + sizes["3d_fullres"], abs=2e-3)
    assert sizes["3d_fullres"] == pytest.approx(20 * 300 * 512 * 480 * 5 / 1e9, rel=1e-3)


def test_a_preset_means_the_residual_network_and_its_memory(make_fingerprint: MakeFingerprint) -> None:
    card = DeviceFacts(device="cuda", memory_gb=80, n_threads=8)
    plan = make_plan(make_fingerprint(), card, Wishes(size="l"))
    assert plan.budget.memory_gb.value == 24
    assert plan.configurations["3d_fullres"].network.value == "residual_unet"


def test_two_devices_share_preprocessed_cases(make_fingerprint: MakeFingerprint, gpu: DeviceFacts) -> None:
    small = DeviceFacts(device="cuda", memory_gb=6, n_threads=4)
    plans = [make_plan(make_fingerprint(), device) for device in (small, gpu)]
    patches = {plan.configurations["3d_fullres"].patch_size.value for plan in plans}
    assert len(patches) == 2
    for name in ("2d", "3d_fullres"):
        assert plans[0].preprocessing_digest(name) == plans[1].preprocessing_digest(name)
