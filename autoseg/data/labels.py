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
    present, inverse = np.unique(stored, return_inverse=True)
    table = {float(value): label for label, value in enumerate(labels.values)}
    if labels.ignore_value is not None:
        table[float(labels.ignore_value)] = IGNORED
    unknown = [float(value) for value in present if float(value) not in table]
    if unknown:
        shown = ", ".join(f"{value:g}" for value in unknown[:8]) + (", ..." if len(unknown) > 8 else "")
        raise DatasetError(
            f"{where}: holds {shown}, but the dataset's labels are {sorted(int(v) for v in table)}. "
            "Declare the value in dataset.json or mend the segmentation."
        )
    codes = np.array([table[float(value)] for value in present], dtype=LABEL_DTYPE)
    return codes[inverse].reshape(stored.shape)


def decode_labels(segmentation: IntArray, labels: Labels) -> IntArray:
    """Turn labels 0..n-1 back into the dataset's own numbers, in the smallest integer type that holds them."""
    values = np.array(labels.values)
    dtype = np.result_type(np.min_scalar_type(int(values.max())), np.min_scalar_type(int(values.min())))
    return values.astype(dtype)[segmentation]
