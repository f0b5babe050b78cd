"""Pages that several tests look at, written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoseg.evaluation.benchmark import Benchmark
from autoseg.publishing import write_page
from tests.publishing.made_up import make_benchmark, make_overlays


@pytest.fixture(scope="session")
def benchmark() -> Benchmark:
    return make_benchmark()


@pytest.fixture(scope="session")
def holed() -> Benchmark:
    """As real ones are: rightly empty labels, and a case that vnet left out."""
    return make_benchmark(n_holes=4, n_missing=1)


@pytest.fixture(scope="session")
def folder(holed: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a page with everything: two labels in 3D, with overlays of two methods."""
    folder = tmp_path_factory.mktemp("page")
    write_page(holed, folder, overlays=make_overlays(holed)[:6], label_names=("background", "front", "back"))
    return folder
