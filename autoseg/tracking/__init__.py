"""Where else is a training written down? TensorBoard and MLflow, each an extra that is loaded when it is asked for."""

from autoseg.tracking.epochs import list_scalars
from autoseg.tracking.trackers import TRACKERS, Tracker, TrackerFolder, open_tracker, refuse_missing_package

__all__ = ["TRACKERS", "Tracker", "TrackerFolder", "list_scalars", "open_tracker", "refuse_missing_package"]
