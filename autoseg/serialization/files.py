"""How does a value become a file, wholly or not at all? Text and JSON.

Every write goes to a temporary name in the same folder and is renamed: a reader sees the old file or the new one
and never a half.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from autoseg.errors import AutosegError
from autoseg.serialization.records import to_plain


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path` with the same ending; rename it to `path` if the block succeeds.

    Works for a file or a folder that the block creates; whatever the block left is removed if it fails.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    holder = Path(tempfile.mkdtemp(prefix=".writing-", dir=path.parent))
    temporary = holder / path.name
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        _remove(holder)


def _remove(path: Path) -> None:
    if path.is_dir():
        for child in path.iterdir():
            _remove(child)
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_text(path: Path) -> str:
    """The text of a file. Raises AutosegError if there is none, or it is no text."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise AutosegError(f"{path}: there is no such file.") from None
    except (UnicodeDecodeError, OSError) as problem:
        raise AutosegError(f"{path}: cannot be read as text: {problem}.") from None


def dump_json(value: Any, *, indent: int | None = 1) -> str:
    """JSON of a value; records become mappings, undefined numbers null."""
    return json.dumps(to_plain(_finite(to_plain(value))), indent=indent, ensure_ascii=False)


def _finite(value: Any) -> Any:
    """JSON has no NaN: an undefined number is written as null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON, atomically."""
    write_text(path, dump_json(value) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file. Raises AutosegError with the line and column where it stops being JSON."""
    return parse_json(read_text(path), where=str(path))


def parse_json(text: str, *, where: str) -> Any:
    """Read JSON text. Raises AutosegError with the line and column where it stops being JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as problem:
        raise AutosegError(
            f"{where}: line {problem.lineno}, column {problem.colno} is not valid JSON: {problem.msg}."
        ) from None


def read_json_lines(path: Path) -> list[Any]:
    """Read one JSON value per line; a last line that a killed run left unfinished is not there yet."""
    lines = read_text(path).split("\n")
    return [json.loads(line) for line in lines[:-1] if line.strip()]
