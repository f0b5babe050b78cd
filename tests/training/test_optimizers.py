"""Optimisers take the steps of their papers, and the numbers of a plan."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import nn

from autoseg.errors import PlanError
from autoseg.planning.choices import Optimizer
from autoseg.training.optimizers import OPTIMIZERS, make_optimizer


def choose(name: str, **parameters: object) -> Optimizer:
    return Optimizer(name=name, learning_rate=0.1, weight_decay=0.01, momentum=0.9, parameters=parameters)


def descend(network: nn.Module, optimizer: torch.optim.Optimizer, n_steps: int) -> float:
    """Steps down a bowl whose bottom is at 1."""
    for _ in range(n_steps):
        optimizer.zero_grad()
        loss = torch.stack([((weight - 1) ** 2).sum() for weight in network.parameters()]).sum()
        loss.backward()
        optimizer.step()
    return float(loss.detach())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_comes_down_and_continues_from_a_saved_state(name: str) -> None:
    torch.manual_seed(0)
    network, settings = nn.Conv3d(2, 3, (1, 3, 3)), choose(name).model_copy(update={"learning_rate": 0.01})
    optimizer = make_optimizer(network, settings)
    assert descend(network, optimizer, 20) < 0.95 * 2 * sum(weight.numel() for weight in network.parameters())
    twin = nn.Conv3d(2, 3, (1, 3, 3))
    twin.load_state_dict(network.state_dict())
    restored = make_optimizer(twin, settings)
    memory = deepcopy(optimizer.state_dict()["state"])
    assert all(isinstance(value, torch.Tensor | None) for each in memory.values() for value in each.values())
    restored.load_state_dict({**restored.state_dict(), "state": memory})
    assert descend(network, optimizer, 5) == descend(twin, restored, 5)


def test_lion_moves_as_its_paper_says() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 2.0)
    optimizer = make_optimizer(network, choose("lion", betas=[0.8, 0.5]))
    weight, momentum = 2.0, 0.0
    for gradient in (3.0, -1.0, -4.0, 0.5):
        network.weight.grad = torch.full((1, 1), gradient)
        optimizer.step()
        mixed = 0.8 * momentum + 0.2 * gradient
        weight -= 0.1 * (mixed / abs(mixed) + 0.01 * weight)
        momentum = 0.5 * momentum + 0.5 * gradient
        assert float(network.weight.detach()) == pytest.approx(weight, abs=1e-6)


def test_weights_without_gradients_stay() -> None:
    network = nn.Linear(2, 2)
    before = network.weight.detach().clone()
    network.bias.grad = torch.ones(2)
    make_optimizer(network, choose("lion")).step()
    assert torch.equal(network.weight, before)


def test_numbers_of_the_plan_reach_the_optimizer() -> None:
    network = nn.Linear(2, 2)
    sgd = make_optimizer(network, choose("sgd")).param_groups[0]
    assert (sgd["lr"], sgd["momentum"], sgd["nesterov"], sgd["weight_decay"]) == (0.1, 0.9, True, 0.01)
    still = choose("sgd").model_copy(update={"momentum": 0.0})
    assert not make_optimizer(network, still).param_groups[0]["nesterov"]
    adamw = make_optimizer(network, choose("adamw", betas=[0.8, 0.9], eps=1e-6, amsgrad=True)).param_groups[0]
    assert (adamw["betas"], adamw["eps"], adamw["amsgrad"]) == ((0.8, 0.9), 1e-6, True)


def test_an_optimizer_of_ones_own_is_called_with_rate_decay_and_parameters() -> None:
    made = make_optimizer(nn.Linear(2, 2), choose("torch.optim:RAdam", betas=[0.8, 0.9]))
    assert isinstance(made, torch.optim.RAdam)
    group = made.param_groups[0]
    assert (group["lr"], group["weight_decay"], group["betas"]) == (0.1, 0.01, [0.8, 0.9])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (choose("sdg"), "sdg is not known. Did you mean sgd"),
        (choose("adamw", beta=0.9), "optimizer.parameters: beta is not known. Did you mean betas"),
        (choose("adamw", betas=[0.9, 2]), "adamw does not take its parameters: Invalid beta"),
        (choose("lion", betas=[0.9, 1.0]), r"lion does not take its parameters: betas are \[0.9, 1.0\]"),
        (choose("lion", betas=[0.9]), "lion does not take its parameters: not enough values"),
        (choose("torch.optim:NAdm"), "optimizer.name: torch.optim:NAdm: there is no NAdm in torch.optim. Did you mean"),
        (choose("torch.optim:NAdam", lr=0.1), "optimizer.parameters: lr is not known"),
    ],
)
def test_an_optimizer_that_cannot_be_is_refused(settings: Optimizer, sentence: str) -> None:
    with pytest.raises(PlanError, match=sentence):
        make_optimizer(nn.Linear(2, 2), settings)


def test_a_path_to_something_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_optimizer_for_a_test.py").write_text("def make(weights, lr, weight_decay):\n    return lr\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PlanError, match=r"made 0.1, which is no torch.optim.Optimizer"):
        make_optimizer(nn.Linear(2, 2), choose("own_optimizer_for_a_test:make"))
