"""A comparison replaces no other, and nothing that is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoseg.errors import UsageError
from autoseg.pipeline.benchmarking.comparing import compare_methods
from autoseg.pipeline.benchmarking.keeping import read_benchmark, refuse_foreign
from autoseg.pipeline.project import Project
from autoseg.serialization import write_text
from tests.pipeline.conftest import Listener


def test_each_comparison_has_a_folder_of_its_own_and_the_latest_is_easy_to_find(small: Project) -> None:
    home = small.workspace.benchmark
    floors = [compare_methods(small, [name], n_iterations=2) for name in ("mean_shape", "threshold", "mean_shape")]
    kept = [read_benchmark(path) for path in home.glob("comparisons/3d_fullres-*/report.json")]
    assert sorted(one.methods[0].name for one in kept if one is not None) == ["mean_shape", "threshold"]
    assert read_benchmark(home / "report.json") == floors[-1]
    assert all((path / "report.html").is_file() for path in (home, *home.glob("comparisons/*")))
    assert isinstance(small.reporter, Listener)
    assert f"The comparison: {home / 'report.html'}; kept as benchmark/comparisons/" in small.reporter.said[-1]


def test_a_folder_that_a_person_names_says_what_it_loses(small: Project, tmp_path: Path) -> None:
    assert isinstance(small.reporter, Listener)
    for name in ("mean_shape", "threshold"):
        compare_methods(small, [name], n_iterations=2, output=tmp_path / "page")
    (warning,) = [one for one in small.reporter.warned if "replaces an earlier comparison on other terms" in one]
    assert "--methods mean_shape" in warning


@pytest.mark.parametrize("content", ["{}", '{"summary": {}}', "[1", '{"autoseg_benchmark": 1}'])
def test_a_report_of_another_kind_is_not_replaced(small: Project, tmp_path: Path, content: str) -> None:
    write_text(tmp_path / "scores" / "report.json", content)
    with pytest.raises(UsageError, match=r"-o .*: its report.json is not that of a comparison") as told:
        compare_methods(small, ["mean_shape"], n_iterations=2, output=tmp_path / "scores")
    assert "\n" not in str(told.value)
    assert not small.workspace.benchmark.exists()
    refuse_foreign(tmp_path / "elsewhere")
