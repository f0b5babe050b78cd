"""Which numbers a segmentation holds, and what they are called.

A network needs labels 0, 1, 2, ... without gaps; files hold whatever their makers liked: 0/255, 0/2/7, floats. `Labels`
records both and the way between them. Voxels without supervision become `IGNORED` and are never foreground.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pydantic

from autoseg.errors import DatasetError
from autoseg.serialization import Record

IGNORED = -1  # the label of voxels without supervision, inside autoseg
LABEL_DTYPE = np.int16
UNKNOWN = -2  # marks numbers that no label has while a segmentation is encoded
LARGEST_TABLE = 1 << 16  # entries; numbers further apart are sorted instead

IntArray = np.ndarray


class Region(Record):
    """A union of labels that is learned as one target, beside others that it may overlap.

    Attributes:
        name: of the region, e.g. `whole_tumour`.
        labels: the labels 1, 2, ... that it consists of.
        paints: the label that its voxels get in a predicted segmentation, unless a later region paints over it.
    """

    name: str
    labels: tuple[int, ...]
    paints: int


class Labels(Record):
    """The labels of a dataset.

    Attributes:
        names: name of label 0, 1, 2, ...; the first is `background`.
        values: the number that stands for each label in the dataset's files.
        ignore_value: the number in the files that means "not annotated", if there is one.
        regions: what is learned instead of labels, where there are any, in the order in which they are painted.
    """

    names: tuple[str, ...]
    values: tuple[int, ...]
    ignore_value: int | None = None
    regions: tuple[Region, ...] = ()

    @pydantic.model_serializer(mode="wrap")
    def _leave_out_no_regions(self, handler: Any) -> Any:
        shown = handler(self)
        if not self.regions:
            shown.pop("regions", None)
        return shown

    @property
    def n_labels(self) -> int:
        """Number of labels, background included."""
        return len(self.names)

    @property
    def n_outputs(self) -> int:
        """The network's output channels: one per region, or one per label, background included."""
        return len(self.regions) or self.n_labels

    @property
    def targets(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """What is learned and scored: name and labels of each region, or of each foreground label."""
        if self.regions:
            return tuple((region.name, region.labels) for region in self.regions)
        return tuple((self.names[label], (label,)) for label in self.foreground)

    @property
    def output_names(self) -> tuple[str, ...]:
        """What each output channel stands for: a region, or a label, background included."""
        return tuple(region.name for region in self.regions) or self.names

    @property
    def foreground(self) -> tuple[int, ...]:
        """Labels 1, 2, ..."""
        return tuple(range(1, self.n_labels))

    def mark_annotated(self, names: Sequence[str] | None) -> tuple[bool, ...]:
        """Which outputs a reference supervises that marks only the labels and regions of these names.

        Args:
            names: as in `Case.annotated`; None for all.

        Returns:
            One for each output, background True. A region is marked by its own name, or by the names of all its
            labels.
        """
        if names is None:
            return (True,) * self.n_outputs
        marked = tuple(
            name in names or {self.names[label] for label in its} <= set(names) for name, its in self.targets
        )
        return marked if self.regions else (True, *marked)

    @property
    def are_as_in_files(self) -> bool:
        """Whether files hold labels 0, 1, 2, ... already."""
        return self.values == tuple(range(self.n_labels))


def find_region_problems(labels: Labels) -> Iterator[str]:
    """What is wrong with regions beside labels that are right; nothing where `declarations` made them."""
    for region in labels.regions:
        outside = [label for label in region.labels if label not in labels.foreground]
        if outside or not region.labels:
            yield (
                f"region {region.name} consists of the labels {list(region.labels)}, but must have at least one, and "
                f"out of 1 to {labels.n_labels - 1} only."
            )
        elif region.paints not in region.labels:
            yield f"region {region.name} paints label {region.paints}, but must paint one of its own: {region.labels}."
    names = [region.name for region in labels.regions]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"two regions are called {name}. Give each its own name."


def encode_labels(stored: IntArray, labels: Labels, *, where: str) -> IntArray:
    """Turn a file's numbers into labels.

    Args:
        stored: array of any shape and numeric dtype as the file holds it.
        labels: the scheme to follow.
        where: file name for the error.

    Returns:
        int16 array of the same shape with labels 0..n-1 and `IGNORED`.

    Raises:
        DatasetError: the file holds numbers that no label has.
    """
    table = {value: label for label, value in enumerate(labels.values)}
    if labels.ignore_value is not None:
        table[labels.ignore_value] = IGNORED
    if _span(stored) <= LARGEST_TABLE:
        return _encode_by_table(stored, table, where)
    present, inverse = np.unique(stored, return_inverse=True)
    _require_known(present, table, where)
    codes = np.array([table[int(value)] for value in present], dtype=LABEL_DTYPE)
    return codes[inverse].reshape(stored.shape)


def _span(stored: IntArray) -> int:
    """How many whole numbers lie between the smallest and the largest value; too many to count for fractions."""
    if not np.issubdtype(stored.dtype, np.integer) or stored.size == 0:
        return LARGEST_TABLE + 1
    return int(stored.max()) - int(stored.min()) + 1


def _encode_by_table(stored: IntArray, table: dict[int, int], where: str) -> IntArray:
    """One look-up per voxel instead of a sort: ten times faster on a large volume."""
    lowest = int(stored.min())
    codes = np.full(_span(stored), UNKNOWN, dtype=LABEL_DTYPE)
    for value, label in table.items():
        if 0 <= value - lowest < codes.size:
            codes[value - lowest] = label
    offsets = np.subtract(stored, lowest, dtype=np.int64) if lowest else stored
    encoded: IntArray = codes[offsets]
    if (encoded == UNKNOWN).any():
        _require_known(np.unique(stored[encoded == UNKNOWN]), table, where)
    return encoded


def _require_known(present: IntArray, table: dict[int, int], where: str) -> None:
    unknown = [float(value) for value in present if float(value) not in table]
    if unknown:
        shown = ", ".join(f"{value:g}" for value in unknown[:8]) + (", ..." if len(unknown) > 8 else "")
        raise DatasetError(
            f"{where}: holds {shown}, but the dataset's labels are {sorted(table)}. "
            "Declare the value in dataset.json or mend the segmentation."
        )


def decode_labels(segmentation: IntArray, labels: Labels) -> IntArray:
    """Turn labels 0..n-1 back into the dataset's own numbers, in the smallest integer type that holds them."""
    values = np.array(labels.values)
    dtype = np.result_type(np.min_scalar_type(int(values.max())), np.min_scalar_type(int(values.min())))
    decoded: IntArray = values.astype(dtype)[segmentation]
    return decoded
