"""What is a value that a file can hold, and how is it named by its content?

`Record` is the frozen base of everything that is written to a file. Digests are taken over canonical JSON: equal
values have equal digests whatever their order or formatting was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import pydantic

DIGEST_LENGTH = 12  # hexadecimal digits: 48 bits, ample for the artifacts of one dataset
PLAIN = frozenset({str, int, float, bool, type(None)})


class Record(pydantic.BaseModel):
    """A frozen value with a schema. Unknown keys are errors, arrays in files become tuples."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


R = TypeVar("R", bound=Record)


def to_plain(value: Any) -> Any:
    """Turn records, tuples, paths and numpy scalars into what JSON and YAML can hold."""
    if type(value) in PLAIN:  # first, because most values are
        return value
    if isinstance(value, Record):
        return to_plain(value.model_dump(mode="python"))
    if isinstance(value, Mapping):
        return {_plain_key(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        return value.item()
    if hasattr(value, "tolist"):
        return value.tolist()
    return value


def _plain_key(key: Any) -> Any:
    return key if isinstance(key, str | int) else str(key)


def digest(value: Any) -> str:
    """Name a value by its content: the first 12 hexadecimal digits of SHA-256 over its canonical JSON."""
    text = json.dumps(to_plain(value), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]


def digest_file(path: Path) -> str:
    """Name a file by its bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:DIGEST_LENGTH]
