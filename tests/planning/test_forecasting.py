from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from autoseg.data.labels import Region
from autoseg.decision import ruled
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.planning.choices import Length, PatchStep
from autoseg.planning.devices import DeviceFacts
from autoseg.planning.editing import edit_plan
from autoseg.planning.forecasting import (
    Images,
    count_stored_bytes,
    forecast_again,
    sketch_configuration,
    sum_costs,
)
from autoseg.planning.pinning import pins_of
from autoseg.planning.plan import Plan
from autoseg.planning.plan_file import parse_plan
from autoseg.planning.planner import make_plan
from autoseg.planning.wishes import Wishes
from autoseg.serialization import dump_yaml, parse_yaml

MakeFingerprint = Callable[..., Fingerprint]


def change(plan: Plan, name: str, **values: object) -> Plan:
    """The same plan with bare values in a configuration."""
    configuration = plan.configurations[name]
    changes = {key: ruled(value, "changed") for key, value in values.items()}
    changed = {**plan.configurations, name: configuration.model_copy(update=changes)}
    return plan.model_copy(update={"configurations": changed})


def test_forecasts_of_an_unchanged_plan_stay_as_they_are(cpu_plan: Plan) -> None:
    assert forecast_again(cpu_plan) == cpu_plan


def test_regions_are_reckoned_as_outputs_and_a_cascade_still_sees_labels(
    make_fingerprint: MakeFingerprint, gpu: DeviceFacts
) -> None:
    """Two regions of five labels: a head as of one label and background, four channels of the pass before."""
    regions = (Region(name="w", labels=(1, 2, 3, 4), paints=1), Region(name="v", labels=(2, 4), paints=2))
    fingerprint = make_fingerprint(shape=(400, 512, 512), n_labels=5)
    labels = fingerprint.labels.model_copy(update={"regions": regions})
    plan = make_plan(fingerprint.model_copy(update={"labels": labels}), gpu)
    assert forecast_again(plan) == plan
    assert parse_plan(parse_yaml(dump_yaml(plan), where="p"), where="p") == plan
    plain = make_plan(make_fingerprint(shape=(400, 512, 512), n_labels=2), gpu)
    parts = [one.configurations["3d_fullres"].memory_gb for one in (plan, plain)]
    assert parts[0].inputs == parts[1].inputs
    cascade = plan.configurations["3d_cascade"]
    sketch = sketch_configuration(cascade, n_channels=1, n_labels=5, n_outputs=2)
    assert (sketch.n_channels, sketch.n_labels) == (1 + 4, 2)


def test_a_larger_batch_costs_more_memory_and_time(cpu_plan: Plan) -> None:
    before = cpu_plan.configurations["3d_fullres"]
    after = forecast_again(change(cpu_plan, "3d_fullres", batch_size=6)).configurations["3d_fullres"]
    assert after.memory_gb.value > 1.5 * before.memory_gb.value
    assert after.iteration_s.value == pytest.approx(3 * before.iteration_s.value, rel=0.02)


def test_hours_are_the_time_that_was_set_or_iterations_times_seconds(
    make_fingerprint: MakeFingerprint, cpu: DeviceFacts
) -> None:
    timed = make_plan(make_fingerprint(), cpu, Wishes(train_time_s=1800)).configurations["3d_fullres"]
    assert timed.fold_hours.value == 0.5
    counted = make_plan(make_fingerprint(), cpu, Wishes(n_epochs=10)).configurations["3d_fullres"]
    assert counted.fold_hours.value == pytest.approx(2500 * counted.iteration_s.value / 3600, rel=0.01)


def test_hours_in_all_are_five_folds_of_everything(make_fingerprint: MakeFingerprint, cpu: DeviceFacts) -> None:
    plan = make_plan(make_fingerprint(), cpu, Wishes(train_time_s=1800))
    assert plan.cost.hours.value == 0.5 * 5 * len(plan.configurations)


def test_hours_of_an_unknown_device_are_unknown(make_fingerprint: MakeFingerprint, gpu: DeviceFacts) -> None:
    plan = make_plan(make_fingerprint(), gpu)
    assert plan.configurations["2d"].fold_hours.value is None
    assert sum_costs(plan).hours.value is None
    assert "autoseg probe" in plan.configurations["2d"].iteration_s.reason


