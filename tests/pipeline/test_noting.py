"""A note holds what matters, in one line, however many labels and terms there are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from autoseg.pipeline.noting import list_dice, list_losses, write_note, write_rate
from autoseg.training.history import Epoch
from autoseg.training.watching import Step

TERMS = {"cross_entropy": 0.41, "soft_dice": 0.4}
EPOCH = Epoch(
    epoch=1,
    iteration=10,
    spent_s=20.0,
    share=0.1,
    learning_rate=0.01,
    loss=1.0,
    terms={},
    validation_dice={},
    iteration_s=0.5,
    waiting_share=0.0,
    memory_gb=1.0,
)


def make_step(terms: dict[str, float]) -> Step:
    return Step(
        iteration=11,
        share=0.1,
        spent_s=22.0,
        loss=0.8125,
        terms=terms,
        learning_rate=0.01,
        iteration_s=0.25,
        waiting_share=0.031,
        memory_gb=1.25,
    )


def note(dice: dict[str, float | None], terms: dict[str, float] = TERMS) -> str:
    return write_note(make_step(terms), EPOCH.model_copy(update={"validation_dice": dice}), 1.5)


def test_two_labels_are_told_in_full() -> None:
    shown = note({"liver": 0.9, "tumour": 0.5})
    assert "loss 0.812 (cross_entropy 0.41, soft_dice 0.40)  Dice 0.700 (liver 0.90, tumour 0.50)" in shown
    assert shown.endswith("4.0 it/s  wait 3%  1.25/1.50 GB")


def test_terms_and_three_labels_fit_together() -> None:
    shown = note({"organ_a": 0.51, "organ_b": 0.04, "lesion": 0.21})
    assert "(ce 0.41, sd 0.40)" in shown
    assert "(organ_a 0.51, organ_b 0.04, lesion 0.21)" in shown


def test_of_many_labels_the_worst_is_named() -> None:
    shown = note({f"organ {number}": 0.9 for number in range(99)} | {"tumour": 0.1})
    assert "Dice 0.892 (100 labels, worst tumour 0.10)" in shown


def test_before_the_first_epoch_there_is_no_dice() -> None:
    assert "Dice" not in write_note(make_step(TERMS), None, 1.5)
    assert "Dice" not in note({"liver": None})


def test_terms_keep_their_names_where_initials_would_meet() -> None:
    assert list_losses(1.0, {"soft_dice": 0.5, "square_distance": 0.5})[1:] == ["loss 1.000"]
    assert list_losses(1.0, {"soft_dice": 1.0}) == ["loss 1.000"]


def test_single_label_is_its_own_mean() -> None:
    assert list_dice({"liver": 0.5}, 0.5) == ["Dice 0.500"]


def test_slow_iterations_are_counted_in_seconds() -> None:
    assert (write_rate(0.25), write_rate(8.04), write_rate(0.0)) == ("4.0 it/s", "8.0 s/it", "")


names = st.text(st.characters(codec="ascii", categories=["L"]), min_size=1, max_size=40)


@given(st.dictionaries(names, st.floats(0, 1), max_size=120), st.dictionaries(names, st.floats(-99, 99), max_size=6))
def test_note_is_one_line_that_fits(dice: dict[str, float], terms: dict[str, float]) -> None:
    shown = note(dict(dice), terms)
    assert len(shown) <= 118
    assert "\n" not in shown
    assert shown.startswith("loss ")
