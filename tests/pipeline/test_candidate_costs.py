"""What candidates compute, against windows counted by hand."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from autoseg.networks.build import build_network
from autoseg.pipeline.candidate_costs import count_flops
from autoseg.pipeline.project import Project
from autoseg.planning.forecasting import sketch_configuration
from autoseg.planning.plan_file import read_plan
from autoseg.planning.planner import replace_network
from autoseg.planning.throughput import count_forward_flops

OWN = "tests.pipeline.benchmarking.own_networks"


def test_windows_and_mirror_images_of_the_median_case_are_counted(trained: Project) -> None:
    """A median case of one patch and a half along the last axis: two windows in 3D; every slice twice in 2D."""
    plan = read_plan(trained.workspace.plan)
    names = ("2d", "3d_fullres")
    configurations, expected = dict(plan.configurations), {}
    for name in names:
        one = configurations[name]
        patch = one.patch_size.value
        whole = (7,) * (3 - len(patch)) + tuple(patch[:-1]) + (patch[-1] + patch[-1] // 2,)
        forecast = one.prediction_memory_gb.model_copy(update={"inputs": {"median_case": list(whole)}})
        configurations[name] = one.model_copy(update={"prediction_memory_gb": forecast})
        sketch = sketch_configuration(one, n_channels=len(plan.channels), n_labels=plan.labels.n_labels)
        n_windows = 2 * (7 if len(patch) == 2 else 1)
        expected[name] = count_forward_flops(sketch, patch) * n_windows * 2 ** len(one.mirroring_axes.value)
    known = plan.model_copy(update={"configurations": configurations})
    assert count_flops(known, [*names, "2d+3d_fullres"]) == {**expected, "2d+3d_fullres": sum(expected.values())}


def test_a_plan_that_does_not_tell_its_median_case_has_no_costs(trained: Project) -> None:
    plan = read_plan(trained.workspace.plan)
    one = plan.configurations["2d"]
    forecast = one.prediction_memory_gb.model_copy(update={"inputs": {}})
    silent = {**plan.configurations, "2d": one.model_copy(update={"prediction_memory_gb": forecast})}
    told = plan.model_copy(update={"configurations": silent})
    assert count_flops(told, ["3d_fullres", "2d+3d_fullres"]) is None
    assert list(count_flops(told, ["3d_fullres"]) or {}) == ["3d_fullres"]


def test_a_network_that_is_no_u_net_of_autosegs_is_counted_as_it_is_built(trained: Project) -> None:
    """Not from the kernels of a plain U-Net, whose topology it shares."""
    plan = replace_network(read_plan(trained.workspace.plan), "2d", "vnet")
    one = plan.configurations["2d"]
    patch, mirrored = one.patch_size.value, 2 ** len(one.mirroring_axes.value)
    forecast = one.prediction_memory_gb.model_copy(update={"inputs": {"median_case": [1, *patch]}})
    told = plan.model_copy(update={"configurations": {"2d": one.model_copy(update={"prediction_memory_gb": forecast})}})
    network = build_network(one, len(plan.channels), plan.labels.n_outputs).eval()
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, len(plan.channels), *patch))
    assert count_flops(told, ["2d"]) == {"2d": counter.get_total_flops() * mirrored}


def test_a_network_that_cannot_be_counted_has_no_costs(trained: Project) -> None:
    plan = replace_network(read_plan(trained.workspace.plan), "2d", f"{OWN}:refuse")
    assert count_flops(plan, ["2d"]) is None
