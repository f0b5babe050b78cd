from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from autoseg.decision import ruled
from autoseg.errors import PlanError
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.planning.choices import Blocks, EarlyStopping, Loss, PatchStep, Topology
from autoseg.planning.devices import DeviceFacts, Speed
from autoseg.planning.pinning import Pins, pins_of
from autoseg.planning.plan import Plan
from autoseg.planning.planner import make_plan
from autoseg.planning.wishes import Wishes

MakeFingerprint = Callable[..., Fingerprint]


@pytest.fixture
def plan_with(make_fingerprint: MakeFingerprint, gpu: DeviceFacts) -> Callable[..., Plan]:
    """A plan of an anisotropic dataset with values pinned by dotted key."""

    def plan(**pins: object) -> Plan:
        values = {key.replace("__", "."): value for key, value in pins.items()}
        values = {key.replace("volume", "3d_fullres"): value for key, value in values.items()}
        return make_plan(make_fingerprint(), gpu, pins=Pins(values))

    return plan


def test_a_pinned_value_stands_beside_what_the_rule_says() -> None:
    decision = Pins({"batch_size": 4}).obey("batch_size", ruled(9, "memory holds 9", holdable=9))
    assert (decision.value, decision.source, decision.inputs) == (4, "user", {"holdable": 9})
    assert decision.reason == "set by hand; the rule says 9: memory holds 9"
    assert decision.is_set_by_hand


def test_a_value_that_is_not_pinned_is_the_rules() -> None:
    rule = ruled(9, "memory holds 9")
    assert Pins({"patch_size": (8, 8)}).obey("batch_size", rule) is rule


def test_a_rule_that_agrees_is_said_to() -> None:
    assert "says the same: memory" in Pins({"batch_size": 9}).obey("batch_size", ruled(9, "memory holds 9")).reason


def test_topology_batch_and_memory_follow_from_a_pinned_patch(plan_with: Callable[..., Plan]) -> None:
    volume = plan_with(volume__patch_size=(16, 64, 96)).configurations["3d_fullres"]
    assert volume.patch_size.value == (16, 64, 96)
    assert volume.topology.value.divisor == (4, 16, 16)
    assert volume.batch_size.value > plan_with().configurations["3d_fullres"].batch_size.value
    assert volume.memory_gb.value <= 21.6


def test_everything_follows_from_a_pinned_spacing(plan_with: Callable[..., Plan]) -> None:
    plan = plan_with(volume__spacing_mm=(3.0, 1.6, 1.6))
    assert plan.configurations["3d_fullres"].median_shape.value == (60, 100, 90)
    assert plan.configurations["2d"].spacing_mm.value == (1.6, 1.6)
    assert plan.configurations["3d_fullres"].patch_size.value <= (64, 112, 96)


def test_a_pinned_topology_pads_the_patch(plan_with: Callable[..., Plan]) -> None:
    strides = ((1, 1, 1), (2, 2, 2), (4, 2, 2))
    topology = Topology(strides=strides, kernel_sizes=((3, 3, 3),) * 3)
    volume = plan_with(volume__topology=topology).configurations["3d_fullres"]
    assert all(size % step == 0 for size, step in zip(volume.patch_size.value, (8, 4, 4), strict=True))
    assert len(volume.features.value) == len(volume.blocks.value.encoder) == 3


def test_a_pinned_batch_leaves_room_for_a_smaller_patch_only(plan_with: Callable[..., Plan]) -> None:
    free = plan_with().configurations["3d_fullres"]
    volume = plan_with(volume__batch_size=12).configurations["3d_fullres"]
    assert volume.batch_size.value == 12
    assert math.prod(volume.patch_size.value) < math.prod(free.patch_size.value)
    assert volume.memory_gb.value <= 21.6


def test_features_for_another_number_of_stages_are_refused(plan_with: Callable[..., Plan]) -> None:
    with pytest.raises(PlanError, match=r"3d_fullres.features: .* for 2 stages, but .* Give \d values, or set"):
        plan_with(volume__features=(16, 32))
    patch = {"volume__patch_size": (8, 8, 8), "volume__features": (16, 32)}
    assert plan_with(**patch).configurations["3d_fullres"].features.value == (16, 32)


def test_the_budget_and_the_axes_can_be_pinned(plan_with: Callable[..., Plan]) -> None:
    plan = plan_with(budget__memory_gb=5.0, axis_order=(1, 0, 2))
    assert plan.configurations["3d_fullres"].spacing_mm.value == (0.8, 3.0, 0.8)
    assert plan.configurations["3d_fullres"].memory_gb.value <= 5.0
    assert "the rule says 21.6" in plan.budget.memory_gb.reason


def test_a_low_resolution_pass_can_be_asked_for(plan_with: Callable[..., Plan]) -> None:
    plan = plan_with(**{"3d_lowres__spacing_mm": (3.0, 2.4, 2.4)})
    assert plan.configurations["3d_lowres"].median_shape.value == (60, 67, 60)
    assert "3d_cascade" in plan.configurations


