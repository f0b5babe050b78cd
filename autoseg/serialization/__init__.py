"""How values become files and files become values: the one room that knows YAML, JSON and pydantic."""

from autoseg.serialization.checking import (
    Problem,
    find_schema_problems,
    parse_record,
)
from autoseg.serialization.files import (
    dump_json,
    parse_json,
    read_json,
    read_json_lines,
    read_text,
    replacing,
    write_json,
    write_text,
)
from autoseg.serialization.records import (
    R,
    Record,
    digest,
    digest_file,
    to_plain,
)
from autoseg.serialization.suggesting import did_you_mean
from autoseg.serialization.yaml_text import (
    Lines,
    Located,
    Place,
    dump_yaml,
    find_line,
    locate_yaml,
    parse_located_yaml,
    parse_yaml,
    read_yaml,
    tell_where,
    write_yaml,
)

__all__ = [
    "Lines",
    "Located",
    "Place",
    "Problem",
    "R",
    "Record",
    "did_you_mean",
    "digest",
    "digest_file",
    "dump_json",
    "dump_yaml",
    "find_line",
    "find_schema_problems",
    "locate_yaml",
    "parse_json",
    "parse_located_yaml",
    "parse_record",
    "parse_yaml",
    "read_json",
    "read_json_lines",
    "read_text",
    "read_yaml",
    "replacing",
    "tell_where",
    "to_plain",
    "write_json",
    "write_text",
    "write_yaml",
]
