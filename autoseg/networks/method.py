"""What is known of a network as a method: who published it, and how ours differs.

The benchmark's report shows these sentences beside the scores, so that a name never stands for more than was compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from autoseg.planning.plan import Configuration

Builder = Callable[[Configuration, int, int], nn.Module]


@dataclass(frozen=True)
class Method:
    """A network that plans and benchmarks know by name.

    Attributes:
        name: as plans and `--methods` have it.
        builder: from a configuration, the channels of the image and the number of outputs to a network.
        paper: authors, year and where it was published.
        differs: what differs here from the publication, in a sentence; empty where nothing does.
        n_dimensions: of the configurations that it can be built for.
    """

    name: str
    builder: Builder
    paper: str
    differs: str
    n_dimensions: tuple[int, ...] = (2, 3)
