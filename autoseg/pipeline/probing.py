"""The `probe` verb: how fast does this device train? Measured in seconds and stored for the plans that follow."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import torch

from autoseg.errors import UsageError
from autoseg.machine import count_cores
from autoseg.networks.build import place_network
from autoseg.networks.device import choose_device, explaining_out_of_memory, find_mixed_type
from autoseg.networks.probing import (
    SAMPLES,
    Layout,
    Sample,
    Timing,
    build_sample,
    find_layout,
    solve_speed,
    time_work,
)
from autoseg.pipeline.reporting import Advance, Reporter
from autoseg.planning.devices import BYTES_PER_GB, DeviceFacts, Speed, Trial, measure_device
from autoseg.serialization import write_json
from autoseg.training.probing import begin_work, measure_gvoxels

FILE = "device.json"
LOOK_S = 0.5
BUSY_PERCENT = 20.0  # of all cores, taken by other programs: from here on the clock tells more of them than of training
PARALLEL_SHARE = 0.85  # of a core's speed that each of several adds; 0.73 to 0.98 on 2 cores (benchmarks/LOG.md)
# Of 12 trainings on 2 cores, an iteration took 1.08 to 1.33 times (median 1.15) as long with a process beside it that
# makes batches, hardly more where batches cost much: threads that share a convolution wait for the one whose core was
# taken. With the usual iteration in place of the probe's best, and the processor time of batches counted apart, 1.17.
PROCESS_BESIDE = 1.17
N_TRIAL_ROUNDS = 2
CLEARLY_FASTER = 0.9  # of the usual time: below that, another way of running is worth a sentence


def probe_device(device: str = "auto", *, folder: Path | None = None, reporter: Reporter | None = None) -> DeviceFacts:
    """Measure how fast a device trains, which takes seconds.

    Args:
        device: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.
        folder: gets `device.json`, which plans below it are made from; None stores nothing.
        reporter: is told what is done and what came out.

    Returns:
        what `measure_device` tells, with `speeds` in 2D and 3D, the day, and the ways that were compared.

    Raises:
        UsageError: there is no such device.
        ResourceError: its memory does not even hold the small trainings.
    """
    reporter, place = reporter or Reporter(), choose_device(device)
    facts = _measure_place(place)
    is_busy = place.type == "cpu" and psutil.cpu_percent(interval=LOOK_S) > BUSY_PERCENT
    if is_busy:
        reporter.warn("Other programs use this machine: speeds are taken from processor time. Probe again later.")
    samples = SAMPLES["cpu" if place.type == "cpu" else "gpu"]
    with (
        explaining_out_of_memory("the small trainings of a probe"),
        reporter.follow("Measuring the speed of training", len(samples) + 1) as advance,
    ):
        timings = _time_samples(samples, place, advance, is_busy=is_busy)
        trials = () if is_busy else _compare_ways(samples, timings, place)
        advance(len(samples) + 1, "")
    facts = facts.model_copy(
        update={
            "speeds": _solve(samples, timings, place),
            "trials": trials,
            "is_busy": is_busy,
            "precision": "bfloat16" if find_mixed_type("bfloat16", place) else "float32",
            "probed_on": datetime.date.today().isoformat(),
        }
    )
    _conclude(facts, folder, reporter)
    return facts


def describe_probe(facts: DeviceFacts) -> str:
    """What a probe found, in one line."""
    where = ", ".join(word for word in (facts.name, f"{facts.n_threads} thread(s)") if word)
    speeds = " and ".join(f"{speed.gflops:.3g} GFLOP/s in {name.upper()}" for name, speed in facts.speeds.items())
    return f"{facts.device} ({where}) trains at {speeds}, in {facts.precision}."


def _conclude(facts: DeviceFacts, folder: Path | None, reporter: Reporter) -> None:
    reporter.say(describe_probe(facts))
    for sentence in find_better_ways(facts.trials):
        reporter.say(sentence)
    if folder is not None:
        write_json(folder / FILE, facts)
        reporter.say(f"Plans in {folder} are made from it now: {folder / FILE}")


def find_better_ways(trials: Sequence[Trial]) -> list[str]:
    """A sentence for each way of running that beat the usual one, the first of its dimension, clearly."""
    sentences = []
    for trial in trials:
        usual = next(other for other in trials if other.n_dimensions == trial.n_dimensions)
        if trial.iteration_s < CLEARLY_FASTER * usual.iteration_s:
            way = f"{trial.layout.replace('_', '-')} memory and {trial.n_threads} thread(s)"
            usual_way = f"{usual.layout.replace('_', '-')} and {usual.n_threads}"
            share = 1 - trial.iteration_s / usual.iteration_s
            sentences.append(f"In {trial.n_dimensions}D, {way} took {share:.0%} less time than {usual_way}, the usual.")
    return sentences


def _measure_place(place: torch.device) -> DeviceFacts:
    """What planning measures of the device, or what torch knows of a GPU that the driver's command does not tell."""
    name = str(place)
    if place.type != "cuda":
        return measure_device(name)
    if (place.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"device {name}: torch sees {torch.cuda.device_count()} GPU(s), counted from cuda:0.")
    known = torch.cuda.get_device_name(place)
    try:
        facts = measure_device(name)
    except UsageError:
        facts = None
    if facts is not None and facts.name == known:
        return facts
    free, total = (round(size / BYTES_PER_GB, 2) for size in torch.cuda.mem_get_info(place))
    return DeviceFacts(
        device="cuda",
        memory_gb=free,
        total_memory_gb=total,
        index=place.index or 0,
        name=known,
        n_threads=count_cores(),
    )


