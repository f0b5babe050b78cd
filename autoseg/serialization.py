"""How values become files and files become values: the one module that knows YAML, JSON and pydantic.

`Record` is the frozen base of everything that is written to a file. Every write goes to a temporary name in the same
folder and is renamed, so that a reader sees the old file or the new one and never a half. Digests are taken over
canonical JSON, so that equal values have equal digests whatever their order or formatting was.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pydantic
import yaml

from autoseg.errors import AutosegError

DIGEST_LENGTH = 12  # hexadecimal digits: 48 bits, ample for the artifacts of one dataset
LINE_WIDTH = 120


class Record(pydantic.BaseModel):
    """A frozen value with a schema. Unknown keys are errors, arrays in files become tuples."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


R = TypeVar("R", bound=Record)


def to_plain(value: Any) -> Any:
    """Turn records, tuples, paths and numpy scalars into what JSON and YAML can hold."""
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
    return parse_json(_read_text(path), where=str(path))


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
    lines = _read_text(path).split("\n")
    return [json.loads(line) for line in lines[:-1] if line.strip()]


def write_yaml(path: Path, value: Any, *, header: str = "") -> None:
    """Write YAML for people: keys in their order, short lists on one line, `header` as leading comments."""
    comment = "".join(f"# {line}".rstrip() + "\n" for line in header.splitlines())
    write_text(path, comment + dump_yaml(value))


def dump_yaml(value: Any) -> str:
    """YAML of a value, for people."""
    return yaml.dump(
        to_plain(value), Dumper=_PeopleDumper, sort_keys=False, allow_unicode=True, width=LINE_WIDTH, indent=2
    )


def read_yaml(path: Path) -> Any:
    """Read a YAML file with the safe loader. Raises AutosegError with the line where it stops being YAML."""
    return parse_yaml(_read_text(path), where=str(path))


def parse_yaml(text: str, *, where: str) -> Any:
    """Read YAML text with the safe loader. Raises AutosegError with the line where it stops being YAML."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        line = f"line {mark.line + 1}" if mark else "somewhere"
        raise AutosegError(f"{where}: {line} is not valid YAML: {getattr(problem, 'problem', problem)}.") from None


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise AutosegError(f"{path}: there is no such file.") from None
    except (UnicodeDecodeError, OSError) as problem:
        raise AutosegError(f"{path}: cannot be read as text: {problem}.") from None


def parse_record(kind: type[R], value: Any, *, where: str, error: type[AutosegError] = AutosegError) -> R:
    """Check plain data against a record's schema; name every problem at once, with its place and a way out."""
    try:
        return kind.model_validate(value)
    except pydantic.ValidationError as problems:
        lines = [_explain_problem(kind, problem, where) for problem in problems.errors()]
        raise error("\n".join(lines)) from None


def _explain_problem(kind: type[Record], problem: Any, where: str) -> str:
    place = ".".join(str(part) for part in problem["loc"]) or "the file"
    if problem["type"] == "extra_forbidden":
        known = _keys_at(kind, problem["loc"][:-1])
        return f"{where}: {place} is not a known key.{did_you_mean(str(problem['loc'][-1]), known)}"
    if problem["type"] == "missing":
        return f"{where}: {place} is missing."
    return f"{where}: {place}: {problem['msg']}, but it is {str(problem['input'])[:80]!r}."


def _keys_at(kind: Any, location: Iterable[Any]) -> list[str]:
    for part in location:
        fields = getattr(kind, "model_fields", {})
        if part in fields:
            kind = _record_inside(fields[part].annotation)
    return list(getattr(kind, "model_fields", {}))


def _record_inside(annotation: Any) -> Any:
    """The record that a field's annotation holds, through optionals, tuples and dictionaries."""
    if hasattr(annotation, "model_fields"):
        return annotation
    found = (_record_inside(argument) for argument in getattr(annotation, "__args__", ()))
    return next((record for record in found if hasattr(record, "model_fields")), annotation)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A closing sentence for an unknown name: the nearest known one, or all of them."""
    options = list(known)
    near = difflib.get_close_matches(word, options, n=1, cutoff=0.6)
    if near:
        return f" Did you mean {near[0]}?"
    return f" Known: {', '.join(options)}." if options else ""


class _PeopleDumper(yaml.SafeDumper):
    """Block style for structure, flow style for what fits on a line."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_list(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.Node:
    flat = all(not isinstance(item, dict) for item in value)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=flat)


def _represent_dict(dumper: yaml.SafeDumper, value: dict[str, Any]) -> yaml.Node:
    node = dumper.represent_mapping("tag:yaml.org,2002:map", value.items(), flow_style=False)
    for key, item in node.value:
        if key.value == "inputs" and isinstance(item, yaml.MappingNode):
            item.flow_style = True
    return node


_PeopleDumper.add_representer(list, _represent_list)
_PeopleDumper.add_representer(dict, _represent_dict)
