"""How do files become an archive, and the same files the same archive?

Checkpoints are stored as they are, for weights do not compress; texts are deflated. Times and owners are left out.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from autoseg.errors import WorkspaceError
from autoseg.serialization import dump_json, replacing
from autoseg.sharing.manifest import Manifest, Member
from autoseg.sharing.names import MANIFEST, is_weights

EPOCH = (1980, 1, 1, 0, 0, 0)  # the first time that a zip can name
PLAIN_FILE = 0o100644 << 16
UNIX = 3
BLOCK_BYTES = 2**20

Entry = tuple[str, Callable[[Path], None]]  # a member's name, and what writes it as a file of that path


def write_archive(path: Path, entries: Iterable[Entry], describe: Callable[[dict[str, Member]], Manifest]) -> Manifest:
    """Write an archive, atomically. One member at a time lies on the disk beside it.

    Args:
        path: of the archive, where nothing is yet.
        entries: the members, in their order.
        describe: makes the manifest of the members; it is written last.

    Raises:
        WorkspaceError: there is something at the path already.
    """
    if path.exists():
        raise WorkspaceError(f"{path}: is there already. Remove it, or choose another name.")
    with replacing(path) as temporary:
        members: dict[str, Member] = {}
        with ZipFile(temporary, "x", allowZip64=True) as archive:
            for name, write in entries:
                scratch = temporary.with_name("member" + Path(name).suffix)
                write(scratch)
                members[name] = _add(archive, name, scratch)
                scratch.unlink()
            manifest = describe(members)
            archive.writestr(_describe(MANIFEST), dump_json(manifest) + "\n")
    return manifest


def _add(archive: ZipFile, name: str, source: Path) -> Member:
    entry = _describe(name)
    entry.file_size = source.stat().st_size  # tells the archive whether it needs 64 bits
    with source.open("rb") as stream, archive.open(entry, "w") as target:
        shutil.copyfileobj(stream, target, BLOCK_BYTES)
    with source.open("rb") as stream:
        return Member(sha256=hashlib.file_digest(stream, "sha256").hexdigest(), size=source.stat().st_size)


def _describe(name: str) -> ZipInfo:
    entry = ZipInfo(name, EPOCH)
    entry.compress_type = ZIP_STORED if is_weights(name) else ZIP_DEFLATED
    entry.external_attr, entry.create_system = PLAIN_FILE, UNIX
    return entry
