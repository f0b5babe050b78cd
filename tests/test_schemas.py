"""A JSON Schema allows what autoseg reads, by the judgement of another library."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from autoseg.data.dataset_schema import DATASET_SCHEMA
from autoseg.decision import Decision, ruled
from autoseg.schemas import describe_record, list_literals, make_stand_in, read_docstring
from autoseg.serialization import Record, find_schema_problems, to_plain


class Part(Record):
    """A part of the whole.

    Attributes:
        spacing_mm: per axis,
            in mm.
        low, high: of the range.
    """

    spacing_mm: tuple[float, float, float]
    low: int = 0
    high: int = 1


class Whole(Record):
    """The whole."""

    part: Decision[Part]
    sizes: dict[str, Decision[tuple[int, ...]]]
    note: str | None = None


WHOLE = Whole(part=ruled(Part(spacing_mm=(3, 1, 1)), "measured", n=3), sizes={"2d": ruled((8, 16), "they fit")})
SCHEMA = describe_record(Whole)


def judge(schema: dict[str, Any], value: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(schema).is_valid(value))


def test_a_schema_is_one_of_its_dialect() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator.check_schema(DATASET_SCHEMA)


def test_a_decision_is_a_block_or_a_bare_value() -> None:
    assert judge(SCHEMA, to_plain(WHOLE))
    assert judge(SCHEMA, {"part": {"spacing_mm": [3, 1, 1]}, "sizes": {"2d": [8]}})


@pytest.mark.parametrize(
    "value",
    [
        {"part": {"spacing_mm": [3, 1]}, "sizes": {}},
        {"part": {"spacing_mm": [3, 1, 1], "lo": 2}, "sizes": {}},
        {"part": {"value": {"spacing_mm": [3, 1, 1]}}, "sizes": {}},
        {"part": {"spacing_mm": [3, 1, 1]}, "sizes": {"2d": ["a"]}},
        {"sizes": {}},
    ],
)
def test_what_the_record_refuses_the_schema_refuses(value: Any) -> None:
    assert not judge(SCHEMA, value)
    assert find_schema_problems(Whole, value)


def test_descriptions_come_out_of_docstrings() -> None:
    part = SCHEMA["$defs"]["Part"]
    assert part["description"] == "A part of the whole."
    assert part["properties"]["spacing_mm"]["description"] == "per axis, in mm."
    assert part["properties"]["low"]["description"] == part["properties"]["high"]["description"] == "of the range."
    assert read_docstring(Whole) == ("The whole.", {})


@pytest.mark.parametrize(
    "place", [("part",), ("part", "spacing_mm"), ("sizes", "2d"), ("sizes", "2d", 0), ("note",), ("unknown",)]
)
def test_a_stand_in_fits_where_something_did_not(place: tuple[str | int, ...]) -> None:
    plain: Any = {"part": {"spacing_mm": [3, 1, 1]}, "sizes": {"2d": [8]}}
    room = plain
    for step in place[:-1]:
        room = room[step]
    room[place[-1]] = object()
    assert find_schema_problems(Whole, plain)
    make_stand_in(Whole, plain, place)
    assert find_schema_problems(Whole, plain) == ()


def test_a_stand_in_for_what_is_nowhere_changes_nothing() -> None:
    plain: dict[str, Any] = {"part": 3}
    make_stand_in(Whole, plain, ("part", "spacing_mm", 0))
    assert plain == {"part": 3}


def test_the_words_of_a_literal_are_listed_through_an_optional() -> None:
    from autoseg.planning.wishes import Wishes

    assert list_literals(Wishes.model_fields["size"].annotation) == ("m", "l", "xl")


@pytest.mark.parametrize(
    ("declared", "is_valid"),
    [
        ({"channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 1}}, True),
        ({"modality": ["CT", "PET"], "labels": {"0": "background", "1": "liver"}, "training": []}, True),
        ({"channel_names": {"0": "CT"}, "labels": {"background": "0", "ignore": 255, "x": 7}, "numTraining": 3}, True),
        ({"labels": {"background": 0, "liver": 1}}, False),
        ({"channel_names": {"CT": "0"}, "labels": {"background": 0, "liver": 1}}, False),
        ({"channel_names": {"0": "CT"}, "labels": {"background": 0}}, False),
        ({"channel_names": {"0": "CT"}, "labels": {"background": 0, "whole": [1, 2]}}, False),
        (
            {
                "channel_names": {"0": "CT"},
                "labels": {"background": 0, "whole": [1, 2], "core": 2, "ignore": 3},
                "regions_class_order": [1, 2],
                "annotated_labels": {"a": ["core"]},
            },
            True,
        ),
        ({"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1}, "annotated_labels": {"a": "a"}}, False),
        ({"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1}, "dataset": {"c": {"label": "x"}}}, False),
    ],
)
def test_a_dataset_file_is_judged_as_it_is_read(declared: dict[str, Any], is_valid: bool) -> None:
    assert judge(DATASET_SCHEMA, declared) == is_valid