def test_images_on_a_coarser_grid_are_as_many_voxels_fewer() -> None:
    volume = Images(n_channels=1, median_volume=(40, 60, 50), stored_voxels=1_200_000, spacing_mm=(3.0, 1.0, 1.0))
    coarse = volume.at((6.0, 1.0, 2.0))
    assert (coarse.median_volume, coarse.stored_voxels) == ((20, 60, 25), 300_000)
    slices = replace(volume, spacing_mm=(1.0, 1.0)).at((2.0, 4.0))
    assert (slices.median_volume, slices.stored_voxels) == ((40, 30, 12), 150_000)
    assert volume.at(volume.spacing_mm) == volume


def test_an_edited_spacing_costs_about_what_the_plan_made_for_it_does(
    make_fingerprint: MakeFingerprint, cpu: DeviceFacts, cpu_plan: Plan
) -> None:
    edited = edit_plan(cpu_plan, ["3d_fullres.spacing_mm=[4.5,1.6,1.6]"])
    guessed = forecast_again(edited).configurations["3d_fullres"]
    derived = make_plan(make_fingerprint(), cpu, pins=pins_of(edited)).configurations["3d_fullres"]
    assert guessed.disk_gb.value == pytest.approx(derived.disk_gb.value, rel=0.05)
    assert guessed.disk_gb.value == pytest.approx(cpu_plan.configurations["3d_fullres"].disk_gb.value / 6, rel=0.05)
    assert guessed.prediction_memory_gb.inputs["median_case"] == [40, 100, 90]


@pytest.mark.parametrize(("n_labels", "n_bytes"), [(3, 9), (128, 9), (129, 10)])
def test_a_voxel_on_disk_is_a_float_per_channel_and_a_label(n_labels: int, n_bytes: int) -> None:
    assert count_stored_bytes(1000, 2, n_labels) == 1000 * n_bytes


def test_a_plan_over_its_budget_is_warned_about(cpu_plan: Plan) -> None:
    much = forecast_again(change(cpu_plan, "3d_fullres", batch_size=400)).configurations["3d_fullres"]
    assert much.memory_gb.reason.startswith("WARNING")


def test_a_network_of_ones_own_is_reckoned_as_a_plain_one_and_says_so(
    make_fingerprint: MakeFingerprint, cpu: DeviceFacts
) -> None:
    own, plain = (
        make_plan(make_fingerprint(), cpu, Wishes(network=name)).configurations["3d_fullres"]
        for name in ("my_package.nets:Mine", "plain")
    )
    assert own.network.value == "my_package.nets:Mine"
    for field in ("memory_gb", "prediction_memory_gb", "iteration_s"):
        assert getattr(own, field).value == getattr(plain, field).value
        assert "reckoned for a plain U-Net" in getattr(own, field).reason
        assert "one's own" not in getattr(plain, field).reason


@pytest.mark.parametrize("length", [Length(n_iterations=1000), Length(train_time_s=600)])
def test_seconds_are_a_mean_over_the_patch_schedule(cpu_plan: Plan, length: Length) -> None:
    """A share of iterations at one speed, or a share of the time: then more iterations are short ones."""
    divisor = cpu_plan.configurations["3d_fullres"].topology.value.divisor
    step = PatchStep(until_share=0.25, patch_size=divisor, batch_size=2)
    plan = change(cpu_plan, "3d_fullres", length=length, patch_schedule=(step,))
    small = forecast_again(change(cpu_plan, "3d_fullres", patch_size=divisor, batch_size=2))
    whole_s = cpu_plan.configurations["3d_fullres"].iteration_s.value
    small_s = small.configurations["3d_fullres"].iteration_s.value
    expected = 0.25 * small_s + 0.75 * whole_s if length.n_iterations else 1 / (0.25 / small_s + 0.75 / whole_s)
    forecast = forecast_again(plan).configurations["3d_fullres"].iteration_s
    assert forecast.value == pytest.approx(expected, rel=0.01)
    assert forecast.reason.startswith("mean over the patch schedule")


def test_memory_is_that_of_the_hungriest_step(cpu_plan: Plan) -> None:
    volume = cpu_plan.configurations["3d_fullres"]
    step = PatchStep(until_share=0.5, patch_size=volume.patch_size.value, batch_size=3 * volume.batch_size.value)
    scheduled = forecast_again(change(cpu_plan, "3d_fullres", patch_schedule=(step,)))
    larger = forecast_again(change(cpu_plan, "3d_fullres", batch_size=step.batch_size))
    assert scheduled.configurations["3d_fullres"].memory_gb.value == larger.configurations["3d_fullres"].memory_gb.value
