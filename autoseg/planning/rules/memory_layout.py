"""How do feature maps lie in memory?

With the channels of a voxel side by side (channels-last), or each channel as a volume of its own (contiguous). The
result is the same but for rounding; the kernels are others. Source: measured on two cores (benchmarks/LOG.md).
"""

from __future__ import annotations

from typing import Literal

from autoseg.decision import Decision, ruled

MemoryLayout = Literal["auto", "channels_last", "contiguous"]

# Seconds of one training iteration of width 8, on 2 cores with AVX2 (benchmarks/LOG.md, "How fast a machine trains").
VOLUMES_S = {"channels_last": 0.153, "contiguous": 0.196}
SLICES_S = {"channels_last": 0.163, "contiguous": 0.135}


def decide_memory_layout(*, device: str, n_dimensions: int) -> Decision[MemoryLayout]:
    """The layout that was fastest on this kind of device, in so many dimensions."""
    if device != "cpu":
        return ruled("contiguous", "torch's usual one: on a GPU neither layout was measured")
    measured: dict[MemoryLayout, float] = VOLUMES_S if n_dimensions == 3 else SLICES_S  # type: ignore[assignment]
    what = "volumes" if n_dimensions == 3 else "slices"
    best, other = sorted(measured, key=lambda layout: measured[layout])
    reason = f"an iteration on {what} took {measured[best]:g} s on two cores, and {measured[other]:g} s {_name(other)}"
    return ruled(best, reason)


def _name(layout: MemoryLayout) -> str:
    return layout.replace("_", "-")
