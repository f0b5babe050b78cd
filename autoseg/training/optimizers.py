"""Which rule turns gradients into new weights?

SGD with Nesterov's momentum as published with nnU-Net (Isensee et al. 2021), AdamW (Loshchilov and Hutter, arXiv
1711.05101), and Lion (Chen et al., arXiv 2302.06675), which keeps one value per weight where AdamW keeps two.
`OPTIMIZERS` is open; a dotted path takes a person's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import nn

from autoseg.components import check_parameters, find_component, is_dotted
from autoseg.errors import PlanError
from autoseg.planning.choices import Optimizer
from autoseg.serialization import did_you_mean

Weights = Iterable[nn.Parameter]


def make_optimizer(network: nn.Module, settings: Optimizer) -> torch.optim.Optimizer:
    """The optimiser of a plan over a network's weights.

    A person's own, by dotted path, is called as `Factory(weights, lr=..., weight_decay=..., **parameters)`.

    Raises:
        PlanError: an optimiser or a parameter that is not known, or a value that the optimiser refuses.
    """
    where = "optimizer.parameters"
    if is_dotted(settings.name):
        factory = find_component(settings.name, where="optimizer.name")
        supplied = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
        check_parameters(factory, settings.parameters, where=where, n_leading=1, supplied=supplied)
        return _call(lambda: factory(network.parameters(), **supplied, **settings.parameters), settings)
    if settings.name not in OPTIMIZERS:
        raise PlanError(f"optimizer.name: {settings.name} is not known.{did_you_mean(settings.name, OPTIMIZERS)}")
    make = OPTIMIZERS[settings.name]
    check_parameters(make, settings.parameters, where=where, n_leading=2)
    return _call(lambda: make(network.parameters(), settings, **settings.parameters), settings)


def _call(make: Callable[[], Any], settings: Optimizer) -> torch.optim.Optimizer:
    try:
        made = make()
    except (TypeError, ValueError) as problem:
        first = (str(problem).splitlines() or [type(problem).__name__])[0]
        raise PlanError(f"optimizer: {settings.name} does not take its parameters: {first}") from problem
    if not isinstance(made, torch.optim.Optimizer):
        raise PlanError(f"optimizer.name: {settings.name}: made {str(made)[:80]}, which is no torch.optim.Optimizer.")
    return made


def make_sgd(weights: Weights, settings: Optimizer, *, nesterov: bool = True) -> torch.optim.Optimizer:
    """SGD; `momentum` stands among the settings themselves."""
    return torch.optim.SGD(
        weights,
        lr=settings.learning_rate,
        momentum=settings.momentum,
        nesterov=nesterov and settings.momentum > 0,
        weight_decay=settings.weight_decay,
    )


def make_adamw(
    weights: Weights,
    settings: Optimizer,
    *,
    betas: Sequence[float] = (0.9, 0.999),
    eps: float = 1e-8,
    amsgrad: bool = False,
) -> torch.optim.Optimizer:
    """AdamW."""
    first, second = betas
    return torch.optim.AdamW(
        weights,
        lr=settings.learning_rate,
        betas=(first, second),
        eps=eps,
        weight_decay=settings.weight_decay,
        amsgrad=amsgrad,
    )


def make_lion(weights: Weights, settings: Optimizer, *, betas: Sequence[float] = (0.9, 0.99)) -> torch.optim.Optimizer:
    """Lion. Its paper advises a learning rate 3 to 10 times below AdamW's, and a weight decay as many times above."""
    return Lion(weights, lr=settings.learning_rate, weight_decay=settings.weight_decay, betas=betas)


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": make_sgd,
    "adamw": make_adamw,
    "lion": make_lion,
}


class Lion(torch.optim.Optimizer):
    """Every weight moves by the learning rate, in the direction of the sign of its averaged gradient.

    With gradient g, momentum m and weight w (Chen et al., arXiv 2302.06675, algorithm 2):
    w -= lr (sign(b1 m + (1 - b1) g) + decay w), then m = b2 m + (1 - b2) g.

    Args:
        weights: to move.
        lr: learning rate.
        weight_decay: decoupled, as in AdamW.
        betas: b1 and b2, at least 0 and below 1.

    Raises:
        ValueError: betas out of range.
    """

    def __init__(
        self, weights: Weights, *, lr: float, weight_decay: float = 0.0, betas: Sequence[float] = (0.9, 0.99)
    ) -> None:
        first, second = betas
        if not (0 <= first < 1 and 0 <= second < 1):
            raise ValueError(f"betas are {list(betas)}, but must be at least 0 and below 1")
        super().__init__(weights, {"lr": lr, "weight_decay": weight_decay, "betas": (first, second)})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move the weights that have gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, weight.grad, group)
        return loss

    def _move(self, weight: nn.Parameter, gradient: torch.Tensor, group: dict[str, Any]) -> None:
        memory = self.state[weight]
        if not memory:
            memory["momentum"] = torch.zeros_like(weight, memory_format=torch.preserve_format)
        momentum, (first, second) = memory["momentum"], group["betas"]
        direction = gradient.lerp(momentum, first).sign_()
        weight.mul_(1 - group["lr"] * group["weight_decay"]).add_(direction, alpha=-group["lr"])
        momentum.lerp_(gradient, 1 - second)
