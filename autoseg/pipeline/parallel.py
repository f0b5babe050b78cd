"""How do several long calls run at once, each in a process of its own, so that none can take another with it?

A call that fails, or whose process dies, is told at once and raised at the end: the others go on, because they may have
run for hours. Ctrl-C, and a request to end, reach every process exactly once: a training finishes its iteration and
saves. The processes leave the terminal's group for that, and end by themselves if the one that started them is gone.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any, NoReturn

from autoseg.errors import AutosegError, ResourceError
from autoseg.pipeline.reporting import Advance, Reporter

TELL_EVERY_S = 0.2  # between two reports of progress by one process
URGES = ("terminate", "terminate", "kill")  # a wish, an order, and an end: one for each Ctrl-C


@dataclass(frozen=True)
class Call:
    """Something to do in a process of its own.

    Attributes:
        name: what it is, for a person.
        function: what to do, given who is told and the number of the place that it runs at, below the number of jobs;
            it, and what it returns, can be pickled.
    """

    name: str
    function: Callable[[Reporter, int], Any]


OnDeath = Callable[[Call, str], None]


def run_in_parallel(
    calls: Sequence[Call], *, n_jobs: int, title: str, reporter: Reporter, on_death: OnDeath | None = None
) -> list[Any]:
    """Do all calls, `n_jobs` at a time. Returns what they return, in their order.

    Args:
        title: what is done, for a person.
        on_death: told at once of a call whose process died, and why.

    Raises:
        AutosegError: a call raised it; of several, all are named.
        ResourceError: a process died, or a call failed through a mistake of ours.
        KeyboardInterrupt: somebody interrupted; every process has ended by then.
    """
    crew = _Crew(calls, reporter, n_jobs, on_death)
    with reporter.follow(title, len(calls)) as advance:
        try:
            crew.work(advance)
        except KeyboardInterrupt:
            reporter.say("Interrupted: every process finishes its iteration and saves.")
            crew.end()
            raise
        finally:
            crew.kill()
    _raise_failures([(calls[index].name, problem) for index, problem in sorted(crew.failures.items())])
    return [crew.results[index] for index in range(len(calls))]


@dataclass
class _Job:
    """A call that runs: its process, the end of the pipe that it speaks through, and what is followed of it."""

    index: int
    place: int
    process: BaseProcess
    ear: Connection
    followed: dict[int, tuple[AbstractContextManager[Advance], Advance]] = field(default_factory=dict)

    def stop_following(self) -> None:
        for manager, _ in self.followed.values():
            manager.__exit__(None, None, None)
        self.followed.clear()


class _Crew:
    """The processes at work."""

    def __init__(self, calls: Sequence[Call], reporter: Reporter, n_jobs: int, on_death: OnDeath | None) -> None:
        self.results: dict[int, Any] = {}
        self.failures: dict[int, AutosegError] = {}
        self._calls, self._reporter, self._n_jobs, self._on_death = calls, reporter, n_jobs, on_death
        self._jobs: list[_Job] = []

    def work(self, advance: Advance) -> None:
        """Do everything."""
        waiting = list(range(len(self._calls)))
        while waiting or self._jobs:
            for place in sorted(set(range(self._n_jobs)) - {job.place for job in self._jobs})[: len(waiting)]:
                self._jobs.append(self._start(waiting.pop(0), place))
            self._listen()
            n_done = len(self.results) + len(self.failures)
            advance(n_done, f"{n_done} of {len(self._calls)} done")

    def end(self) -> None:
        """Ask every process to end, more urgently with every further Ctrl-C, and hear them out."""
        for urge in URGES:
            for job in self._jobs:
                getattr(job.process, urge)()
            with suppress(KeyboardInterrupt):
                while self._jobs:
                    self._listen()
                return

    def kill(self) -> None:
        """Leave nobody behind."""
        for job in self._jobs:
            job.process.kill()
            job.process.join()
            job.stop_following()
        self._jobs.clear()

    def _start(self, index: int, place: int) -> _Job:
        context = get_context("spawn")
        ear, mouth = context.Pipe(duplex=False)
        call = self._calls[index]
        process = context.Process(target=_do, args=(call, place, mouth), name=call.name)
        process.start()
        mouth.close()
        return _Job(index, place, process, ear)

    def _listen(self) -> None:
        """Wait until somebody says something or ends."""
        ready = set(wait([sign for job in self._jobs for sign in (job.ear, job.process.sentinel)]))
        for job in [job for job in self._jobs if ready & {job.ear, job.process.sentinel}]:
            has_ended = job.process.sentinel in ready  # looked at before its last words are heard
            while job.ear.poll() and self._hear(job):
                pass
            if has_ended:
                self._dismiss(job)

    def _hear(self, job: _Job) -> bool:
        """Take one message in; False at the end of the pipe."""
        try:
            kind, *content = job.ear.recv()
        except (EOFError, OSError, pickle.UnpicklingError):
            job.process.join()
            return False
        name = self._calls[job.index].name
        if kind == "result":
            self.results[job.index] = content[0]
        elif kind == "failure":
            self.failures[job.index] = content[0]
            self._reporter.warn(f"{name} failed, the others go on: {content[0]}")
        elif kind in ("say", "warn"):
            getattr(self._reporter, kind)(f"{name}: {content[0]}")
        else:
            self._follow(job, kind, *content)
        return True

    def _follow(self, job: _Job, kind: str, number: int, *content: Any) -> None:
        """Show the progress of a process as progress of this one."""
        if kind == "begin":
            what, total = content
            manager = self._reporter.follow(what, total)
            job.followed[number] = (manager, manager.__enter__())
        elif kind == "advance":
            job.followed[number][1](*content)
        else:
            job.followed.pop(number)[0].__exit__(None, None, None)

    def _dismiss(self, job: _Job) -> None:
        job.process.join()
        job.ear.close()
        job.stop_following()
        self._jobs.remove(job)
        if job.index not in self.results and job.index not in self.failures:
            reason = _explain_death(job.process.exitcode, self._n_jobs)
            self.failures[job.index] = ResourceError(reason)
            if self._on_death is not None:
                self._on_death(self._calls[job.index], reason)
            self._reporter.warn(f"{job.process.name} failed, the others go on: {self.failures[job.index]}")


class _Voice(Reporter):
    """Tells the process that started this one."""

    def __init__(self, mouth: Connection) -> None:
        self._mouth, self._n_followed = mouth, 0

    def tell(self, *message: Any) -> None:
        with suppress(BrokenPipeError):  # who listened is gone, and this process is about to be told so
            self._mouth.send(message)

    def say(self, sentence: str) -> None:
        self.tell("say", sentence)

    def warn(self, sentence: str) -> None:
        self.tell("warn", sentence)

    @contextmanager
    def follow(self, what: str, total: float) -> Iterator[Advance]:
        number, told_s = self._n_followed, 0.0
        self._n_followed += 1

        def advance(done: float, note: str = "") -> None:
            nonlocal told_s
            if done >= total or time.monotonic() - told_s >= TELL_EVERY_S:
                told_s = time.monotonic()
                self.tell("advance", number, done, note)

        self.tell("begin", number, what, total)
        try:
            yield advance
        finally:
            self.tell("end", number)


def _do(call: Call, place: int, mouth: Connection) -> None:
    """What a process does."""
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)  # a Ctrl-C at the terminal reaches the process that started this one, which passes it on
    signal.signal(signal.SIGTERM, _interrupt)
    threading.Thread(target=_follow_parent, daemon=True).start()
    voice = _Voice(mouth)
    try:
        voice.tell("result", call.function(voice, place))
    except AutosegError as problem:
        voice.tell("failure", problem)
    except KeyboardInterrupt:
        voice.tell("failure", ResourceError("was interrupted. The same command continues it."))
    except Exception as problem:
        voice.tell("failure", ResourceError(f"{type(problem).__name__}: {problem}\n{traceback.format_exc()}"))


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _follow_parent() -> None:
    """Ask this process to end when the one that started it is gone, however that ended."""
    parent = parent_process()
    assert parent is not None, "this process was started by another one"
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _explain_death(exit_code: int | None, n_jobs: int) -> str:
    again = "The same command continues it from where it saved last."
    if exit_code == -signal.SIGKILL:
        remedy = "Use fewer --jobs. " if n_jobs > 1 else ""
        return f"its process was killed, which systems do when memory runs out. {remedy}{again}"
    ending = f"by signal {signal.Signals(-exit_code).name}" if exit_code and exit_code < 0 else f"with code {exit_code}"
    return f"its process ended {ending}. {again}"


def _raise_failures(failures: Sequence[tuple[str, AutosegError]]) -> None:
    """Raise the failures as one error of their kind; a ResourceError if they are of several kinds."""
    if not failures:
        return
    kinds = {type(problem) for _, problem in failures}
    kind = kinds.pop() if len(kinds) == 1 else ResourceError
    raise kind("\n".join(f"{name}: {problem}" for name, problem in failures))
