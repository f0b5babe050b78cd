"""Do threads keep order, report progress and let errors out?"""

from __future__ import annotations

import threading
import time

import pytest

from autoseg.data import parallel
from autoseg.data.dataset import Case
from autoseg.data.parallel import count_threads, map_in_threads


def test_results_keep_the_order_of_items() -> None:
    assert map_in_threads(lambda i: i * i, range(50), n_threads=4) == [i * i for i in range(50)]
    assert map_in_threads(lambda i: i, []) == []


def test_an_error_comes_out_and_the_rest_never_begins() -> None:
    begun: list[int] = []

    def work(i: int) -> None:
        begun.append(i)
        time.sleep(0.01)
        raise ValueError(f"item {i}")

    with pytest.raises(ValueError, match="item"):
        map_in_threads(work, range(200), n_threads=1)
    assert len(begun) < 200


def test_no_more_threads_than_asked_for_work_at_once() -> None:
    names = set(map_in_threads(lambda _: threading.current_thread().name, range(100), n_threads=2))
    assert len(names) <= 2


def test_threads_are_bounded_by_memory(build: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(id="a", images=(build.image("a.nii.gz"),))  # type: ignore[attr-defined]
    bytes_per_case = 3 * 5 * 7 * (16 + 24)
    monkeypatch.setattr(parallel, "count_cores", lambda: 8)
    for n_fitting, expected in ((0.5, 1), (3, 3), (100, 8)):
        monkeypatch.setattr(parallel, "measure_free_memory_bytes", lambda n=n_fitting: int(2 * n * bytes_per_case))
        assert count_threads([case]) == expected


def test_a_thread_per_core_where_memory_does_not_matter() -> None:
    assert 1 <= count_threads([]) <= 8
