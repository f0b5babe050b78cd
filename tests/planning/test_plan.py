from __future__ import annotations

import pytest

from autoseg.errors import UsageError
from autoseg.planning.choices import Topology
from autoseg.planning.plan import Plan, values_only
from autoseg.serialization import to_plain


def with_volume(plan: Plan, **changes: object) -> Plan:
    volume = plan.configurations["3d_fullres"].model_copy(update=changes)
    return plan.model_copy(update={"configurations": plan.configurations | {"3d_fullres": volume}})


def test_a_divisor_is_the_product_of_strides() -> None:
    topology = Topology(strides=((1, 1, 1), (1, 2, 2), (2, 2, 2)), kernel_sizes=((3, 3, 3),) * 3)
    assert (topology.divisor, topology.n_stages) == ((2, 4, 4), 3)


def test_reasons_do_not_make_another_network_but_values_do(cpu_plan: Plan) -> None:
    volume = cpu_plan.configurations["3d_fullres"]
    reworded = volume.batch_size.model_copy(update={"reason": "other words"})
    changed = volume.batch_size.model_copy(update={"value": 7})
    digest = volume.digest
    assert with_volume(cpu_plan, batch_size=reworded).configurations["3d_fullres"].digest == digest
    assert with_volume(cpu_plan, batch_size=changed).configurations["3d_fullres"].digest != digest


def test_preprocessed_data_is_named_by_what_shapes_it(cpu_plan: Plan) -> None:
    volume = cpu_plan.configurations["3d_fullres"]
    coarser = volume.spacing_mm.model_copy(update={"value": (4.0, 1.0, 1.0)})
    larger = volume.batch_size.model_copy(update={"value": 7})
    digest = cpu_plan.preprocessing_digest("3d_fullres")
    assert with_volume(cpu_plan, batch_size=larger).preprocessing_digest("3d_fullres") == digest
    assert with_volume(cpu_plan, spacing_mm=coarser).preprocessing_digest("3d_fullres") != digest


def test_a_configuration_that_was_left_out_says_why(cpu_plan: Plan) -> None:
    with pytest.raises(UsageError, match="3d_lowres"):
        cpu_plan.find_configuration("3d_lowres")
    with pytest.raises(UsageError, match="Did you mean 3d_fullres"):
        cpu_plan.find_configuration("3d_fullrs")


def test_values_are_what_remains_without_reasons(cpu_plan: Plan) -> None:
    assert values_only(cpu_plan)["configurations"]["2d"]["batch_size"] == 4


def test_forecasts_do_not_make_another_network(cpu_plan: Plan) -> None:
    volume = cpu_plan.configurations["3d_fullres"]
    slower = volume.iteration_s.model_copy(update={"value": 99.0})
    assert with_volume(cpu_plan, iteration_s=slower).configurations["3d_fullres"].digest == volume.digest


def test_only_what_was_set_in_the_file_is_pinned(cpu_plan: Plan) -> None:
    plain = to_plain(cpu_plan)
    plain["budget"]["memory_gb"] |= {"source": "user", "reason": "asked for"}
    assert Plan.model_validate(plain).pinned == ()
    plain["configurations"]["2d"]["batch_size"] = 3
    assert Plan.model_validate(plain).pinned == ("2d.batch_size",)


def test_volumes_are_trained_first_where_there_are_any(cpu_plan: Plan) -> None:
    assert cpu_plan.first_choice == "3d_fullres"
    slices = cpu_plan.model_copy(update={"configurations": {"2d": cpu_plan.configurations["2d"]}})
    assert slices.first_choice == "2d"
