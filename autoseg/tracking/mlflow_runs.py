"""How is a training written down in MLflow? As one run, also where training is interrupted and continued.

The run's id is kept beside the training, so that a later sitting goes on in the same run of the same server.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from autoseg.serialization import read_json, write_json
from autoseg.tracking.trackers import TrackerFolder

NOTE = "mlflow.json"  # the address and the run's id, in the folder of the training
EXPERIMENT = "autoseg"
MOST_PARAMETERS = 100  # that a server takes at once
LONGEST_VALUE = 500  # characters of a parameter


class MlflowRun:
    """Metrics over iterations, and the plan's values as parameters."""

    def __init__(self, place: TrackerFolder) -> None:
        from mlflow.tracking import MlflowClient

        if "://" not in place.address:  # a folder, which MLflow 3 refuses unless one insists: it needs no database
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        self._client = MlflowClient(tracking_uri=place.address)
        self._run_id = self._find_run(place) or self._start_run(place)

    def _find_run(self, place: TrackerFolder) -> str | None:
        """The run of an earlier sitting, if this one continues it at the same address."""
        note = place.folder / NOTE
        if not place.iteration or not note.is_file():
            return None
        known = read_json(note)
        if known.get("address") != place.address:
            return None
        self._client.update_run(known["run_id"], status="RUNNING")
        return str(known["run_id"])

    def _start_run(self, place: TrackerFolder) -> str:
        experiment = self._client.get_experiment_by_name(EXPERIMENT)
        number = self._client.create_experiment(EXPERIMENT) if experiment is None else experiment.experiment_id
        run_id = str(self._client.create_run(number, run_name=place.name).info.run_id)
        write_json(place.folder / NOTE, {"address": place.address, "run_id": run_id})
        return run_id

    def begin(self, parameters: Mapping[str, Any]) -> None:
        """Log the parameters, which MLflow allows to be said again but not to change."""
        from mlflow.entities import Param

        params = [Param(name, str(value)[:LONGEST_VALUE]) for name, value in parameters.items()]
        for first in range(0, len(params), MOST_PARAMETERS):
            self._client.log_batch(self._run_id, params=params[first : first + MOST_PARAMETERS])

    def record(self, iteration: int, scalars: Mapping[str, float]) -> None:
        """Log a point of every metric."""
        from mlflow.entities import Metric

        now_ms = int(time.time() * 1000)
        metrics = [Metric(_allow(name), value, now_ms, iteration) for name, value in scalars.items()]
        self._client.log_batch(self._run_id, metrics=metrics)

    def close(self, *, is_finished: bool) -> None:
        """End the run; one that will be continued counts as killed until then."""
        self._client.set_terminated(self._run_id, status="FINISHED" if is_finished else "KILLED")


def _allow(name: str) -> str:
    """The name with only such characters as MLflow takes."""
    return "".join(letter if letter.isalnum() or letter in "_-./ " else "_" for letter in name)
