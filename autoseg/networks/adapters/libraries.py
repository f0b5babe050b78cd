"""What does a person read where the library of an adapted network is absent?

The libraries come with extras of autoseg. They are imported when a network is built and not before: one of them takes
seconds to load.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from autoseg.errors import UsageError

WRONG_BUILD = "torchvision::"  # torchvision's compiled part did not load, and its operators are looked for in vain
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


@contextmanager
def explaining_absence(network: str, *, library: str, extra: str) -> Iterator[None]:
    """Around the import of a library: turn its absence into one line.

    Args:
        network: that needs it, as the plan names it.
        library: its name.
        extra: of autoseg, that brings it.

    Raises:
        UsageError: the library, or one that it needs, is not there or does not fit this torch.
    """
    try:
        yield
    except ImportError as problem:
        missing = "" if problem.name is None or problem.name.startswith(library) else f" ({problem.name} is missing)"
        raise UsageError(
            f'Network {network} needs {library}, which is not installed{missing}: pip install "autoseg[{extra}]".'
        ) from None
    except RuntimeError as problem:
        if WRONG_BUILD not in str(problem):
            raise
        raise UsageError(
            f"Network {network} needs a torchvision that was built for torch {torch.__version__}. Install it from "
            f"where torch came from; for a CPU: pip install --force-reinstall --no-deps torchvision --index-url "
            f"{CPU_INDEX}."
        ) from None
