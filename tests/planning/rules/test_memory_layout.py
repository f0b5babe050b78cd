from __future__ import annotations

import pytest

from autoseg.planning.rules.memory_layout import decide_memory_layout


@pytest.mark.parametrize(
    ("device", "n_dimensions", "layout", "words"),
    [
        ("cpu", 3, "channels_last", "volumes took 0.153 s on two cores, and 0.196 s contiguous"),
        ("cpu", 2, "contiguous", "slices took 0.135 s on two cores, and 0.163 s channels-last"),
        ("cuda", 3, "contiguous", "neither layout was measured"),
        ("mps", 2, "contiguous", "neither layout was measured"),
    ],
)
def test_the_layout_is_what_was_measured(device: str, n_dimensions: int, layout: str, words: str) -> None:
    decision = decide_memory_layout(device=device, n_dimensions=n_dimensions)
    assert decision.value == layout
    assert words in decision.reason
