from __future__ import annotations

from collections.abc import Callable

import pytest

from autoseg.errors import PlanError
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.planning import advising
from autoseg.planning.advising import find_advice
from autoseg.planning.devices import DeviceFacts
from autoseg.planning.editing import edit_plan
from autoseg.planning.pinning import pins_of
from autoseg.planning.plan import Plan
from autoseg.planning.planner import make_plan
from autoseg.planning.validation import find_problems
from autoseg.planning.wishes import Wishes

MakeFingerprint = Callable[..., Fingerprint]


def test_a_plan_of_the_rules_needs_no_advice(
    make_fingerprint: MakeFingerprint, cpu: DeviceFacts, gpu: DeviceFacts
) -> None:
    fingerprint = make_fingerprint()
    for device in (cpu, gpu):
        for wishes in (Wishes(), Wishes(train_time_s=600)):
            assert find_advice(make_plan(fingerprint, device, wishes), fingerprint) == ()


def test_the_published_plan_is_told_of_the_memory_it_takes_alone(
    make_fingerprint: MakeFingerprint, gpu: DeviceFacts
) -> None:
    plan = make_plan(make_fingerprint(), gpu, Wishes(rules="nnunet"))
    assert {key.partition(".")[2] for key, _ in find_advice(plan, make_fingerprint())} <= {"memory_gb"}


def test_a_value_set_by_hand_is_told_what_the_rule_says(make_fingerprint: MakeFingerprint, cpu_plan: Plan) -> None:
    share = cpu_plan.configurations["3d_fullres"].foreground_share.value
    advice = dict(find_advice(edit_plan(cpu_plan, ["3d_fullres.foreground_share=0.5"]), make_fingerprint()))
    assert advice["3d_fullres.foreground_share"].startswith(f"set by hand; the rule says {share:g}: ")
    assert len(advice) == 1


def test_what_no_longer_follows_is_told_what_would_follow(make_fingerprint: MakeFingerprint, cpu_plan: Plan) -> None:
    edited = edit_plan(cpu_plan, ["3d_fullres.spacing_mm=[3.0,2.4,2.4]"])
    advice = dict(find_advice(edited, make_fingerprint()))
    patch = advice["3d_fullres.patch_size"]
    assert patch.startswith("no longer what the rules derive from what was set by hand; they say [")
    assert patch.endswith("`autoseg plan --from` takes it over, or write the bare value to keep yours.")


def test_rules_that_cannot_follow_what_was_set_are_one_piece_of_advice(
    make_fingerprint: MakeFingerprint, cpu_plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Plan:
        raise PlanError("3d_fullres.features has 4 value(s).\nAnd more.")

    monkeypatch.setattr(advising, "make_plan", refuse)
    (advice,) = find_advice(cpu_plan, make_fingerprint())
    assert (
        str(advice) == "configurations: no plan follows from what was set by hand: 3d_fullres.features has 4 value(s)."
    )


def test_features_of_another_width_are_told_and_stop_nothing(
    make_fingerprint: MakeFingerprint, gpu: DeviceFacts
) -> None:
    plan = make_plan(make_fingerprint(shape=(400, 512, 512)), gpu, Wishes(gpu_memory_gb=8))
    halved = [width // 2 for width in plan.configurations["3d_fullres"].features.value]
    edited = edit_plan(plan, [f"3d_fullres.features={halved}"])
    assert find_problems(edited) == ()
    assert {"configurations", "3d_fullres.features"} & {key for key, _ in find_advice(edited, make_fingerprint())}


def test_a_plan_derived_from_what_was_pinned_is_told_of_the_pin_alone(
    make_fingerprint: MakeFingerprint, cpu: DeviceFacts, cpu_plan: Plan
) -> None:
    edited = edit_plan(cpu_plan, ["3d_fullres.spacing_mm=[3.0,2.4,2.4]"])
    derived = make_plan(make_fingerprint(), cpu, pins=pins_of(edited))
    assert {key for key, _ in find_advice(derived, make_fingerprint())} == {"3d_fullres.spacing_mm"}


def test_a_pin_that_the_rule_agrees_with_needs_no_advice(make_fingerprint: MakeFingerprint, cpu_plan: Plan) -> None:
    same = cpu_plan.configurations["2d"].foreground_share.value
    assert find_advice(edit_plan(cpu_plan, [f"2d.foreground_share={same}"]), make_fingerprint()) == ()


def test_memory_over_the_budget_is_told_without_a_fingerprint(cpu_plan: Plan) -> None:
    budget = cpu_plan.budget.memory_gb.value
    (advice,) = find_advice(edit_plan(cpu_plan, ["2d.batch_size=4000"]))[:1]
    assert advice.key == "2d.memory_gb"
    assert f"more than the {budget:g} GB it may use. Make batch_size" in advice.sentence


def test_a_forecast_that_no_longer_holds_is_told(cpu_plan: Plan) -> None:
    batch = cpu_plan.configurations["2d"].batch_size.value
    advice = dict(find_advice(edit_plan(cpu_plan, [f"2d.batch_size={2 * batch}"])))
    assert "with the values as they are it is" in advice["2d.iteration_s"]


def test_another_fingerprint_is_told(make_fingerprint: MakeFingerprint, cpu_plan: Plan) -> None:
    advice = dict(find_advice(cpu_plan, make_fingerprint(n_cases=21)))
    assert "another fingerprint" in advice["fingerprint_digest"]


def test_more_folds_than_cases_are_told(make_fingerprint: MakeFingerprint, cpu_plan: Plan) -> None:
    told = ("n_folds", "is 21, but there are 20 cases, and training refuses more folds than cases.")
    assert told in find_advice(edit_plan(cpu_plan, ["n_folds=21"]), make_fingerprint())
    assert told not in find_advice(edit_plan(cpu_plan, ["n_folds=21"]), make_fingerprint(n_cases=21))


@pytest.mark.parametrize("spacing", [(3.0, 0.8, 0.8), (1.0, 0.9, 0.8)])
def test_a_gpu_plan_is_asked_again_for_its_own_gpu(
    make_fingerprint: MakeFingerprint, spacing: tuple[float, ...]
) -> None:
    fingerprint = make_fingerprint(spacing_mm=spacing, shape=(120, 320, 300))
    plan = make_plan(fingerprint, DeviceFacts(device="cuda", memory_gb=11.3, n_threads=4))
    assert find_advice(plan, fingerprint) == ()


@pytest.mark.parametrize("network", ["vnet", "mednext@l", "my_package.nets:MyNet"])
def test_a_network_that_forecasts_do_not_know_is_told(cpu_plan: Plan, network: str) -> None:
    advice = dict(find_advice(edit_plan(cpu_plan, [f"2d.network={network}"])))
    assert advice["2d.network"].startswith("memory and time are forecast as those of a plain U-Net")
    assert network in advice["2d.network"]
    assert "3d_fullres.network" not in advice


def test_a_network_of_slices_is_told_where_it_does_not_fit(cpu_plan: Plan) -> None:
    edits = ["2d.network=fpn", "3d_fullres.network=fpn@resnet50"]
    advice = dict(find_advice(edit_plan(cpu_plan, edits)))
    assert advice["3d_fullres.network"] == "fpn is built in 2D alone, and training refuses 3d_fullres with it."
    assert advice["2d.network"].startswith("memory and time are forecast")
