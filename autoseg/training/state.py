"""Everything that changes while a network is trained, and how it is saved and continued.

Batch i is a pure function of the seed and of i, so that a run is its weights, its averaged weights, its optimiser's
memory, its position, the global generators' states, and the epochs it has told of. A state file holds all of it:
a run that is continued from one ends with the same weights as one that was never interrupted.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from autoseg.errors import WorkspaceError
from autoseg.networks.build import build_network, place_network
from autoseg.networks.checkpoint import read_tensors, write_tensors
from autoseg.planning.plan import Configuration
from autoseg.serialization import parse_record, to_plain
from autoseg.training.history import Epoch
from autoseg.training.optimizers import make_optimizer
from autoseg.training.randomness import capture_randomness, restore_randomness

FORMAT = 1  # of state files; a state of another one is not continued
EMA_WARMUP = 10.0  # averaging forgets the first iterations quickly: decay = min(decay, (1 + i) / (10 + i))
FIRST_LOSS_SCALE = 2.0**16  # of float16; it halves where a gradient overflows


@dataclass
class Tally:
    """What the unfinished epoch has come to so far.

    Attributes:
        n_iterations, n_skipped: done, and done without effect.
        loss, terms: sums over the iterations that had an effect.
        trained_s, waited_s: seconds in iterations, and of these waiting for batches.
        n_untimed, untimed_s: iterations, and their seconds, that are no measure of the others.
        began_s: seconds of the training that were spent when the epoch began.
    """

    n_iterations: int = 0
    n_skipped: int = 0
    loss: float = 0.0
    terms: dict[str, float] = field(default_factory=dict)
    trained_s: float = 0.0
    waited_s: float = 0.0
    began_s: float = 0.0
    n_untimed: int = 0
    untimed_s: float = 0.0

    @property
    def waiting_share(self) -> float:
        return min(self.waited_s / max(self.trained_s, 1e-9), 1.0)

    @property
    def iteration_s(self) -> float:
        """Mean seconds of an iteration, of those that are a measure of the others where there are any."""
        n_timed = self.n_iterations - self.n_untimed
        return (self.trained_s - self.untimed_s) / n_timed if n_timed else self.trained_s / max(self.n_iterations, 1)


@dataclass
class Plateau:
    """How whole validation cases have done, where training may end early.

    Attributes:
        best_dice: so far, None before the first check.
        n_without_gain: checks in a row since then.
        weights: the averaged weights that reached it.
    """

    best_dice: float | None = None
    n_without_gain: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)


@dataclass
class TrainingState:
    """A run in motion.

    Attributes:
        network: the weights that are trained.
        average: exponential moving average of the weights, or the network itself where the plan has none.
        optimizer: torch's optimiser over the network's parameters.
        scaler: scales the loss of float16, which would lose small gradients; does nothing otherwise.
        iteration, epoch: done.
        spent_s: wall-clock seconds spent, earlier sittings included.
        tally: of the unfinished epoch.
        plateau: of whole-case validation.
        epochs: the finished epochs.
        is_finished: whether the length was spent.
    """

    network: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler = field(default_factory=lambda: torch.amp.GradScaler("cpu", enabled=False))
    iteration: int = 0
    epoch: int = 0
    spent_s: float = 0.0
    tally: Tally = field(default_factory=Tally)
    plateau: Plateau = field(default_factory=Plateau)
    epochs: list[Epoch] = field(default_factory=list)
    is_finished: bool = False

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device


def start_state(
    configuration: Configuration,
    *,
    n_channels: int,
    n_labels: int,
    n_outputs: int | None = None,
    device: torch.device,
    seed: int,
    scales_loss: bool = False,
) -> TrainingState:
    """Fresh weights drawn from `seed`, on the device, with the optimiser of the plan.

    Args:
        configuration: what to build.
        n_channels, n_labels: of the dataset; a cascade's network has a channel more per foreground label.
        n_outputs: channels of the logits, `n_labels` unless regions are learned.
        device: where.
        seed: of the weights.
        scales_loss: as float16 needs it.
    """
    n_inputs = configuration.count_input_channels(n_channels, n_labels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(configuration, n_inputs, n_outputs or n_labels)
    network = place_network(network, device, configuration.memory_layout.value)
    settings = configuration.optimizer.value
    average = copy.deepcopy(network) if settings.ema_decay is not None else network
    scaler = torch.amp.GradScaler(device.type, init_scale=FIRST_LOSS_SCALE, enabled=scales_loss)
    return TrainingState(network, average, make_optimizer(network, settings), scaler)


@torch.no_grad()
def update_average(state: TrainingState, decay: float | None) -> None:
    """Move the averaged weights towards the network's (Polyak averaging, with a warm-up of the decay)."""
    if decay is None:
        return
    decay = min(decay, (1 + state.iteration) / (EMA_WARMUP + state.iteration))
    averages: list[Tensor] = list(state.average.parameters())
    weights: list[Tensor] = list(state.network.parameters())
    torch._foreach_lerp_(averages, weights, 1 - decay)
    for kept, current in zip(state.average.buffers(), state.network.buffers(), strict=True):
        kept.copy_(current)


