"""What may a file hold? Records told as a JSON Schema, for editors, and stand-ins for what a record refuses.

JSON Schema draft 2020-12, with titles and descriptions out of the docstrings: an editor that knows it completes keys
and underlines mistakes while a person types.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from autoseg.decision import Decision
from autoseg.serialization import Place, Record

DIALECT = "https://json-schema.org/draft/2020-12/schema"
EXAMPLES: Mapping[Any, Any] = {bool: False, int: 1, float: 1.0, str: "", type(None): None}
ATTRIBUTE = re.compile(r"^(?P<names>\w+(?:, \w+)*): (?P<text>.*)$")


def describe_record(kind: type[Record]) -> dict[str, Any]:
    """The JSON Schema of a record; a decision is its bare value, or a block of value and reason."""
    schema = kind.model_json_schema(schema_generator=_Describer)
    return {"$schema": DIALECT, **schema}


class _Describer(GenerateJsonSchema):
    """Descriptions out of docstrings, and the two forms of a decision."""

    def model_schema(self, schema: Any) -> dict[str, Any]:
        described = super().model_schema(schema)
        kind = schema["cls"]
        summary, attributes = read_docstring(kind)
        for name, text in attributes.items():
            described.get("properties", {}).get(name, {}).setdefault("description", text)
        if issubclass(kind, Decision):
            return _offer_both_forms(described)
        return {**described, "description": summary} if summary else described


def _offer_both_forms(block: dict[str, Any]) -> dict[str, Any]:
    value = {key: item for key, item in block["properties"]["value"].items() if key not in ("title", "description")}
    bare = {**value, "description": "The bare value: set by hand."}
    block = {**block, "title": "Decision", "description": "A value with its reason, as a rule or a person left it."}
    return {"oneOf": [bare, block]}


def read_docstring(kind: type) -> tuple[str, dict[str, str]]:
    """The sentences of a docstring that stand before its attributes, and the text of each attribute."""
    summary, _, rest = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:")
    attributes: dict[str, str] = {}
    names: list[str] = []
    for line in inspect.cleandoc("\n" + rest).splitlines():
        if match := ATTRIBUTE.match(line):
            names = match["names"].split(", ")
            attributes |= dict.fromkeys(names, match["text"])
        elif line.startswith(" "):
            attributes |= {name: f"{attributes[name]} {line.strip()}" for name in names}
    return " ".join(summary.split()), attributes


def make_stand_in(kind: type[Record], plain: Any, place: Place) -> None:
    """Put something that the schema allows at a place of plain data, or delete what is of no known name there."""
    *rooms, last = place
    try:
        for step in rooms:
            plain = plain[step]
        annotation = _find_annotation(kind, place)
        if annotation is None:
            del plain[last]
        else:
            plain[last] = _make_example(annotation)
    except (KeyError, IndexError, TypeError):
        return


def _find_annotation(kind: Any, place: Place) -> Any:
    """The type that belongs at a place, None if the schema has no such place."""
    for step in place:
        kind = _step_into(kind, step)
    return kind


def _step_into(annotation: Any, step: str | int) -> Any:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        inside = (_step_into(one, step) for one in typing.get_args(annotation))
        return next((one for one in inside if one is not None), None)
    if typing.get_origin(annotation) is dict:
        return typing.get_args(annotation)[1]
    if typing.get_origin(annotation) is tuple:
        kinds = typing.get_args(annotation)
        by_index: dict[Any, Any] = dict(enumerate(kinds))
        return kinds[0] if kinds[-1] is ... else by_index.get(step)
    fields = getattr(annotation, "model_fields", {})
    if step in fields:
        return fields[step].annotation
    is_decision = isinstance(annotation, type) and issubclass(annotation, Decision)
    return _step_into(fields["value"].annotation, step) if is_decision else None


def _make_example(annotation: Any) -> Any:
    """The smallest value of a type, as plain data."""
    origin, kinds = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return None if type(None) in kinds else _make_example(kinds[0])
    if origin is typing.Literal:
        return kinds[0]
    if origin is tuple:
        return [] if kinds[-1] is ... else [_make_example(kind) for kind in kinds]
    if origin is dict:
        return {}
    fields = getattr(annotation, "model_fields", {})
    if fields:
        return {name: _make_example(field.annotation) for name, field in fields.items() if field.is_required()}
    return EXAMPLES.get(annotation)


def list_literals(annotation: Any) -> tuple[str, ...]:
    """The words that a literal type allows, through an optional."""
    if typing.get_origin(annotation) is typing.Literal:
        return typing.get_args(annotation)
    return tuple(word for kind in typing.get_args(annotation) for word in list_literals(kind))
