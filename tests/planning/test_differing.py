from __future__ import annotations

from collections.abc import Callable

from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.planning.devices import DeviceFacts
from autoseg.planning.differing import compare_plans, list_costs
from autoseg.planning.editing import edit_plan
from autoseg.planning.forecasting import sketch_configuration
from autoseg.planning.memory import estimate_training_memory
from autoseg.planning.plan import Plan
from autoseg.planning.planner import make_plan


def test_a_plan_does_not_differ_from_itself(cpu_plan: Plan) -> None:
    comparison = compare_plans(cpu_plan, cpu_plan)
    assert comparison.differences == comparison.facts == ()
    assert all(cost.before == cost.after for cost in comparison.costs)


def test_a_difference_has_both_values_and_both_reasons(cpu_plan: Plan) -> None:
    batch = cpu_plan.configurations["2d"].batch_size
    (found,) = compare_plans(cpu_plan, edit_plan(cpu_plan, ["2d.batch_size=7"])).differences
    assert found.key == "2d.batch_size"
    assert found.before is not None
    assert found.after is not None
    assert (found.before.value, found.before.reason) == (batch.value, batch.reason)
    assert (found.after.value, found.after.reason, found.after.source) == (7, "set by hand", "user")


def test_of_a_value_with_parts_only_those_that_differ_are_shown(cpu_plan: Plan) -> None:
    (found,) = compare_plans(cpu_plan, edit_plan(cpu_plan, ["2d.optimizer.weight_decay=0.25"])).differences
    assert found.after is not None
    assert found.after.shown == "weight_decay=0.25"
    assert found.after.value["name"] == cpu_plan.configurations["2d"].optimizer.value.name


def test_costs_follow_from_the_edited_values_and_not_from_what_the_file_says(cpu_plan: Plan) -> None:
    edited = edit_plan(cpu_plan, ["2d.batch_size=9"])
    configuration = edited.configurations["2d"]
    memory = estimate_training_memory(
        sketch_configuration(configuration, n_channels=1, n_labels=3),
        configuration.patch_size.value,
        9,
        configuration.optimizer.value,
        device=edited.budget.device.value,
        precision=configuration.precision.value,
    )
    costs = {cost.key: cost for cost in compare_plans(cpu_plan, edited).costs}
    assert costs["2d.memory_gb"].after == round(memory.total_gb, 2)
    assert costs["2d.memory_gb"].before == cpu_plan.configurations["2d"].memory_gb.value
    assert costs["3d_fullres.memory_gb"].before == costs["3d_fullres.memory_gb"].after


def test_an_edited_spacing_changes_what_is_stored(cpu_plan: Plan) -> None:
    spacing = [2 * mm for mm in cpu_plan.configurations["3d_fullres"].spacing_mm.value]
    comparison = compare_plans(cpu_plan, edit_plan(cpu_plan, [f"3d_fullres.spacing_mm={spacing}"]))
    costs = {cost.key: (cost.before or 0) / (cost.after or 1) for cost in comparison.costs}
    assert 7 < costs["3d_fullres.disk_gb"] < 9
    assert costs["2d.disk_gb"] == 1


def test_the_costs_of_a_new_plan_are_the_ones_that_it_states(cpu_plan: Plan) -> None:
    stated = {f"2d.{name}": getattr(cpu_plan.configurations["2d"], name).value for name in ("memory_gb", "disk_gb")}
    assert stated.items() <= list_costs(cpu_plan).items()
    assert list_costs(cpu_plan)["cost.disk_gb"] == cpu_plan.cost.disk_gb.value


def test_a_configuration_that_one_plan_lacks_is_named(cpu_plan: Plan) -> None:
    flat = cpu_plan.model_copy(update={"configurations": {"2d": cpu_plan.configurations["2d"]}})
    comparison = compare_plans(cpu_plan, flat)
    patch = next(found for found in comparison.differences if found.key == "3d_fullres.patch_size")
    assert patch.before is not None
    assert patch.after is None
    assert next(cost for cost in comparison.costs if cost.key == "3d_fullres.memory_gb").after is None


def test_another_dataset_is_told(
    make_fingerprint: Callable[..., Fingerprint], cpu: DeviceFacts, cpu_plan: Plan
) -> None:
    other = make_plan(make_fingerprint(channels=("PET",)), cpu)
    facts = compare_plans(cpu_plan, other).facts
    assert facts[0] == "channels: [CT] and [PET]"
    assert facts[1].startswith("fingerprint: ")


def test_a_plan_that_contradicts_itself_is_compared_but_not_forecast(cpu_plan: Plan) -> None:
    comparison = compare_plans(cpu_plan, edit_plan(cpu_plan, ["2d.patch_size=[33,33]"]))
    assert [found.key for found in comparison.differences] == ["2d.patch_size"]
    assert {cost.after for cost in comparison.costs} == {None}
    assert "the second plan contradicts itself" in comparison.facts[0]
