"""Averaging and optimisers, by their formulas."""

from __future__ import annotations

import pytest
import torch

from autoseg.errors import PlanError
from autoseg.pipeline.planning import ensure_plan
from autoseg.pipeline.project import Project
from autoseg.training.state import TrainingState, start_state, update_average


def make_state(project: Project, **changes: object) -> TrainingState:
    settings = ensure_plan(project).find_configuration("2d")
    optimizer = settings.optimizer.value.model_copy(update=changes)
    decision = settings.optimizer.model_copy(update={"value": optimizer})
    settings = settings.model_copy(update={"optimizer": decision})
    return start_state(settings, n_channels=1, n_labels=4, device=torch.device("cpu"), seed=3)


def test_weights_are_drawn_from_the_seed_and_leave_the_generator_alone(trained: Project) -> None:
    before = torch.random.get_rng_state()
    one, other = make_state(trained), make_state(trained)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(map(torch.equal, one.network.parameters(), other.network.parameters()))


def test_the_average_follows_with_a_warm_up(trained: Project) -> None:
    state = make_state(trained, ema_decay=0.9)
    with torch.no_grad():
        for weights, average in zip(state.network.parameters(), state.average.parameters(), strict=True):
            weights.fill_(1.0)
            average.fill_(0.0)
    state.iteration = 1
    update_average(state, 0.9)
    assert next(state.average.parameters()).flatten()[0].item() == pytest.approx(1 - 2 / 11)


def test_without_averaging_the_network_is_its_own_average(trained: Project) -> None:
    state = make_state(trained, ema_decay=None)
    assert state.average is state.network


def test_sgd_is_nesterov_as_published(trained: Project) -> None:
    group = make_state(trained, name="sgd", momentum=0.99).optimizer.param_groups[0]
    assert (group["nesterov"], group["momentum"]) == (True, 0.99)


def test_an_unknown_optimiser_is_named_with_its_neighbour(trained: Project) -> None:
    with pytest.raises(PlanError, match=r"adamv is not known. Did you mean adamw\?"):
        make_state(trained, name="adamv")
