"""How is a stranger's archive unpacked, wholly or not at all?

Names are checked before anything is read, sizes before anything is written, and bytes while they are: a member that
goes on beyond its declared size ends there. What is wrong with an archive is one line.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from autoseg.errors import AutosegError, WorkspaceError
from autoseg.serialization import parse_json
from autoseg.sharing.limits import MOST_MANIFEST_BYTES, Limits
from autoseg.sharing.manifest import Manifest, Member, digest_model, parse_manifest
from autoseg.sharing.names import MANIFEST, NEEDED, TEXTS, find_bad_name, is_weights
from autoseg.sharing.packing import BLOCK_BYTES

ENCRYPTED = 0x1  # bit of a member's flags
UNREADABLE = (BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, OSError)  # what zipfile says of bad bytes
DAMAGED = "is no zip archive, or a damaged one ({problem}). Get it again; nothing was installed."


@contextmanager
def opening_archive(path: Path, limits: Limits) -> Iterator[tuple[ZipFile, Manifest]]:
    """An archive whose names and declared sizes are checked, and its manifest.

    Raises:
        WorkspaceError: it is missing, damaged, foreign, of a newer format, or larger than the limits.
    """
    if not path.is_file():
        raise WorkspaceError(f"{path}: there is no such file.")
    with _explaining(path):
        archive = ZipFile(path)
    with archive:
        with _explaining(path):
            manifest = _check(path, archive, limits)
        yield archive, manifest  # what goes wrong with it from here on is told by whoever does it


def _check(path: Path, archive: ZipFile, limits: Limits) -> Manifest:
    members = archive.infolist()
    limits.require_members(path, members)
    _require_names(path, members)
    manifest = _read_manifest(path, archive)
    _require_members(path, members, manifest)
    limits.require_sizes(path, manifest)
    return manifest


def unpack(path: Path, archive: ZipFile, manifest: Manifest, folder: Path) -> None:
    """Write every member into a new folder, and hold each against its size and digest.

    Raises:
        WorkspaceError: a member is not what the manifest says.
    """
    folder.mkdir()
    with _explaining(path):
        for name, member in manifest.members.items():
            _extract(path, archive, name, member, folder)
        (folder / MANIFEST).write_bytes(archive.read(MANIFEST))


def digest_bytes(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def _explaining(path: Path) -> Iterator[None]:
    try:
        yield
    except AutosegError:
        raise
    except UNREADABLE as problem:
        if isinstance(problem, OSError) and problem.errno is not None:
            raise  # of the disk, not of the archive
        raise WorkspaceError(f"{path}: {DAMAGED.format(problem=problem)}") from None


def _require_names(path: Path, members: list[ZipInfo]) -> None:
    names = {member.orig_filename for member in members}
    if MANIFEST not in names and not names & set(TEXTS):
        raise WorkspaceError(f"{path}: is no model of autoseg: it has no {MANIFEST}.")
    if problem := find_bad_name(members):
        raise WorkspaceError(f"{path}: {problem}. Nothing was installed.")
    if MANIFEST not in names:
        raise WorkspaceError(f"{path}: is no model of autoseg: it has no {MANIFEST}.")
    for member in members:
        if member.flag_bits & ENCRYPTED or member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise WorkspaceError(
                f"{path}: its member {member.orig_filename} is encrypted, or packed in a way that models are not."
            )


def _read_manifest(path: Path, archive: ZipFile) -> Manifest:
    with archive.open(MANIFEST) as stream:
        content = stream.read(MOST_MANIFEST_BYTES + 1)
    if len(content) > MOST_MANIFEST_BYTES:
        raise WorkspaceError(f"{path}: its {MANIFEST} has more than {MOST_MANIFEST_BYTES} bytes, which none needs.")
    where = f"{path}: {MANIFEST}"
    try:
        plain = parse_json(content.decode("utf-8"), where=where)
    except (AutosegError, UnicodeDecodeError, RecursionError):
        raise WorkspaceError(f"{where} is not JSON. The archive is damaged, or no model of autoseg.") from None
    return parse_manifest(plain, where=str(path))


def _require_members(path: Path, members: list[ZipInfo], manifest: Manifest) -> None:
    """The archive holds what its manifest says, no more and no less, and as large."""
    sizes = {member.orig_filename: member.file_size for member in members if member.orig_filename != MANIFEST}
    declared = {name: member.size for name, member in manifest.members.items()}
    if wrong := sorted(set(sizes) ^ set(declared)):
        where = "in the archive, but not in its manifest" if wrong[0] in sizes else "in the manifest, but not there"
        raise WorkspaceError(f"{path}: {wrong[0]!r} is {where}. Nothing was installed.")
    if wrong := [name for name in sizes if sizes[name] != declared[name]]:
        raise WorkspaceError(
            f"{path}: {wrong[0]} has {sizes[wrong[0]]} bytes, but the manifest says {declared[wrong[0]]}. "
            "Nothing was installed."
        )
    missing = [name for name in NEEDED if name not in sizes]
    missing += [] if any(is_weights(name) for name in sizes) else ["a checkpoint"]
    if missing:
        raise WorkspaceError(f"{path}: {missing[0]} is missing. A model of autoseg has one; get it again.")
    if manifest.model != digest_model(manifest.members):
        raise WorkspaceError(f"{path}: its manifest contradicts itself: the model's digest is not that of its members.")


def _extract(path: Path, archive: ZipFile, name: str, member: Member, folder: Path) -> None:
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    read = hashlib.sha256()
    n_left = member.size
    with archive.open(name) as stream, target.open("xb") as written:
        while block := stream.read(min(BLOCK_BYTES, n_left + 1)):
            n_left -= len(block)
            if n_left < 0:
                break
            read.update(block)
            written.write(block)
    if n_left or read.hexdigest() != member.sha256:
        raise WorkspaceError(
            f"{path}: {name} is not what the manifest says (other bytes). The archive is damaged or was "
            "changed; get it again. Nothing was installed."
        )
