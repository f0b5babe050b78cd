"""How is a training written down for TensorBoard? As event files in the run's own folder.

tensorboardX writes the format without the rest of TensorBoard; `tensorboard --logdir WORKSPACE` shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autoseg.tracking.trackers import TrackerFolder

FOLDER = "tensorboard"
FLUSH_EVERY_S = 5.0  # so that a person who watches waits no longer


class EventFile:
    """Scalars over iterations, and the parameters as a text."""

    def __init__(self, place: TrackerFolder) -> None:
        from tensorboardX import SummaryWriter

        purge = place.iteration + 1 if place.iteration else None
        self._writer = SummaryWriter(str(place.folder / FOLDER), purge_step=purge, flush_secs=FLUSH_EVERY_S)
        self._begins_at = place.iteration

    def begin(self, parameters: Mapping[str, Any]) -> None:
        """Write the parameters as a table."""
        rows = "\n".join(f"| {name} | {value} |" for name, value in parameters.items())
        self._writer.add_text("plan", f"| value | is |\n|---|---|\n{rows}", self._begins_at)

    def record(self, iteration: int, scalars: Mapping[str, float]) -> None:
        """Write a point on every curve."""
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, iteration)

    def close(self, *, is_finished: bool) -> None:
        """Close the file; the next sitting writes another one beside it."""
        self._writer.close()
