"""History is one line per epoch, readable while it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoseg.training.history import Epoch, append_epoch, read_history, write_history


def make_epoch(number: int) -> Epoch:
    return Epoch(
        epoch=number,
        iteration=10 * number,
        spent_s=1.5 * number,
        share=0.1 * number,
        learning_rate=0.01,
        loss=1.0 / number,
        terms={"soft_dice": 0.5},
        validation_dice={"organ": 0.8, "lesion": None},
        iteration_s=0.15,
        waiting_share=0.0,
        memory_gb=0.5,
    )


def test_epochs_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "fold_0" / "history.jsonl"
    assert read_history(path) == ()
    epochs = tuple(make_epoch(number) for number in (1, 2, 3))
    for epoch in epochs:
        append_epoch(path, epoch)
    assert read_history(path) == epochs


def test_a_line_that_was_cut_off_is_not_there_yet(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    append_epoch(path, make_epoch(1))
    with path.open("a") as stream:
        stream.write('{"epoch": 2, "iterat')
    assert [epoch.epoch for epoch in read_history(path)] == [1]


def test_epochs_beyond_the_saved_state_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    for number in (1, 2, 3):
        append_epoch(path, make_epoch(number))
    write_history(path, [make_epoch(1), make_epoch(2)])
    assert [epoch.epoch for epoch in read_history(path)] == [1, 2]


def test_labels_that_are_nowhere_do_not_count_in_the_mean() -> None:
    assert make_epoch(1).mean_dice == pytest.approx(0.8)
    assert make_epoch(1).model_copy(update={"validation_dice": {"lesion": None}}).mean_dice is None
