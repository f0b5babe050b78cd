"""How does a value become YAML for people, and how is it read back with the line of everything?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from autoseg.errors import AutosegError
from autoseg.serialization.files import read_text, write_text
from autoseg.serialization.records import to_plain

LINE_WIDTH = 120
FLOWING = ("inputs", "seal")  # mappings that are read as a whole, and so take as few lines as they can

Place = tuple[str | int, ...]  # the keys and indices that lead to a value of a file
Lines = Mapping[Place, int]  # where each value of a file begins


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
    return parse_yaml(read_text(path), where=str(path))


def parse_yaml(text: str, *, where: str) -> Any:
    """Read YAML text with the safe loader. Raises AutosegError with the line where it stops being YAML."""
    return parse_located_yaml(text, where=where).value


class Located(NamedTuple):
    """The value of a YAML text, and the lines that its parts begin on, counted from 1."""

    value: Any
    lines: Lines


def locate_yaml(text: str, *, where: str = "the text") -> Lines:
    """The line of every key and list item of a YAML text, by the keys and indices that lead to it."""
    return parse_located_yaml(text, where=where).lines


def parse_located_yaml(text: str, *, where: str) -> Located:
    """Read YAML text with the safe loader, and remember where everything stood.

    A key that stands twice is an error, and so is an alias (`*name`): a plan says everything where it belongs, and a
    few lines of aliases can stand for more than a memory holds.

    Raises:
        AutosegError: with the line where the text stops being YAML.
    """
    try:
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            lines = {} if root is None else dict(_locate(root, (), set()))
            return Located(None if root is None else loader.construct_document(root), lines)
        finally:
            loader.dispose()
    except yaml.YAMLError as problem:
        raise AutosegError(_explain_yaml(problem, text, where)) from None
    except RecursionError:
        raise AutosegError(f"{where}: is nested too deeply to be read.") from None
    except ValueError as problem:  # a date or a number that looks like one and is none
        raise AutosegError(f"{where}: is not valid YAML: {str(problem).split(';')[0]}.") from None


def _locate(node: yaml.Node, place: Place, seen: set[int]) -> Iterator[tuple[Place, int]]:
    """Lines of a node and of all below it; refuses keys that stand twice, and nodes that are met twice."""
    seen.add(id(node))
    yield place, node.start_mark.line + 1
    for mark, key, child in _children(node):
        if id(child) in seen:
            raise _refuse("an alias (*name) is not accepted: write the value itself", mark)
        for where, line in _locate(child, (*place, key), seen):
            yield where, mark.line + 1 if where == (*place, key) else line


def _children(node: yaml.Node) -> Iterator[tuple[yaml.Mark, str | int, yaml.Node]]:
    if isinstance(node, yaml.SequenceNode):
        yield from ((item.start_mark, index, item) for index, item in enumerate(node.value))
    elif isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, item in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in first:
                raise _refuse(f"the key {name} stands on line {first[name]} already. Keep one of them", key.start_mark)
            first[name] = line
            yield key.start_mark, name, item


def _refuse(sentence: str, mark: yaml.Mark) -> yaml.YAMLError:
    return yaml.MarkedYAMLError(problem=sentence, problem_mark=mark)


def _explain_yaml(problem: yaml.YAMLError, text: str, where: str) -> str:
    """One line on what the parser stumbled over."""
    mark = getattr(problem, "problem_mark", None) or getattr(problem, "context_mark", None)
    what = getattr(problem, "problem", None) or getattr(problem, "reason", None) or str(problem).splitlines()[0]
    if mark is None:
        return f"{where}: is not valid YAML: {what}."
    rows = text.splitlines()
    row = rows[mark.line] if mark.line < len(rows) else ""
    hint = " Indent with spaces, not with tabs." if row[: len(row) - len(row.lstrip())].count("\t") else ""
    return f"{where}:{mark.line + 1}: is not valid YAML: {what}.{hint}"


def find_line(lines: Lines, place: Place) -> int | None:
    """The line of a place, or of the nearest room around it; None where nothing is known of lines."""
    for length in range(len(place), -1, -1):
        if place[:length] in lines:
            return lines[place[:length]]
    return None


def tell_where(where: str, lines: Lines, place: Place) -> str:
    """`plan.yaml:12`, or the name of the file alone where lines are not known."""
    line = find_line(lines, place)
    return where if line is None else f"{where}:{line}"


# Written in C both are ten times as fast, and nodes and text are the same; builds of PyYAML without them exist.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _PeopleDumper(_Dumper):  # type: ignore[misc]
    """Block style for structure, flow style for what fits on a line."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_list(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.Node:
    flat = all(not isinstance(item, dict) for item in value)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=flat)


def _represent_dict(dumper: yaml.SafeDumper, value: dict[str, Any]) -> yaml.Node:
    node = dumper.represent_mapping("tag:yaml.org,2002:map", value.items(), flow_style=False)
    for key, item in node.value:
        if key.value in FLOWING and isinstance(item, yaml.MappingNode):
            item.flow_style = True
    return node


_PeopleDumper.add_representer(list, _represent_list)
_PeopleDumper.add_representer(dict, _represent_dict)
