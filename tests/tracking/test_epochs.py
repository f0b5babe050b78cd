"""Every defined figure of an epoch has its name, and undefined ones have none."""

from __future__ import annotations

from autoseg.tracking import list_scalars
from autoseg.training.history import Epoch

EPOCH = Epoch(
    epoch=1,
    iteration=10,
    spent_s=20.0,
    share=0.25,
    learning_rate=0.01,
    loss=1.0,
    terms={"soft_dice": 0.75},
    validation_dice={"liver": 0.5, "tumour": None},
    iteration_s=0.25,
    waiting_share=0.125,
    memory_gb=2.0,
)


def test_figures_have_names() -> None:
    scalars = list_scalars(EPOCH)
    assert scalars["loss_term/soft_dice"] == 0.75
    assert scalars["iterations_per_s"] == 4.0
    assert (scalars["dice/liver"], scalars["dice_mean"], scalars["memory_gb"]) == (0.5, 0.5, 2.0)


def test_undefined_figures_are_left_out() -> None:
    assert {"dice/tumour", "dice_whole_cases"}.isdisjoint(list_scalars(EPOCH))
    checked = EPOCH.model_copy(update={"whole_case_dice": 0.625})
    assert list_scalars(checked)["dice_whole_cases"] == 0.625
