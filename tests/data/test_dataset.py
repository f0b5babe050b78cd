"""Are cases found by id and listed briefly?"""

from __future__ import annotations

from typing import Any

import pytest

from autoseg.data.dataset import Dataset, name_cases
from autoseg.data.layouts import read_dataset
from autoseg.errors import UsageError


def test_long_lists_end_in_a_count() -> None:
    assert name_cases("abc") == "a, b, c"
    assert name_cases("abcdefgh") == "a, b, c, d, e and 3 more"


def test_cases_are_found_by_id(build: Any) -> None:
    dataset = read_dataset(build.nnunet())
    assert dataset.find_case("t").segmentation is None
    with pytest.raises(UsageError, match="there is no case z"):
        dataset.find_case("z")


def test_a_dataset_survives_its_file(build: Any) -> None:
    dataset = read_dataset(build.plain())
    assert Dataset.model_validate_json(dataset.model_dump_json()) == dataset
