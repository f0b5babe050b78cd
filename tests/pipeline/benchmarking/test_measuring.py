"""Which cases tell what prediction takes?"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from autoseg.pipeline.benchmarking import measuring


@pytest.mark.parametrize("largest", range(7))
def test_the_largest_case_is_always_among_those_that_are_watched(monkeypatch: pytest.MonkeyPatch, largest: int) -> None:
    """Anisotropic, and larger by voxels, not by its first axis."""
    shapes = {f"case{at}": (3, 40, 60) if at == largest else (20, 10, 20) for at in range(7)}
    monkeypatch.setattr(measuring, "open_case", lambda store, case_id: SimpleNamespace(shape=shapes[case_id]))
    watched = measuring.choose_watched(Path(), tuple(shapes))
    assert watched[0] == f"case{largest}"
    assert len(set(watched)) == len(watched) == measuring.N_WATCHED
    assert measuring.choose_watched(Path(), (f"case{largest}",)) == [f"case{largest}"]
