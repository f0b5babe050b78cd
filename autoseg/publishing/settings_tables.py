"""How exactly was each method configured, and in what do they differ?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autoseg.evaluation.benchmark import Benchmark, MethodResult
from autoseg.publishing.document import (
    Block,
    Cell,
    Code,
    Column,
    Folded,
    Heading,
    Paragraph,
    Points,
    Row,
    Section,
    Table,
)
from autoseg.publishing.numbers import NOTHING, join
from autoseg.serialization import dump_json, dump_yaml, to_plain


def make_settings_section(benchmark: Benchmark) -> Section:
    """What differs, side by side, and everything, folded."""
    configured = [method for method in benchmark.methods if method.configuration]
    blocks: list[Block] = []
    if len(configured) > 1:
        blocks.append(_make_difference_table(configured))
    told = [(method.name, method.differs) for method in configured if method.differs]
    if told:
        blocks.append(Heading("Differences in words"))
        blocks.append(Points(tuple(f"{name}: {'; '.join(_name(differs))}" for name, differs in told)))
    blocks += [Folded(f"{method.name}: every setting", (Code(_write(method)),)) for method in configured]
    unconfigured = [method.name for method in benchmark.methods if not method.configuration]
    if unconfigured:
        blocks.append(Paragraph(f"Without settings of a plan: {join(unconfigured)}.", is_note=True))
    return Section("settings", "Configurations", tuple(blocks))


def _name(differs: Mapping[str, str]) -> list[str]:
    return [f"{key}: {sentence}" for key, sentence in differs.items()]


def _write(method: MethodResult) -> str:
    return dump_yaml(to_plain(method.configuration)).rstrip()


def _make_difference_table(methods: Sequence[MethodResult]) -> Table | Paragraph:
    different = find_differences({method.name: method.configuration for method in methods})
    if not different:
        return Paragraph("Their settings are equal.")
    columns = (Column("setting", is_text=True), *(Column(method.name, is_text=True) for method in methods))
    rows = tuple(Row(Cell(key), tuple(map(Cell, values))) for key, values in different.items())
    note = "Settings that are not listed are equal for all; – where a method does not have the setting."
    return Table("Settings that differ", columns, rows, note)


def find_differences(configurations: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Settings whose values are not the same in all configurations, by dotted key, in their order."""
    flat = [flatten(configuration) for configuration in configurations.values()]
    keys = dict.fromkeys(key for settings in flat for key in settings)
    table = {key: tuple(settings.get(key, NOTHING) for settings in flat) for key in keys}
    return {key: values for key, values in table.items() if len(set(values)) > 1}


def flatten(settings: Mapping[str, Any], start: str = "") -> dict[str, str]:
    """Values by dotted key as JSON; of a decision its value without the reason."""
    flat: dict[str, str] = {}
    for key, value in to_plain(settings).items():
        if isinstance(value, dict) and "value" in value and "reason" in value:
            value = value["value"]
        if isinstance(value, dict) and value:
            flat |= flatten(value, f"{start}{key}.")
        else:
            flat[f"{start}{key}"] = value if isinstance(value, str) else dump_json(value, indent=None)
    return flat
