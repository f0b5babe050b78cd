"""What is to be done for one fold: everything that a person can ask for beside the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autoseg.data.splits import Fold, Split
from autoseg.pipeline.watching import Tracking
from autoseg.planning.choices import Length
from autoseg.planning.plan import Configuration, Plan
from autoseg.workspace import Run


@dataclass(frozen=True)
class FoldOrder:
    """One fold to train.

    Attributes:
        plan, configuration, fold, split: what to train, on which cases.
        store: the preprocessed cases of the configuration.
        run: where it is written.
        length: how long.
        extra: what to add to a training that is finished.
        device: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.
        n_workers: processes that make batches.
        restart: move an earlier run aside instead of continuing it.
        seed: of weights and batches.
        pretrained: a file of weights to begin with.
        tracking: where else the training is written down.
        previous: of a cascade, the previous segmentation of each case, by case id (`cascading.ensure_previous`).
    """

    plan: Plan
    configuration: str
    fold: Fold
    split: Split
    store: Path
    run: Run
    length: Length
    extra: Length | None = None
    device: str = "auto"
    n_workers: int = 1
    restart: bool = False
    seed: int = 0
    pretrained: Path | None = None
    tracking: Tracking = field(default_factory=Tracking)
    previous: Mapping[str, Path] = field(default_factory=dict)

    @property
    def settings(self) -> Configuration:
        return self.plan.find_configuration(self.configuration)

    @property
    def what(self) -> str:
        """The fold in words."""
        return f"{self.configuration}, fold {self.fold}"
