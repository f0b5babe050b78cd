"""What does it take to predict a case? A few validation cases are predicted once more, alone, and watched.

The first prediction of a process warms up what later ones reuse, so that a case before is not counted. On a CPU the
peak is that of the whole process, which here trained the same network and no other.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

from autoseg.networks.device import choose_device, forget_peak_memory, measure_peak_memory_gb
from autoseg.pipeline.orders import FoldOrder
from autoseg.pipeline.scoring import StoredPredictor
from autoseg.prediction.configuration_predictor import load_predictor
from autoseg.prediction.restoring.restore import restore

N_WATCHED = 3  # cases: enough for a mean, and short beside the training


def measure_prediction(order: FoldOrder) -> tuple[float, float]:
    """Seconds per validation case, reading and restoring included, and the peak memory in GB, of a trained fold."""
    device = choose_device(order.device)
    stored = StoredPredictor(load_predictor([order.run.checkpoint], device=device), order.store, order.previous)
    watched = choose_evenly(order.split.validation, N_WATCHED)
    _predict(stored, watched[0])
    forget_peak_memory(device)
    seconds = [_predict(stored, case_id) for case_id in watched]
    return statistics.fmean(seconds), measure_peak_memory_gb(device)


def choose_evenly(case_ids: Sequence[str], n_chosen: int) -> list[str]:
    """At most so many cases, spread over the list."""
    n_chosen = min(n_chosen, len(case_ids))
    return [case_ids[(2 * at + 1) * len(case_ids) // (2 * n_chosen)] for at in range(n_chosen)]


def _predict(stored: StoredPredictor, case_id: str) -> float:
    began = time.monotonic()
    restore([stored.predict(case_id)])
    return time.monotonic() - began
