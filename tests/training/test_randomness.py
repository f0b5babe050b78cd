"""Random states that a training saves, and gives back."""

from __future__ import annotations

import random

import numpy as np
import torch

from autoseg.training.randomness import capture_randomness, restore_randomness, seeded

CPU = torch.device("cpu")


def draw() -> tuple[float, float, float, float]:
    """One number of each generator."""
    return torch.rand(()).item(), float(np.random.rand()), float(np.random.normal()), random.gauss(0, 1)


def test_captured_generators_continue_where_they_were() -> None:
    with seeded(7, CPU):
        draw()
        tensors, plain = capture_randomness(CPU)
        expected = [draw(), draw()]
        restore_randomness(tensors, plain, CPU)
        assert [draw(), draw()] == expected


def test_a_seed_gives_the_same_draws_and_other_seeds_others() -> None:
    def first(seed: int) -> tuple[float, ...]:
        with seeded(seed, CPU):
            return draw()

    assert first(3) == first(3)
    assert first(3) != first(4)


def test_who_drew_before_goes_on_as_if_nothing_had_happened() -> None:
    with seeded(1, CPU):
        expected = [draw(), draw()]
    with seeded(1, CPU):
        before = draw()
        with seeded(99, CPU):
            draw()
        assert [before, draw()] == expected
