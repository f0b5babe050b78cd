"""Calls in processes of their own: real ones, some of which fail, die or are interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from autoseg.errors import AutosegError, PlanError, ResourceError
from autoseg.pipeline.parallel import Call, run_in_parallel
from tests.pipeline.conftest import Listener

CALLS = """
import os, signal, sys, time
from pathlib import Path
from autoseg.errors import PlanError

def count(reporter, place):
    reporter.say("counting")
    with reporter.follow("numbers", 3) as advance:
        for number in (1, 2, 3):
            advance(number, f"number {number}")
    return place, os.getpid()

def fail(reporter, place):
    raise PlanError("plan.yaml: no such key")

def err(reporter, place):
    return 1 // 0

def die(reporter, place):
    os.kill(os.getpid(), signal.SIGKILL)

def save_when_asked(folder):
    return Saver(folder)

class Saver:
    def __init__(self, folder):
        self.folder = Path(folder)

    def __call__(self, reporter, place):
        try:
            with reporter.follow("waiting", 1) as advance:
                self.write("begun")
                for step in range(600):
                    time.sleep(0.1)
        except KeyboardInterrupt:
            self.write("saved")
            raise

    def write(self, word):
        with (self.folder / word).open("a") as stream:
            stream.write(f"{os.getpid()}\\n")
"""
PARENT = """
import sys
from autoseg.errors import ResourceError
from autoseg.pipeline.parallel import Call, run_in_parallel
from autoseg.pipeline.reporting import Reporter
import calls_for_tests

if __name__ == "__main__":
    wanted = [Call(f"fold {i}", calls_for_tests.save_when_asked(sys.argv[1])) for i in range(3)]
    try:
        run_in_parallel(wanted, n_jobs=2, title="Training", reporter=Reporter())
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """What the processes do, in a module that they can import."""
    (tmp_path / "calls_for_tests.py").write_text(CALLS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "calls_for_tests", raising=False)
    import calls_for_tests

    return calls_for_tests  # type: ignore[no-any-return]


def test_calls_run_in_processes_of_their_own_at_the_places_there_are(calls: ModuleType, listener: Listener) -> None:
    wanted = [Call(f"fold {i}", calls.count) for i in range(3)]
    results = run_in_parallel(wanted, n_jobs=2, title="Counting", reporter=listener)
    assert len({os.getpid(), *(process for _, process in results)}) == 4
    assert [place for place, _ in results[:2]] == [0, 1]
    assert sorted(listener.said) == [f"fold {i}: counting" for i in range(3)]


def test_what_fails_or_dies_is_named_and_the_others_go_on(calls: ModuleType, listener: Listener) -> None:
    wanted = [Call("one", calls.die), Call("two", calls.err), Call("three", calls.fail), Call("four", calls.count)]
    with pytest.raises(ResourceError) as problem:
        run_in_parallel(wanted, n_jobs=2, title="Failing", reporter=listener)
    text = str(problem.value)
    assert "one: its process was killed, which systems do when memory runs out. Use fewer --jobs" in text
    assert "two: ZeroDivisionError" in text
    assert "three: plan.yaml: no such key" in text
    assert listener.said == ["four: counting"]
    assert len(listener.warned) == 3


def test_a_death_is_told_when_it_comes_and_of_a_single_job_nobody_asks_for_fewer(
    calls: ModuleType, listener: Listener
) -> None:
    told: list[tuple[str, str, list[str]]] = []

    def note(call: Call, reason: str) -> None:
        told.append((call.name, reason, list(listener.said)))

    wanted = [Call("one", calls.die), Call("two", calls.count)]
    with pytest.raises(ResourceError):
        run_in_parallel(wanted, n_jobs=1, title="Dying", reporter=listener, on_death=note)
    ((name, reason, said_before),) = told
    assert (name, said_before) == ("one", [])  # before the next one began
    assert "its process was killed" in reason
    assert "--jobs" not in reason


def test_a_mistake_of_a_person_stays_one(calls: ModuleType, listener: Listener) -> None:
    with pytest.raises(PlanError, match=r"^fold 1: plan.yaml: no such key$"):
        run_in_parallel([Call("fold 1", calls.fail)], n_jobs=2, title="Failing", reporter=listener)
    assert issubclass(PlanError, AutosegError)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "SIGKILL of the first process"])
def test_an_interruption_reaches_every_process_once(calls: ModuleType, tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    begun, saved = tmp_path / "begun", tmp_path / "saved"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    command = [sys.executable, str(tmp_path / "parent.py"), str(tmp_path)]
    with subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.PIPE) as parent:
        wait_for_lines(begun, 2)
        os.killpg(parent.pid, number)
        wait_for_lines(saved, 2)
        code = parent.wait(timeout=30)
    assert sorted(saved.read_text().split()) == sorted(begun.read_text().split())
    assert code == (130 if number == signal.SIGINT else -signal.SIGKILL)


def wait_for_lines(path: Path, n_lines: int) -> None:
    for _ in range(600):
        if path.is_file() and len(path.read_text().split()) >= n_lines:
            return
        time.sleep(0.1)
    pytest.fail(f"{path.name}: fewer than {n_lines} processes came so far within a minute")
