"""Which regions does a dataset.json declare? Unions of labels, each with the number that it paints.

    "labels": {"background": 0, "whole_tumour": [1, 2, 3], "tumour_core": [2, 3], "enhancing_tumour": 3, "ignore": 4},
    "regions_class_order": [1, 2, 3]

Source: nnU-Net's documentation of region-based training. Regions are painted in the order of `labels`, each with its
number of `regions_class_order`, so that later ones lie on top. The files hold labels that do not overlap: a region of a
single number gives its label the name, the others are called `label_<number>`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autoseg.data.labels import Labels, Region
from autoseg.errors import DatasetError

ORDER = "regions_class_order"
Numbers = tuple[int, ...]
Named = Mapping[str, Numbers]  # the numbers of each entry of `labels`


def are_regions(named: Named) -> bool:
    """Whether any entry of `labels`, the background and the ignore label aside, has several numbers."""
    return any(len(numbers) != 1 for numbers in named.values())


def make_labels(named: Named, declared: Mapping[str, Any], ignore_value: int | None, where: Path) -> Labels:
    """Labels with regions.

    Args:
        named: numbers of each region, in painting order, without background and ignore label.
        declared: the whole dataset.json.
        ignore_value: the number of the ignore label.
        where: the file, for errors.

    Raises:
        DatasetError: a region is empty, twice there or holds the background; `regions_class_order` is missing or wrong.
    """
    _require_regions(named, ignore_value, where)
    values = (0, *sorted({number for numbers in named.values() for number in numbers}))
    names = {numbers[0]: name for name, numbers in named.items() if len(numbers) == 1}
    label_names = ("background", *(names.get(value, f"label_{value}") for value in values[1:]))
    _require_free_names(named, values, label_names, where)
    regions = tuple(
        Region(name=name, labels=tuple(sorted(map(values.index, numbers))), paints=values.index(paints))
        for (name, numbers), paints in zip(named.items(), _parse_order(named, declared, where), strict=True)
    )
    return Labels(names=label_names, values=values, ignore_value=ignore_value, regions=regions)


def describe_regions(labels: Labels) -> str:
    """`whole (1, 2, painted 1), core (2, painted 2)`, by the numbers in the files."""
    return ", ".join(
        f"{region.name} ({', '.join(str(labels.values[label]) for label in region.labels)}, "
        f"painted {labels.values[region.paints]})"
        for region in labels.regions
    )


def _require_regions(named: Named, ignore_value: int | None, where: Path) -> None:
    seen: dict[frozenset[int], str] = {}
    for name, numbers in named.items():
        if not numbers:
            raise DatasetError(f"{where}: region {name} has no label. Give it at least one number.")
        if 0 in numbers or ignore_value in numbers:
            raise DatasetError(
                f"{where}: region {name} is {list(numbers)}, but background and ignore label belong to no region. "
                "Leave them out of it."
            )
        if twin := seen.get(frozenset(numbers)):
            raise DatasetError(f"{where}: regions {twin} and {name} consist of the same labels. Keep one of them.")
        seen[frozenset(numbers)] = name


def _require_free_names(named: Named, values: Numbers, label_names: tuple[str, ...], where: Path) -> None:
    for value, name in zip(values[1:], label_names[1:], strict=True):
        if named.get(name, (value,)) != (value,):
            raise DatasetError(
                f"{where}: region {name} is called as label {value} would be, which it is not. Rename the region."
            )


def _parse_order(named: Named, declared: Mapping[str, Any], where: Path) -> list[int]:
    """The number that each region paints."""
    order, example = declared.get(ORDER), [numbers[0] for numbers in named.values()]
    if order is None:
        raise DatasetError(
            f"{where}: labels are regions, but nothing says how they are painted. Add the number of each region "
            f'({", ".join(named)}), those on top last, e.g. "{ORDER}": {example}.'
        )
    if not isinstance(order, list) or not all(isinstance(n, int) and not isinstance(n, bool) for n in order):
        raise DatasetError(f"{where}: {ORDER} must be a list of whole numbers like {example}, but is {order!r}.")
    if len(order) != len(named):
        raise DatasetError(
            f"{where}: {ORDER} must hold one number for each of the {len(named)} regions ({', '.join(named)}), "
            f"but is {order}."
        )
    for (name, numbers), painted in zip(named.items(), order, strict=True):
        if painted not in numbers:
            raise DatasetError(
                f"{where}: {ORDER} paints region {name} with {painted}, which is no label of it. "
                f"Choose out of {list(numbers)}."
            )
    return list(order)