def write_state(path: Path, state: TrainingState, content: Mapping[str, Any]) -> None:
    """Save a run so that it continues as if it had never stopped."""
    random_tensors, random_plain = capture_randomness(state.device)
    tensors = _label("network.", state.network.state_dict()) | _label("random.", random_tensors)
    if state.average is not state.network:
        tensors |= _label("average.", state.average.state_dict())
    for index, memory in state.optimizer.state_dict()["state"].items():
        kept = {key: value for key, value in memory.items() if isinstance(value, Tensor | float | int)}
        tensors |= _label(f"optimizer.{index}.", {key: torch.as_tensor(value) for key, value in kept.items()})
    tensors |= _label("best.", state.plateau.weights)
    position = {
        "format": FORMAT,
        "iteration": state.iteration,
        "epoch": state.epoch,
        "spent_s": state.spent_s,
        "is_finished": state.is_finished,
        "tally": vars(state.tally),
        "plateau": {"best_dice": state.plateau.best_dice, "n_without_gain": state.plateau.n_without_gain},
        "epochs": to_plain(state.epochs),
        "scaler": state.scaler.state_dict(),
        "groups": _list_groups(state.optimizer),
        "random": random_plain,
    }
    write_tensors(path, tensors, {**content, "position": position})


def read_state(path: Path, state: TrainingState) -> dict[str, Any]:
    """Put a saved run into a fresh state of the same configuration, and return what was saved beside it.

    Raises:
        WorkspaceError: the file is damaged or belongs to another network.
    """
    tensors, content = read_tensors(path)
    if content.get("position", {}).get("format") != FORMAT:
        raise WorkspaceError(
            f"{path}: was written by another version of autoseg, which alone can continue it. What was trained already "
            "(checkpoint.safetensors) stays good; --restart trains anew."
        )
    try:
        state.network.load_state_dict(_below("network.", tensors))
        if state.average is not state.network:
            state.average.load_state_dict(_below("average.", tensors))
        _load_optimizer(state.optimizer, _below("optimizer.", tensors), content["position"]["groups"])
        _load_position(state, content["position"], where=path)
        restore_randomness(_below("random.", tensors), content["position"]["random"], state.device)
    except (RuntimeError, KeyError, ValueError) as problem:
        first = str(problem).splitlines()[0]
        raise WorkspaceError(f"{path}: was saved by another network ({first}). Use --restart to start over.") from None
    state.plateau.weights = _below("best.", tensors)
    return content


def _list_groups(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """The numbers that the optimiser keeps beside its weights: a user's own may change them as it goes."""
    plain = (bool, int, float, str, type(None))
    groups = optimizer.state_dict()["param_groups"]
    return [{key: value for key, value in group.items() if isinstance(value, plain)} for group in groups]


def _load_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], saved_groups: Sequence[Mapping[str, Any]]
) -> None:
    memory: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        memory.setdefault(int(index), {})[key] = tensor
    fresh = optimizer.state_dict()["param_groups"]
    groups = [{**group, **saved} for group, saved in zip(fresh, saved_groups, strict=True)]
    optimizer.load_state_dict({"state": memory, "param_groups": groups})


def _load_position(state: TrainingState, position: Mapping[str, Any], *, where: Path) -> None:
    state.iteration, state.epoch, state.spent_s = position["iteration"], position["epoch"], position["spent_s"]
    state.is_finished = position["is_finished"]
    state.tally = Tally(**position["tally"])
    state.plateau = Plateau(**position["plateau"])
    state.epochs = [parse_record(Epoch, epoch, where=str(where)) for epoch in position["epochs"]]
    if position["scaler"]:
        state.scaler.load_state_dict(position["scaler"])


def _label(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()}


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
