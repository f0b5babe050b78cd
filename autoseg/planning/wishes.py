"""What did a person ask the planner for? The rules decide the rest."""

from __future__ import annotations

from typing import Any, Literal

import pydantic

from autoseg.serialization import Record


class Wishes(Record):
    """What a person asked the planner for; the rules decide the rest.

    Attributes:
        gpu_memory_gb: memory that training may use, instead of what the device has.
        train_time_s: wall-clock seconds per fold.
        n_epochs: epochs of 250 iterations, instead of a time.
        network: a network's name, `plain`, `residual`, or `auto`.
        size: a published preset of the residual network, which stands for a memory as well.
        rules: `nnunet` obeys the published yardstick alone: no device, no time, no name that nnU-Net does not know.
        augmentation: how much training patches are changed, out of `rules.augmentation.PRESETS`.
    """

    gpu_memory_gb: float | None = None
    train_time_s: float | None = None
    n_epochs: int | None = None
    network: str = "auto"
    size: Literal["m", "l", "xl"] | None = None
    rules: Literal["autoseg", "nnunet"] = "autoseg"
    augmentation: Literal["off", "light", "default", "strong"] = "default"

    @pydantic.model_serializer(mode="wrap")
    def _leave_out_default_augmentation(self, handler: Any) -> Any:
        shown = handler(self)
        if self.augmentation == "default":
            shown.pop("augmentation", None)
        return shown

    @property
    def as_published(self) -> bool:
        return self.rules == "nnunet"