def _time_samples(samples: Sequence[Sample], place: torch.device, advance: Advance, *, is_busy: bool) -> list[Timing]:
    timings = []
    with using_threads(1 if is_busy else None):
        time_work(begin_work(samples[0], place), place)  # the first of a process is slow: it is timed again
        for done, sample in enumerate(samples):
            advance(done, f"{sample.network} in {sample.n_dimensions}D")
            timing = time_work(begin_work(sample, place), place)
            timings.append(share_among_cores(timing, count_cores()) if is_busy else timing)
    return timings


def share_among_cores(timing: Timing, n_cores: int) -> Timing:
    """What all cores would need for what one needed in processor time, which others on the machine hardly stretch."""
    share = 1.0 if n_cores == 1 else n_cores * PARALLEL_SHARE
    return replace(timing, descend_s=timing.descend_processor_s / share, renew_s=timing.renew_processor_s / share)


def _compare_ways(samples: Sequence[Sample], timings: Sequence[Timing], place: torch.device) -> tuple[Trial, ...]:
    """The usual way first, then the other layout, then half the threads, for the first sample of each dimension."""
    trials, n_threads = [], torch.get_num_threads()
    for n_dimensions in (2, 3):
        sample, timing = next(
            pair for pair in zip(samples, timings, strict=True) if pair[0].n_dimensions == n_dimensions
        )
        usual = find_layout(place_network(build_sample(sample), place))
        other: Layout = "contiguous" if usual == "channels_last" else "channels_last"
        trials += [_describe(sample, timing, usual), _try(sample, place, other, n_threads)]
        if place.type == "cpu" and n_threads > 1:
            trials.append(_try(sample, place, usual, n_threads // 2))
    return tuple(trials)


def _try(sample: Sample, place: torch.device, layout: Layout, n_threads: int) -> Trial:
    with using_threads(n_threads):
        work = begin_work(sample, place, layout=layout)
        return _describe(sample, time_work(work, place, n_rounds=N_TRIAL_ROUNDS), layout)


def _describe(sample: Sample, timing: Timing, layout: Layout) -> Trial:
    return Trial(
        n_dimensions=sample.n_dimensions,
        layout=layout,
        n_threads=torch.get_num_threads(),
        iteration_s=round(timing.descend_s + timing.renew_s, 4),
    )


@contextmanager
def using_threads(n_threads: int | None) -> Iterator[None]:
    """Let torch compute with so many threads; None leaves them as they are."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _solve(samples: Sequence[Sample], timings: Sequence[Timing], place: torch.device) -> dict[str, Speed]:
    """Speeds by number of dimensions; on a CPU, of trainings whose batches are made beside them on the same cores."""
    speeds, is_cpu = {}, place.type == "cpu"
    for n_dimensions in (2, 3):
        pairs = [pair for pair in zip(samples, timings, strict=True) if pair[0].n_dimensions == n_dimensions]
        chosen, beside = [sample for sample, _ in pairs], PROCESS_BESIDE if is_cpu else 1.0
        speed = solve_speed(
            chosen, [beside * timing.descend_s for _, timing in pairs], [beside * timing.renew_s for _, timing in pairs]
        )
        gvoxels = count_cores() * measure_gvoxels(chosen[0]) if is_cpu else None
        speeds[f"{n_dimensions}d"] = speed.model_copy(update={"gvoxels": gvoxels})
    return speeds
