"""Stages side by side: order, bounds, and how they end."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from autoseg.errors import DatasetError
from autoseg.pipeline.prediction.overlapping import Stages, overlap


def fail_at(item: int, bad: int) -> int:
    if item == bad:
        raise DatasetError("is damaged.")
    return item


def make_stages(**changed: object) -> Stages[int, int, int, int]:
    plain = {"read": lambda item: item + 1, "compute": lambda item: item * 10, "write": lambda item: item + 5}
    return Stages(**{**plain, **changed}, name=lambda item: f"case_{item}")  # type: ignore[arg-type]


@pytest.mark.parametrize("n_in_flight", [1, 2, 3, 5])
def test_every_item_goes_through_all_stages_in_order(n_in_flight: int) -> None:
    assert list(overlap(range(9), make_stages(), n_in_flight=n_in_flight)) == [(n + 1) * 10 + 5 for n in range(9)]


@pytest.mark.parametrize("n_in_flight", [1, 2, 3])
def test_never_more_items_than_allowed_are_in_memory(n_in_flight: int) -> None:
    alive: set[int] = set()
    most = []

    def read(item: int) -> int:
        alive.add(item)
        most.append(len(alive))
        return item

    def write(item: int) -> int:
        alive.remove(item)
        return item

    list(overlap(range(12), make_stages(read=read, compute=lambda item: item, write=write), n_in_flight=n_in_flight))
    assert max(most) <= n_in_flight
    assert not alive


def test_the_next_is_read_and_the_last_is_written_while_one_is_computed() -> None:
    read, written = [threading.Event() for _ in range(3)], [threading.Event() for _ in range(3)]

    def compute(item: int) -> int:
        if item == 1:
            assert read[2].wait(10)
            assert written[0].wait(10)
        return item

    stages = make_stages(
        read=lambda n: (read[n].set(), n)[1], compute=compute, write=lambda n: (written[n].set(), n)[1]
    )
    assert list(overlap(range(3), stages, n_in_flight=3)) == [0, 1, 2]


@pytest.mark.parametrize("stage", ["read", "compute", "write"])
@pytest.mark.parametrize("n_in_flight", [1, 3])
def test_an_error_of_any_stage_ends_all_and_names_its_case(stage: str, n_in_flight: int) -> None:
    same = {name: lambda item: item for name in ("read", "compute", "write")}
    stages = make_stages(**{**same, stage: lambda item: fail_at(item, 4)})
    done: list[int] = []
    with pytest.raises(DatasetError, match=r"^case_4: is damaged\.$"):
        done.extend(overlap(range(100), stages, n_in_flight=n_in_flight))
    assert done == list(range(len(done)))
    assert len(done) <= 4
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("autoseg-")]


def test_an_interrupted_computation_still_writes_what_was_computed() -> None:
    written: list[int] = []

    def compute(item: int) -> int:
        if item == 2:
            raise KeyboardInterrupt
        return item

    stages = make_stages(read=lambda item: item, compute=compute, write=lambda item: written.append(item) or item)
    with pytest.raises(KeyboardInterrupt):
        list(overlap(range(50), stages, n_in_flight=3))
    assert written == [0, 1]


def test_items_are_taken_lazily() -> None:
    taken: list[int] = []

    def give() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    results = overlap(give(), make_stages(), n_in_flight=3)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert len(taken) < 10


def test_a_foreign_error_carries_a_note_of_its_case() -> None:
    with pytest.raises(ZeroDivisionError) as told:
        list(overlap(range(5), make_stages(compute=lambda item: 1 // (item - 3)), n_in_flight=2))
    assert told.value.__notes__ == ["This was case_2."]
