from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoseg.errors import UsageError
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.planning.devices import DeviceFacts
from autoseg.planning.plan import Plan
from autoseg.planning.plan_file import parse_plan, read_plan, write_plan
from autoseg.planning.planner import Wishes, make_plan, replace_network
from autoseg.planning.validation import find_problems
from autoseg.serialization import dump_yaml, parse_yaml

GOLDEN = Path(__file__).parent / "golden" / "anisotropic_ct_on_two_cores.yaml"

SPACINGS = st.tuples(*[st.floats(0.3, 6.0).map(lambda value: round(value, 2))] * 3)
SHAPES = st.tuples(st.integers(1, 150), st.integers(3, 500), st.integers(3, 500))
MakeFingerprint = Callable[..., Fingerprint]
NETWORKS = st.sampled_from(["auto", "unet", "residual_unet"])


def test_the_golden_plan_is_unchanged(cpu_plan: Plan) -> None:
    """A changed rule shows here as a difference of values and sentences; after review, write the file anew."""
    assert dump_yaml(cpu_plan) == GOLDEN.read_text(encoding="utf-8")


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
    plans = [make_plan(hippocampus, cpu, Wishes(train_time_s=60 * minutes)) for minutes in (3, 15, 90)]
    widths = [plan.configurations["3d_fullres"].features.value[0] for plan in plans]
    assert widths[0] < widths[1] < widths[2]
    assert {plan.configurations["3d_fullres"].patch_size.value for plan in plans} == {(40, 56, 40)}


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
    ],
)
def test_a_wish_that_nobody_can_fulfil_is_one_clear_line(
    make_fingerprint: MakeFingerprint, cpu: DeviceFacts, wishes: Wishes, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        make_plan(make_fingerprint(), cpu, wishes)


def test_another_network_takes_over_everything_but_its_blocks(cpu_plan: Plan) -> None:
    plain = cpu_plan.configurations["3d_fullres"]
    residual = replace_network(plain, "residual_unet")
    changed = {name for name in type(plain).model_fields if getattr(plain, name) != getattr(residual, name)}
    assert changed == {"network", "blocks", "memory_gb", "iteration_s"}
    assert residual.blocks.value.encoder[:4] == (1, 3, 4, 6)
    assert "before the network was replaced" in residual.memory_gb.reason


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


@settings(max_examples=25, deadline=None)
@given(spacing=SPACINGS, shape=SHAPES, network=NETWORKS, memory_gb=st.floats(2, 80), on_cpu=st.booleans())
def test_any_plan_holds_together_and_survives_its_file(
    make_fingerprint: MakeFingerprint,
    spacing: tuple[float, ...],
    shape: tuple[int, ...],
    network: str,
    memory_gb: float,
    on_cpu: bool,
) -> None:
    device = DeviceFacts(device="cpu" if on_cpu else "cuda", memory_gb=memory_gb, n_threads=2, gflops=100)
    plan = make_plan(make_fingerprint(spacing_mm=spacing, shape=shape, n_cases=4), device, Wishes(network=network))
    assert find_problems(plan) == ()
    assert parse_plan(parse_yaml(dump_yaml(plan), where="text"), where="text") == plan
    for configuration in plan.configurations.values():
        pairs = zip(configuration.patch_size.value, configuration.topology.value.divisor, strict=True)
        assert all(size % divisor == 0 for size, divisor in pairs)


@settings(max_examples=25, deadline=None)
@given(spacing=SPACINGS, shape=SHAPES, network=NETWORKS, low=st.floats(4, 60), more=st.floats(1.01, 3))
def test_more_memory_never_shrinks_patch_nor_work(
    make_fingerprint: MakeFingerprint,
    spacing: tuple[float, ...],
    shape: tuple[int, ...],
    network: str,
    low: float,
    more: float,
) -> None:
    fingerprint = make_fingerprint(spacing_mm=spacing, shape=shape, n_cases=200)
    devices = (DeviceFacts(device="cuda", memory_gb=memory, n_threads=2) for memory in (low, low * more))
    before, after = (make_plan(fingerprint, device, Wishes(network=network)) for device in devices)
    for name in before.configurations:
        small, large = before.configurations[name], after.configurations[name]
        small_voxels, large_voxels = math.prod(small.patch_size.value), math.prod(large.patch_size.value)
        assert large_voxels >= small_voxels
        # The published yardstick rounds the batch, so a larger patch may cost less than one sample of it.
        assert large_voxels * (large.batch_size.value + 1) > small_voxels * small.batch_size.value
        if large_voxels == small_voxels:
            assert large.batch_size.value >= small.batch_size.value


def test_a_plan_is_written_and_read_back(cpu_plan: Plan, tmp_path: Path) -> None:
    write_plan(tmp_path / "plan.yaml", cpu_plan)
    assert read_plan(tmp_path / "plan.yaml") == cpu_plan
