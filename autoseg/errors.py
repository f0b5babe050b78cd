"""Every error that autoseg raises on purpose.

    AutosegError             exit code 2: a person can mend it, the message says how
    ├── DatasetError         what we were given: folder, dataset.json, images, segmentations
    ├── PlanError            plan.yaml: keys, values, invariants
    ├── WorkspaceError       artifacts: missing, stale, half there, in use
    ├── UsageError           an option, a configuration or a fold that does not exist
    ├── NumericalError       NaN or infinity in an image, a loss or a weight
    └── ResourceError        exit code 1: memory, disk, a device or a worker gave up

A message says where, what was expected, what came, and what to do:
`plans/liver.yaml: 3d_fullres.patch_size[0] is 100, but axis z is halved 5 times and needs a multiple of 32. Nearest:
96 or 128.`
"""

from __future__ import annotations


class AutosegError(Exception):
    """A problem that autoseg understands; its text is one clear line for a person."""

    exit_code = 2


class DatasetError(AutosegError):
    """The dataset cannot be read as it is."""


class PlanError(AutosegError):
    """A plan file contradicts itself, its schema or its dataset."""


class WorkspaceError(AutosegError):
    """An artifact in the workspace is missing, stale or in use."""


class UsageError(AutosegError):
    """A person asked for something that does not exist."""


class NumericalError(AutosegError):
    """A value that must be finite is not."""


class ResourceError(AutosegError):
    """Memory, disk, a device or a worker process gave up."""

    exit_code = 1
