"""How large may a stranger's archive be before it is unpacked?"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipInfo

from autoseg.errors import ResourceError, WorkspaceError
from autoseg.sharing.manifest import Manifest
from autoseg.sharing.names import is_weights

BYTES_PER_GB = 1e9
DEFAULT_GB = 16.0  # ten folds of a large residual U-Net are below half of it
MOST_MEMBERS = 512  # a cascade with two companions and ten folds of each has 40
MOST_MANIFEST_BYTES = 2**22
MOST_TEXT_BYTES = 2**28  # a fingerprint of 100,000 cases is a tenth of it


@dataclass(frozen=True)
class Limits:
    """What an archive may hold at most.

    Attributes:
        total_gb: of all members together, unpacked; a single checkpoint may be as large.
        n_members: files.
    """

    total_gb: float = DEFAULT_GB
    n_members: int = MOST_MEMBERS

    @property
    def total_bytes(self) -> int:
        return int(self.total_gb * BYTES_PER_GB)

    def require_members(self, where: Path, members: list[ZipInfo]) -> None:
        """Raise WorkspaceError where there are too many."""
        if len(members) > self.n_members:
            raise WorkspaceError(
                f"{where}: has {len(members)} members, but at most {self.n_members} are unpacked. If you trust it, "
                f"allow more: --max-members {len(members)}."
            )

    def require_sizes(self, where: Path, manifest: Manifest) -> None:
        """Raise WorkspaceError where the manifest declares more bytes than are allowed."""
        for name, member in manifest.members.items():
            if not is_weights(name) and member.size > MOST_TEXT_BYTES:
                raise WorkspaceError(
                    f"{where}: its member {name} has {member.size} bytes, but a text of a model has at most "
                    f"{MOST_TEXT_BYTES}. It was not unpacked."
                )
        if manifest.total_bytes > self.total_bytes:
            raise WorkspaceError(
                f"{where}: unpacks to {manifest.total_bytes / BYTES_PER_GB:.3g} GB, but at most {self.total_gb:g} GB "
                f"are unpacked. If you trust it, allow more: --max-size {manifest.total_bytes / BYTES_PER_GB + 1:.0f}."
            )


def require_space(folder: Path, n_bytes: int) -> None:
    """Raise ResourceError where a folder's disk has less room than this."""
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise ResourceError(
            f"{folder}: the model needs {n_bytes / BYTES_PER_GB:.3g} GB there, but {free / BYTES_PER_GB:.3g} GB are "
            "free. Make room, or choose another folder with -o."
        )
