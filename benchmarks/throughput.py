"""Does a plan know how long an iteration takes: predicted against real seconds, after a probe of the same machine?

    python benchmarks/throughput.py [--device cpu] [--rounds 6]

Probes the device, then runs other trainings than the probe does: whole, with one process beside them that makes
augmented batches, as `autoseg train` runs and as the plan predicts; and bare, on one batch that is there already.
Prints a Markdown table of medians (minimum to maximum of the rounds) and writes results/throughput.csv. Let the machine
rest meanwhile.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import tempfile
import time
from pathlib import Path

import torch

from autoseg.networks.device import choose_device
from autoseg.networks.probing import Sample, synchronize
from autoseg.pipeline.probing import describe_probe, probe_device
from autoseg.planning.devices import DeviceFacts
from autoseg.planning.throughput import count_iteration_flops, predict_iteration_s
from autoseg.training.probing import begin_work, store_batches
from autoseg.training.streaming import BatchStream

RESULTS = Path(__file__).parent / "results" / "throughput.csv"
COLUMNS = ["network", "width", "patch", "batch", "channels", "gflop"]
COLUMNS += ["predicted_s", "median_s", "min_s", "max_s", "bare_median_s", "ratio"]
HEADINGS = ["network", "width", "batch x channels x patch", "GFLOP", "predicted s", "measured s", "bare s", "ratio"]
N_WARMING = 3  # rounds that do not count; batches are made ahead meanwhile
SAMPLES = (
    Sample("unet", 8, (40, 56, 40), 2),  # Hippocampus on 2 cores
    Sample("unet", 16, (40, 56, 40), 2),
    Sample("residual_unet", 8, (40, 56, 40), 2),
    Sample("residual_unet", 16, (32, 48, 32), 2),
    Sample("unet", 12, (24, 80, 64), 2),
    Sample("unet", 24, (32, 32, 32), 4),
    Sample("unet", 8, (256, 256), 4, n_channels=3),  # nuclei_png on 2 cores
    Sample("unet", 16, (224, 224), 4, n_channels=3),
    Sample("residual_unet", 8, (256, 256), 4, n_channels=3),
    Sample("unet", 32, (96, 96), 8),
    Sample("residual_unet", 16, (128, 128), 4),
    Sample("unet", 12, (56, 40), 32),
)


def measure(sample: Sample, place: torch.device, n_rounds: int, *, with_batches: bool) -> list[float]:
    """Seconds of each of so many iterations."""
    work = begin_work(sample, place)
    with tempfile.TemporaryDirectory() as folder:
        maker = store_batches(Path(folder), sample)
        with BatchStream(maker, start=0, n_workers=1, n_ahead=4) as batches:
            rounds = []
            for _ in range(N_WARMING + n_rounds):
                began = time.perf_counter()
                if with_batches:
                    next(batches)
                work.descend()
                work.renew()
                synchronize(place)
                rounds.append(time.perf_counter() - began)
            return rounds[N_WARMING:]


def describe(sample: Sample) -> list[str]:
    """What identifies a sample, for a row."""
    patch = "x".join(str(size) for size in sample.patch_size)
    return [sample.network, str(sample.width), patch, str(sample.batch_size), str(sample.n_channels)]


def compare(sample: Sample, facts: DeviceFacts, whole: list[float], bare: list[float]) -> list[str]:
    """A row: predicted and measured seconds."""
    what = (sample.sketch, sample.patch_size, sample.batch_size)
    predicted = predict_iteration_s(*what, speeds=facts.speeds)
    assert predicted is not None
    figures = (predicted, statistics.median(whole), min(whole), max(whole), statistics.median(bare))
    row = [*describe(sample), f"{count_iteration_flops(*what) / 1e9:.1f}", *(f"{figure:.3f}" for figure in figures)]
    return [*row, f"{predicted / statistics.median(whole):.2f}"]


def show(row: list[str]) -> str:
    """A row of the Markdown table."""
    network, width, patch, batch, channels, gflop, predicted, median, low, high, bare, ratio = row
    cells = [network, width, f"{batch} x {channels} x {patch}", gflop, predicted, f"{median} ({low} to {high})", bare]
    return f"| {' | '.join([*cells, ratio])} |"


def write(rows: list[list[str]]) -> None:
    """Say how far predictions were off, and write the CSV."""
    ratios = [float(row[-1]) for row in rows]
    print(
        f"\nPredicted over measured: median {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})."
    )
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", newline="") as stream:
        csv.writer(stream).writerows([COLUMNS, *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=6)
    arguments = parser.parse_args()
    began = time.perf_counter()
    facts = probe_device(arguments.device)
    print(f"{describe_probe(facts)} Probed in {time.perf_counter() - began:.0f} s.\n")
    place, rows = choose_device(arguments.device), []
    print(f"| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}")
    for sample in SAMPLES:
        whole = measure(sample, place, arguments.rounds, with_batches=True)
        bare = measure(sample, place, arguments.rounds, with_batches=False)
        rows.append(compare(sample, facts, whole, bare))
        print(show(rows[-1]), flush=True)
    write(rows)


if __name__ == "__main__":
    main()
