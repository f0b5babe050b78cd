"""Did any file of a dataset change? Answered from names, sizes and times, without opening one."""

from __future__ import annotations

import os
from pathlib import Path

from autoseg.errors import DatasetError
from autoseg.serialization import digest


def digest_listing(folder: Path, *, leave_out: Path) -> str:
    """Name the state of all files below a folder; hidden ones, and what lies below `leave_out`, do not count.

    Raises:
        DatasetError: there is no such folder.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: there is no such folder. Give the folder of a dataset.")
    entries = []
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and not _is_same(here / name, leave_out)
        )
        for name in sorted(files):
            if not name.startswith("."):
                facts = (here / name).stat()
                entries.append((str(here.relative_to(folder)), name, facts.st_size, facts.st_mtime_ns))
    return digest([str(folder.resolve()), entries])


def _is_same(one: Path, other: Path) -> bool:
    return other.is_dir() and one.samefile(other)
