"""A fair comparison of methods: everything is equal but the method, and what is not is said.

`compare_methods` is loaded when it is first used: every run has a process of its own, which needs little of all this.
"""

from __future__ import annotations

from typing import Any

__all__ = ["compare_methods"]


def __getattr__(name: str) -> Any:
    if name != "compare_methods":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from autoseg.pipeline.benchmarking.comparing import compare_methods

    return compare_methods
