"""Two processes, each with its part of a batch, find the loss and the gradient of one process with all of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import distributed, multiprocessing

from autoseg.planning.choices import Loss
from autoseg.training.losses import TERMS, Target, compute_loss

N_PROCESSES = 2
OWN = "own_mean_for_a_test:mean_square"
NAMES = [*TERMS, OWN]


def draw_batch(kind: str) -> tuple[torch.Tensor, Target]:
    """Three samples, so that one process has two of them and the other one."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(-1, 3, (3, 2, 5, 4), generator=generator)
    labels[0, :, 2:] = 1
    annotated = torch.tensor([[True, True, False], [True, True, True], [True, False, False]])
    regions = ((1, 2), (2,), (1,)) if kind == "regions" else None
    logits = torch.randn(3, 3, 2, 5, 4, generator=generator)
    return logits, Target(labels, regions, None if kind == "labels" else annotated)


def compute(name: str, kind: str, batch_dice: bool, part: slice) -> tuple[float, torch.Tensor]:
    """The loss, and its gradient at the samples of a part."""
    logits, target = draw_batch(kind)
    mine = logits[part].requires_grad_()
    annotated = None if target.annotated is None else target.annotated[part]
    loss, _ = compute_loss(
        mine, Target(target.labels[part], target.regions, annotated), Loss(terms={name: 1.0}), batch_dice=batch_dice
    )
    loss.backward()
    assert mine.grad is not None
    return float(loss.detach()), mine.grad


def run_all(part: slice) -> list[tuple[float, torch.Tensor]]:
    cases = [(name, kind, pooled) for name in NAMES for kind in ("labels", "partial", "regions") for pooled in (0, 1)]
    return [compute(name, kind, bool(pooled), part) for name, kind, pooled in cases]


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=N_PROCESSES)
    torch.save(run_all(slice(rank, None, N_PROCESSES)), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_losses_and_gradients_are_those_of_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, _, name = OWN.partition(":")
    (tmp_path / f"{module}.py").write_text(f"def {name}(logits, target):\n    return (logits ** 2).mean()\n")
    monkeypatch.syspath_prepend(tmp_path)
    multiprocessing.start_processes(work, (str(tmp_path),), N_PROCESSES, start_method="fork")
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in range(N_PROCESSES)]
    for (loss, gradient), (first, even), (second, odd) in zip(run_all(slice(None)), *parts, strict=True):
        assert loss == pytest.approx(first, rel=1e-5, abs=1e-6) == second
        torch.testing.assert_close(gradient[0::2], even)
        torch.testing.assert_close(gradient[1::2], odd)
