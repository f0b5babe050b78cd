"""Which numbers a segmentation holds, and what they are called.

A network needs labels 0, 1, 2, ... without gaps; files hold whatever their makers liked: 0/255, 0/2/7, floats. `Labels`
records both and the way between them. Voxels without supervision become `IGNORED` and are never foreground.
"""

from __future__ import annotations

import numpy as np

from autoseg.errors import DatasetError
from autoseg.serialization import Record

IGNORED = -1  # the label of voxels without supervision, inside autoseg
LABEL_DTYPE = np.int16
UNKNOWN = -2  # marks numbers that no label has while a segmentation is encoded
LARGEST_TABLE = 1 << 16  # entries; numbers further apart are sorted instead

IntArray = np.ndarray


class Labels(Record):
    """The labels of a dataset.

    Attributes:
        names: name of label 0, 1, 2, ...; the first is `background`.
        values: the number that stands for each label in the dataset's files.
        ignore_value: the number in the files that means "not annotated", if there is one.
    """

    names: tuple[str, ...]
    values: tuple[int, ...]
    ignore_value: int | None = None

    @property
    def n_labels(self) -> int:
        """Number of labels, background included: the network's output channels."""
        return len(self.names)

    @property
    def foreground(self) -> tuple[int, ...]:
        """Labels 1, 2, ..."""
        return tuple(range(1, self.n_labels))

    @property
    def are_as_in_files(self) -> bool:
        """Whether files hold labels 0, 1, 2, ... already."""
        return self.values == tuple(range(self.n_labels))


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
