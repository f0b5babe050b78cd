"""Every weight has one name here and one there, and none is lost or taken twice."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from autoseg.errors import WorkspaceError
from autoseg.importing.nnunet_checkpoint import read_nnunet_checkpoint
from autoseg.importing.nnunet_weights import to_autoseg_names, to_nnunet_names
from autoseg.networks.build import build_network
from autoseg.planning.plan import Configuration
from tests.importing.conftest import make_plans, make_settings, plan_folder, write_folder

SHAPE = {"n_channels": 2, "n_outputs": 3, "where": "it.pth"}


@pytest.fixture(params=[(2, False), (3, False), (2, True), (3, True)], ids=["2d", "3d", "2d-residual", "3d-residual"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Configuration:
    n_dimensions, residual = request.param
    plans = make_plans({"any": make_settings(n_dimensions, residual=residual)})
    plan, name = plan_folder(write_folder(tmp_path, plans, "any"), "any")
    return plan.configurations[name]


def make_weights(settings: Configuration) -> dict[str, Tensor]:
    torch.manual_seed(3)
    return {k: torch.randn_like(v) for k, v in build_network(settings, 2, 3).state_dict().items()}


def test_there_and_back_is_the_same(settings: Configuration) -> None:
    weights = make_weights(settings)
    back = to_autoseg_names(to_nnunet_names(weights, settings), settings, **SHAPE)
    assert back.keys() == weights.keys()
    assert all(torch.equal(back[name], weights[name]) for name in weights)


def test_names_are_those_of_nnunet(shared_data: Path, tmp_path: Path) -> None:
    """Real files: our weights under its names are exactly its own, copies included, but for the idle head's values."""
    for folder in sorted((shared_data / "nnunet_models").iterdir()):
        stored = read_nnunet_checkpoint(folder / "fold_0" / "checkpoint_final.pth")
        plan, name = plan_folder(folder, stored.configuration)
        ours = to_autoseg_names(stored.weights, plan.configurations[name], n_channels=1, n_outputs=3, where="")
        again = to_nnunet_names(ours, plan.configurations[name])
        assert {key: value.shape for key, value in again.items()} == {k: v.shape for k, v in stored.weights.items()}
        idle = {"decoder.seg_layers.0.weight", "decoder.seg_layers.0.bias"}
        assert all(torch.equal(again[key], stored.weights[key]) for key in again.keys() - idle)


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "module._orig_mod."])
def test_wrappers_are_taken_off(settings: Configuration, wrapper: str) -> None:
    weights = make_weights(settings)
    wrapped = {wrapper + name: weight for name, weight in to_nnunet_names(weights, settings).items()}
    assert torch.equal(to_autoseg_names(wrapped, settings, **SHAPE)["heads.0.bias"], weights["heads.0.bias"])


def test_copies_may_be_missing(settings: Configuration) -> None:
    weights = make_weights(settings)
    there = {k: v for k, v in to_nnunet_names(weights, settings).items() if "all_modules" not in k}
    there = {k: v for k, v in there.items() if not k.startswith("decoder.encoder")}
    assert to_autoseg_names(there, settings, **SHAPE).keys() == weights.keys()


def test_a_missing_weight_is_named(settings: Configuration) -> None:
    there = to_nnunet_names(make_weights(settings), settings)
    there.pop("decoder.transpconvs.1.bias")
    with pytest.raises(WorkspaceError, match=r"missing: decoder\.transpconvs\.1\.bias"):
        to_autoseg_names(there, settings, **SHAPE)


def test_a_weight_that_is_left_over_is_named(settings: Configuration) -> None:
    """Batch normalisation shows by its running mean."""
    there = to_nnunet_names(make_weights(settings), settings)
    there["encoder.running_mean"] = torch.zeros(1)
    with pytest.raises(WorkspaceError, match=r"left over: encoder\.running_mean"):
        to_autoseg_names(there, settings, **SHAPE)


def test_copies_with_other_values_are_refused(settings: Configuration) -> None:
    there = to_nnunet_names(make_weights(settings), settings)
    name = next(name for name in there if "all_modules" in name)
    there[name] = there[name] + 1
    with pytest.raises(WorkspaceError, match="several times, with different values"):
        to_autoseg_names(there, settings, **SHAPE)


def test_another_shape_is_refused(settings: Configuration) -> None:
    there = to_nnunet_names(make_weights(settings), settings)
    with pytest.raises(WorkspaceError, match=r"has shape .* but plans.json and dataset.json say"):
        to_autoseg_names(there, settings, n_channels=1, n_outputs=3, where="it.pth")
