"""What is in an archive, to the byte?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic
from pydantic_core import PydanticCustomError

from autoseg.errors import WorkspaceError
from autoseg.serialization import Record, digest, parse_record
from autoseg.sharing.names import CARD

FORMAT = 1
SHA256 = r"[0-9a-f]{64}"


def _require_line(text: str) -> str:
    if not text.isprintable():
        raise PydanticCustomError("line", "expected one line of printable text, for others can steer a terminal")
    return text


Line = Annotated[str, pydantic.AfterValidator(_require_line)]


class Member(Record):
    """One file of an archive.

    Attributes:
        sha256: of its bytes, hexadecimal.
        size: bytes.
    """

    sha256: str = pydantic.Field(pattern=f"^{SHA256}$")
    size: int = pydantic.Field(ge=0)


class Manifest(Record):
    """What an archive holds, and what it needs.

    Attributes:
        autoseg_model: version of this format, `FORMAT`.
        autoseg: version of autoseg that wrote it.
        name: of the dataset that the model was trained on.
        model: digest of the weights and of what they obey; equal for equal models.
        licence, author, note: as the person gave them who exported it; empty where nothing was given.
        folds: the folds to predict with, where they are not all of the cross-validation: `all`.
        needs: dotted paths of a person's own components, whose code the archive does not hold.
        members: every file but this one, by its name.
    """

    autoseg_model: Literal[1] = 1
    autoseg: Line
    name: Line
    model: Line
    licence: Line = ""
    author: Line = ""
    note: Line = ""
    folds: tuple[Line, ...] = ()
    needs: tuple[Line, ...] = ()
    members: dict[str, Member]

    @property
    def total_bytes(self) -> int:
        return sum(member.size for member in self.members.values())


def digest_model(members: Mapping[str, Member]) -> str:
    """Names a model by its members; the words of the card may differ."""
    return digest({name: member.sha256 for name, member in members.items() if name != CARD})


def parse_manifest(content: Any, *, where: str) -> Manifest:
    """Read a manifest.

    Raises:
        WorkspaceError: it is of a newer format, or none of autoseg.
    """
    version = content.get("autoseg_model") if isinstance(content, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise WorkspaceError(f"{where}: is no model of autoseg: its MANIFEST.json says nothing of `autoseg_model`.")
    if version > FORMAT:
        raise WorkspaceError(
            f"{where}: is a model of format {version}, but this version of autoseg reads formats up to {FORMAT}. "
            "Update autoseg."
        )
    return parse_record(Manifest, content, where=f"{where}: MANIFEST.json", error=WorkspaceError)
