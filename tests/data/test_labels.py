"""Do files' numbers become labels and back, whatever numbers they are?"""

from __future__ import annotations

import numpy as np
import pytest

from autoseg.data.labels import IGNORED, Labels, decode_labels, encode_labels
from autoseg.errors import DatasetError

SHAPE = (3, 5, 7)


def draw(values: list[int], dtype: str) -> np.ndarray:
    return np.random.default_rng(0).choice(np.array(values, dtype=dtype), size=SHAPE)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "uint64", "float32"])
def test_decoding_undoes_encoding(dtype: str) -> None:
    labels = Labels(names=("background", "a", "b"), values=(0, 7, 255 if dtype == "uint8" else 300))
    stored = draw(list(labels.values), dtype)
    encoded = encode_labels(stored, labels, where="a.nii")
    assert encoded.dtype == np.int16
    assert set(np.unique(encoded)) == {0, 1, 2}
    np.testing.assert_array_equal(decode_labels(encoded, labels), stored)


@pytest.mark.parametrize("far", [5, 2_000_000])
def test_numbers_near_and_far_are_mapped_alike(far: int) -> None:
    labels = Labels(names=("background", "a", "b"), values=(0, -3, far), ignore_value=2)
    stored = draw([0, -3, far, 2], "int32")
    encoded = encode_labels(stored, labels, where="a.nii")
    for value, label in ((0, 0), (-3, 1), (far, 2), (2, IGNORED)):
        np.testing.assert_array_equal(encoded == label, stored == value)


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_undeclared_numbers_are_named(dtype: str) -> None:
    labels = Labels(names=("background", "a"), values=(0, 1))
    with pytest.raises(DatasetError, match=r"a\.nii: holds -1, 4, but the dataset's labels are \[0, 1\]"):
        encode_labels(draw([-1, 0, 1, 4], dtype), labels, where="a.nii")


def test_nothing_encodes_to_nothing() -> None:
    labels = Labels(names=("background", "a"), values=(0, 1))
    assert encode_labels(np.zeros((0, 5, 7), dtype=np.uint8), labels, where="").shape == (0, 5, 7)
