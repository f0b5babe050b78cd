"""Archives for tests: small ones that are right, and ways to make them wrong."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from autoseg.sharing.manifest import Member, digest_model
from autoseg.sharing.names import name_weights
from autoseg.sharing.packing import EPOCH

WEIGHTS = name_weights("2d", "0")
FILES = {"README.md": b"card", "dataset.json": b"{}", "plan.yaml": b"a: 1", WEIGHTS: bytes(1000)}


def describe(files: dict[str, bytes], **changes: Any) -> dict[str, Any]:
    """The manifest of some files, as plain data."""
    members = {
        name: Member(sha256=hashlib.sha256(content).hexdigest(), size=len(content)) for name, content in files.items()
    }
    plain = {name: member.model_dump() for name, member in members.items()}
    return {"autoseg_model": 1, "autoseg": "0", "name": "D", "model": digest_model(members), "members": plain} | changes


def write_zip(path: Path, files: dict[str, bytes] | None = None, **changes: Any) -> Path:
    """An archive of these files with their manifest, whose entries may be changed."""
    files = FILES if files is None else files
    with ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(ZipInfo(name, EPOCH), content)
        archive.writestr("MANIFEST.json", json.dumps(describe(files, **changes)))
    return path


def add(path: Path, name: str, content: bytes = b"x", *, attributes: int = 0, deflated: bool = False) -> Path:
    """One member more, that the manifest does not know."""
    with ZipFile(path, "a") as archive:
        entry = ZipInfo("placeholder", EPOCH)
        entry.filename, entry.external_attr = name, attributes
        entry.compress_type = ZIP_DEFLATED if deflated else 0
        archive.writestr(entry, content)
    return path
