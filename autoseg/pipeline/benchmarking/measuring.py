"""What does it take to predict a case? A few validation cases are predicted once more, alone, and watched.

The largest case is always among them, for it takes the most memory; the mean of their seconds is not that of all cases.
The first prediction of a process warms up what later ones reuse, so that a case before is not counted. On a CPU the
peak is that of the whole process from then on, with what its training left behind.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from autoseg.networks.device import choose_device, forget_peak_memory, measure_peak_memory_gb
from autoseg.pipeline.orders import FoldOrder
from autoseg.pipeline.scoring import StoredPredictor
from autoseg.prediction.configuration_predictor import load_predictor
from autoseg.prediction.restoring.restore import restore
from autoseg.preprocessing.store import open_case

N_WATCHED = 3  # cases, the largest included: short beside the training


def measure_prediction(order: FoldOrder) -> tuple[float, float]:
    """Mean seconds of a few validation cases, the largest included, and their peak memory in GB, of a trained fold.

    Seconds include reading and restoring.
    """
    device = choose_device(order.device)
    stored = StoredPredictor(load_predictor([order.run.checkpoint], device=device), order.store, order.previous)
    watched = choose_watched(order.store, order.split.validation)
    _predict(stored, watched[0])
    forget_peak_memory(device)
    seconds = [_predict(stored, case_id) for case_id in watched]
    return statistics.fmean(seconds), measure_peak_memory_gb(device)


def choose_watched(store: Path, case_ids: Sequence[str]) -> list[str]:
    """The largest case of those in a folder of preprocessed ones, and others spread over the list."""
    largest = max(case_ids, key=lambda case_id: math.prod(open_case(store, case_id).shape))
    others = [case_id for case_id in case_ids if case_id != largest]
    return [largest, *choose_evenly(others, N_WATCHED - 1)]


def choose_evenly(case_ids: Sequence[str], n_chosen: int) -> list[str]:
    """At most so many cases, spread over the list."""
    n_chosen = min(n_chosen, len(case_ids))
    return [case_ids[(2 * at + 1) * len(case_ids) // (2 * n_chosen)] for at in range(n_chosen)]


def _predict(stored: StoredPredictor, case_id: str) -> float:
    began = time.monotonic()
    restore([stored.predict(case_id)])
    return time.monotonic() - began