def test_pins_are_read_off_a_plan(plan_with: Callable[..., Plan]) -> None:
    plan = plan_with(volume__batch_size=3, n_folds=4)
    assert pins_of(plan).values == {"n_folds": 4, "3d_fullres.batch_size": 3}


def test_pinned_features_change_neither_the_batch_nor_what_the_rule_says(
    make_fingerprint: MakeFingerprint, gpu: DeviceFacts
) -> None:
    small = make_fingerprint(spacing_mm=(1, 1, 1), shape=(36, 50, 35), n_cases=260)
    pins = Pins({"3d_fullres.features": (16, 32, 64, 128)})
    free, pinned = (make_plan(small, gpu, pins=one).configurations["3d_fullres"] for one in (Pins(), pins))
    assert pinned.batch_size.value >= free.batch_size.value
    assert "the rule says [32, 64, 128, 256]: 32 at full resolution" in pinned.features.reason


def test_pinned_features_of_an_odd_width_are_planned_in_time_too(make_fingerprint: MakeFingerprint) -> None:
    speeds = {"3d": Speed(gflops=9000, gvalues=90), "2d": Speed(gflops=9000, gvalues=90)}
    card = DeviceFacts(device="cuda", memory_gb=24, n_threads=8, speeds=speeds)
    small = make_fingerprint(spacing_mm=(1, 1, 1), shape=(36, 50, 35))
    pins = Pins({"3d_fullres.features": (4, 8, 16, 32)})
    volume = make_plan(small, card, Wishes(train_time_s=600), pins).configurations["3d_fullres"]
    assert volume.features.value == (4, 8, 16, 32)


def test_what_follows_from_a_pin_is_not_said_to_be_set_by_hand(
    make_fingerprint: MakeFingerprint, gpu: DeviceFacts
) -> None:
    large = make_fingerprint(spacing_mm=(2.0, 0.8, 0.8), shape=(300, 512, 480))
    plan = make_plan(large, gpu, pins=Pins({"3d_fullres.spacing_mm": (2.0, 0.7, 0.7)}))
    assert plan.pinned == ("3d_fullres.spacing_mm",)
    assert plan.configurations["2d"].spacing_mm.value == (0.7, 0.7)
    assert "set by hand" in plan.configurations["2d"].spacing_mm.reason


def test_another_device_than_the_measured_one_has_no_known_speed(plan_with: Callable[..., Plan]) -> None:
    plan = plan_with(budget__device="cpu")
    assert "assumed" in plan.budget.speeds.reason
    assert plan.budget.train_time_s.value == 3600


def test_blocks_for_another_number_of_stages_are_refused(plan_with: Callable[..., Plan]) -> None:
    with pytest.raises(PlanError, match=r"3d_fullres.blocks.decoder: \[1\] was set by hand for 1 stages"):
        plan_with(volume__blocks=Blocks(encoder=(1, 3, 4, 6, 6, 6), decoder=(1,)))


def test_a_pinned_patch_is_told_beside_the_one_that_the_rule_would_choose(plan_with: Callable[..., Plan]) -> None:
    free = plan_with().configurations["3d_fullres"].patch_size
    reason = plan_with(volume__patch_size=(16, 64, 96)).configurations["3d_fullres"].patch_size.reason
    assert reason == f"set by hand; the rule says {list(free.value)}: {free.reason}"


def test_nothing_is_known_of_a_device_that_only_a_person_named(plan_with: Callable[..., Plan]) -> None:
    plan = plan_with(budget__device="mps")
    assert plan.budget.memory_gb.value == 8
    assert "not measured; say --gpu-memory" in plan.budget.memory_gb.reason


def test_more_folds_than_cases_are_refused(plan_with: Callable[..., Plan]) -> None:
    with pytest.raises(PlanError, match=r"n_folds: 500 .* but there are 20 cases"):
        plan_with(n_folds=500)


STEP = PatchStep(until_share=0.4, patch_size=(4, 16, 16), batch_size=4)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dropout", 0.1),
        ("loss", Loss(terms={"focal": 1.0}, parameters={"focal": {"gamma": 3.0}})),
        ("patch_schedule", (STEP,)),
        ("early_stopping", EarlyStopping(patience=2)),
        ("case_sampling", "by_size"),
        ("memory_layout", "channels_last"),
        ("compile", True),
        ("augmentation_engine", "device"),
        ("precision", "float16"),
    ],
)
def test_how_it_is_trained_can_be_pinned_and_planned_again(
    plan_with: Callable[..., Plan], make_fingerprint: MakeFingerprint, gpu: DeviceFacts, field: str, value: object
) -> None:
    plan = plan_with(**{f"volume__{field}": value})
    assert getattr(plan.configurations["3d_fullres"], field).value == value
    again = make_plan(make_fingerprint(), gpu, pins=pins_of(plan))
    assert again == plan
    assert again.pinned == (f"3d_fullres.{field}",)
