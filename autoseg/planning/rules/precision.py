"""In which precision does training compute?

Source: mixed precision training, Micikevicius et al., arXiv 1710.03740; bfloat16 keeps float32's range and so needs no
scaling of the loss, which float16 does. Weights, their updates, normalisation and the loss stay float32. Nothing that
is measured of a GPU tells whether it multiplies bfloat16 (compute capability 8.0 and above, from Ampere on): for an
older one a person sets `precision: float16`.
"""

from __future__ import annotations

from typing import Literal

from autoseg.decision import Decision, ruled

Precision = Literal["float32", "bfloat16", "float16"]


def decide_precision(*, device: str) -> Decision[Precision]:
    """`bfloat16` (mixed) where tensor cores are, `float32` elsewhere."""
    if device == "cuda":
        return ruled("bfloat16", "mixed with float32, on a GPU: tensor cores multiply it several times faster")
    if device == "mps":
        return ruled("float32", "mixed precision was not tried on this kind of GPU")
    return ruled("float32", "a CPU without instructions for bfloat16 took 25 times as long with it")
