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
def folder(benchmark: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a page with everything: two labels in 3D, with overlays of two methods."""
    folder = tmp_path_factory.mktemp("page")
    write_page(benchmark, folder, overlays=make_overlays(benchmark)[:6], label_names=("background", "front", "back"))
    return folder
