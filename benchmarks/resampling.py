"""How much faster is the separable engine than `skimage.transform.resize`, and how far from scipy's zoom?

    python benchmarks/resampling.py [--shape 110 256 256] [--factor 1.4] [--order 3] [--rounds 5]

One float32 volume, enlarged to the same shape by both in turn: `autoseg.preprocessing.resampling.resample`, its
matrices computed anew each time, and scikit-image's resize as nnU-Net calls it (mode `edge`, no anti-aliasing). The
deviation is the largest one from `scipy.ndimage.zoom` in float64, as a share of the volume's range; memory is the peak
beside the input, by tracemalloc. Threads of matrix products are as OMP_NUM_THREADS says; scikit-image has one.
Appends to results/resampling.csv.
"""

from __future__ import annotations

import argparse
import tracemalloc
from collections.abc import Callable

import numpy as np
from scipy import ndimage
from side_by_side import OURS, compare, summarize, take_turns, time_call, write_rows
from skimage.transform import resize

from autoseg.preprocessing.resampling import compute_matrix, resample

RESIZE = "skimage"
Array = np.ndarray


def make_ways(volume: Array, shape: tuple[int, ...], order: int) -> dict[str, Callable[[], Array]]:
    """Both ways to the new shape."""

    def resample_anew() -> Array:
        compute_matrix.cache_clear()
        return resample(volume, shape, order)

    return {
        OURS: resample_anew,
        RESIZE: lambda: resize(volume, shape, order=order, mode="edge", anti_aliasing=False),
    }


def measure_peak_mb(call: Callable[[], object]) -> float:
    """Peak of what a call allocates, its result included."""
    tracemalloc.start()
    call()
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak_bytes / 1e6


def zoom(volume: Array, shape: tuple[int, ...], order: int) -> Array:
    """The reference, in float64 and clipped to the input's range."""
    factors = [n_out / n_in for n_out, n_in in zip(shape, volume.shape, strict=True)]
    zoomed = ndimage.zoom(volume.astype(np.float64), factors, order=order, mode="nearest", grid_mode=True)
    return np.clip(zoomed, volume.min(), volume.max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=3, default=(110, 256, 256))
    parser.add_argument("--factor", type=float, default=1.4)
    parser.add_argument("--order", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    noise = np.random.default_rng(0).normal(size=arguments.shape)
    volume = ndimage.gaussian_filter(noise, 1).astype(np.float32)
    shape = tuple(round(length * arguments.factor) for length in volume.shape)
    ways = make_ways(volume, shape, arguments.order)
    seconds = take_turns({name: lambda way=way: time_call(way) for name, way in ways.items()}, arguments.rounds)
    expected = zoom(volume, shape, arguments.order)
    facts = {"from": "x".join(map(str, volume.shape)), "to": "x".join(map(str, shape)), "order": arguments.order}
    rows = []
    for name, way in ways.items():
        deviation = float(np.abs(way() - expected).max() / np.ptp(volume))
        timed = {f"s_{key}": value for key, value in summarize(seconds[name]).items()}
        peak = {"peak_mb": measure_peak_mb(way), "result_mb": expected.size * 4 / 1e6}
        ratios = compare(seconds[OURS], seconds[name])
        rows.append(
            facts | {"way": name, "rounds": arguments.rounds} | timed | ratios | peak | {"deviation": deviation}
        )
    write_rows("resampling", rows)


if __name__ == "__main__":
    main()
