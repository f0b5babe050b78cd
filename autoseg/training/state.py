"""Everything that changes while a network is trained, and how it is saved and continued.

Batch i is a pure function of the seed and of i, so that a run is its weights, its averaged weights, its optimiser's
memory and its position; nothing else needs saving.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from autoseg.errors import PlanError, WorkspaceError
from autoseg.networks.build import build_network, place_network
from autoseg.networks.checkpoint import read_tensors, write_tensors
from autoseg.planning.choices import Optimizer
from autoseg.planning.plan import Configuration
from autoseg.serialization import did_you_mean

EMA_WARMUP = 10.0  # averaging forgets the first iterations quickly: decay = min(decay, (1 + i) / (10 + i))


@dataclass
class TrainingState:
    """A run in motion.

    Attributes:
        network: the weights that are trained.
        average: exponential moving average of the weights, or the network itself where the plan has none.
        optimizer: torch's optimiser over the network's parameters.
        iteration: iterations done.
        epoch: epochs done.
        spent_s: wall-clock seconds spent, earlier sittings included.
    """

    network: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer
    iteration: int = 0
    epoch: int = 0
    spent_s: float = 0.0


def _make_sgd(parameters: Iterable[nn.Parameter], settings: Optimizer) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        parameters,
        lr=settings.learning_rate,
        momentum=settings.momentum,
        nesterov=settings.momentum > 0,
        weight_decay=settings.weight_decay,
    )


def _make_adamw(parameters: Iterable[nn.Parameter], settings: Optimizer) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)


OPTIMIZERS: dict[str, Callable[[Iterable[nn.Parameter], Optimizer], torch.optim.Optimizer]] = {
    "sgd": _make_sgd,
    "adamw": _make_adamw,
}


def start_state(
    configuration: Configuration, *, n_channels: int, n_labels: int, device: torch.device, seed: int
) -> TrainingState:
    """Fresh weights drawn from `seed`, on the device, with the optimiser of the plan.

    Args:
        configuration: what to build.
        n_channels, n_labels: of the dataset; a cascade's network has a channel more per foreground label.
        device: where.
        seed: of the weights.
    """
    settings = configuration.optimizer.value
    n_inputs = configuration.count_input_channels(n_channels, n_labels)
    if settings.name not in OPTIMIZERS:
        raise PlanError(f"optimizer.name: {settings.name} is not known.{did_you_mean(settings.name, OPTIMIZERS)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = place_network(build_network(configuration, n_inputs, n_labels), device)
    average = copy.deepcopy(network) if settings.ema_decay is not None else network
    return TrainingState(network, average, OPTIMIZERS[settings.name](network.parameters(), settings))


@torch.no_grad()
def update_average(state: TrainingState, decay: float | None) -> None:
    """Move the averaged weights towards the network's (Polyak averaging, with a warm-up of the decay)."""
    if decay is None:
        return
    decay = min(decay, (1 + state.iteration) / (EMA_WARMUP + state.iteration))
    averages: list[Tensor] = list(state.average.parameters())
    weights: list[Tensor] = list(state.network.parameters())
    torch._foreach_lerp_(averages, weights, 1 - decay)


def write_state(path: Path, state: TrainingState, content: dict[str, Any]) -> None:
    """Save a run so that it continues as if it had never stopped."""
    tensors = {f"network.{name}": tensor for name, tensor in state.network.state_dict().items()}
    if state.average is not state.network:
        tensors |= {f"average.{name}": tensor for name, tensor in state.average.state_dict().items()}
    for index, memory in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": tensor for key, tensor in memory.items() if tensor is not None}
    position = {"iteration": state.iteration, "epoch": state.epoch, "spent_s": state.spent_s}
    write_tensors(path, tensors, {**content, "position": position})


def read_state(path: Path, state: TrainingState) -> dict[str, Any]:
    """Put a saved run into a fresh state of the same configuration, and return what was saved beside it.

    Raises:
        WorkspaceError: the file is damaged or belongs to another network.
    """
    tensors, content = read_tensors(path)
    try:
        state.network.load_state_dict(_below("network.", tensors))
        if state.average is not state.network:
            state.average.load_state_dict(_below("average.", tensors))
    except RuntimeError as problem:
        first = str(problem).splitlines()[0]
        raise WorkspaceError(f"{path}: was saved by another network ({first}). Use --restart to start over.") from None
    memory: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _below("optimizer.", tensors).items():
        index, key = name.split(".")
        memory.setdefault(int(index), {})[key] = tensor
    groups = state.optimizer.state_dict()["param_groups"]
    state.optimizer.load_state_dict({"state": memory, "param_groups": groups})
    position = content["position"]
    state.iteration, state.epoch, state.spent_s = position["iteration"], position["epoch"], position["spent_s"]
    return content


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
