"""`--memory 4GB`: an amount of memory as a person writes it."""

from __future__ import annotations

import re

from autoseg.errors import UsageError

UNITS = {"": 1e9, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
UNITS |= {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


def parse_bytes(text: str | None) -> float | None:
    """Bytes of `4GB`, `2GiB`, `500MB` or `1.5`, which is GB; None for nothing and for `auto`.

    Raises:
        UsageError: the text is no amount of memory.
    """
    if text is None or text.strip().lower() == "auto":
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Z]*)", text.strip().upper())
    if match is None or match[2] not in UNITS or not float(match[1]):
        raise UsageError(f"--memory {text}: expected an amount of memory, for example 4GB, 2GiB or 500MB.")
    return float(match[1]) * UNITS[match[2]]
