"""Did any file of a dataset change? Answered from names, sizes and times, without opening one."""

from __future__ import annotations

import os
from pathlib import Path

from autoseg.errors import DatasetError
from autoseg.serialization import digest


def digest_listing(folder: Path, *, leave_out: Path) -> str:
    """Name the state of all files below a folder; hidden ones, and what lies below `leave_out`, do not count.

    Links are followed, each folder once however many links lead to it; one that leads nowhere does not count.

    Raises:
        DatasetError: there is no such folder.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: there is no such folder. Give the folder of a dataset.")
    entries = []
    seen = {os.path.realpath(folder), os.path.realpath(leave_out)}
    for place, folders, files in os.walk(folder, followlinks=True):
        here = Path(place)
        folders[:] = [name for name in sorted(folders) if not name.startswith(".") and _is_new(here / name, seen)]
        for name in sorted(files):
            if not name.startswith(".") and (here / name).is_file():
                facts = (here / name).stat()
                entries.append((str(here.relative_to(folder)), name, facts.st_size, facts.st_mtime_ns))
    return digest([str(folder.resolve()), entries])


def _is_new(folder: Path, seen: set[str]) -> bool:
    """Whether this is the first way to a folder; remembers it."""
    real = os.path.realpath(folder)
    is_new = real not in seen
    seen.add(real)
    return is_new
