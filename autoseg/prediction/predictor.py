"""The networks of one configuration, loaded once, predicting many cases.

Source: Isensee et al. 2021: windows at half-patch steps, Gaussian importance, all mirrorings and all folds averaged as
logits on the network grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from autoseg.data.geometry import Geometry
from autoseg.errors import WorkspaceError
from autoseg.networks.build import place_network
from autoseg.networks.checkpoint import Checkpoint, load_network, read_checkpoint
from autoseg.planning.plan import Configuration, Plan
from autoseg.prediction.restoring import SLAB_BYTES, Member
from autoseg.prediction.sliding_window import STEP, predict_logits
from autoseg.preprocessing.preprocess import Placement, align, compute_network_shape, prepare

BYTES_PER_VALUE = 4  # float32


@dataclass(frozen=True)
class PredictionOptions:
    """How thorough a prediction is.

    Attributes:
        step: window step as a share of the patch.
        mirroring: whether predictions of all mirror images are averaged.
    """

    step: float = STEP
    mirroring: bool = True


@dataclass(frozen=True)
class Predictor:
    """One configuration's networks, in evaluation mode on a device.

    Attributes:
        plan, configuration: what the networks obey.
        networks: one per fold.
        device: where they are.
        options: how thorough a prediction is.
    """

    plan: Plan
    configuration: str
    networks: tuple[nn.Module, ...]
    device: torch.device
    options: PredictionOptions = field(default_factory=PredictionOptions)

    @property
    def settings(self) -> Configuration:
        return self.plan.find_configuration(self.configuration)

    def estimate_bytes(self, geometry: Geometry) -> int:
        """Peak memory of predicting an image beside the networks: the image, logits and their sum, and a block.

        Images are taken as they are, not cropped, so that the estimate is an upper one.
        """
        order = self.plan.axis_order.value
        first, second, third = (geometry.shape[axis] for axis in order)
        spacing = (geometry.spacing[order[0]], geometry.spacing[order[1]], geometry.spacing[order[2]])
        grid = compute_network_shape((first, second, third), spacing, self.settings.spacing_mm.value)
        n_values = len(self.plan.channels) * 3 + self.plan.labels.n_labels * 2
        original = len(self.plan.channels) * 3 + 1
        n_original = first * second * third
        return BYTES_PER_VALUE * (n_values * math.prod(grid) + original * n_original) + SLAB_BYTES

    def predict(
        self, image: np.ndarray, placement: Placement, *, on_progress: Callable[[int, int], None] | None = None
    ) -> Member:
        """Predict a preprocessed image.

        Args:
            image: float32 (C, *axes in axis order) on the network grid.
            placement: where it lies in the original grid.

        Returns:
            Mean logits over folds and mirrorings on the network grid, ready to be restored.
        """
        settings = self.settings
        logits = predict_logits(
            self.networks,
            image,
            patch_size=settings.patch_size.value,
            n_labels=self.plan.labels.n_labels,
            step=self.options.step,
            mirroring_axes=settings.mirroring_axes.value if self.options.mirroring else (),
            device=self.device,
            on_progress=on_progress,
        )
        return Member(logits, placement, settings.resampling.value)

    def predict_original(
        self,
        image: np.ndarray,
        spacing_mm: tuple[float, float, float],
        *,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Member:
        """Predict an image (C, Z, Y, X) as it was read, with its spacing (z, y, x) in mm."""
        prepared = prepare(align(image, None, spacing_mm, self.plan), self.settings)
        return self.predict(prepared.image, prepared.placement, on_progress=on_progress)


def load_predictor(
    paths: Sequence[Path], *, device: torch.device, options: PredictionOptions | None = None
) -> Predictor:
    """Load the checkpoints of one configuration's folds.

    Raises:
        WorkspaceError: a checkpoint is missing or damaged, or they were not trained under one plan.
    """
    checkpoints = [read_checkpoint(path) for path in paths]
    first = checkpoints[0]
    for path, other in zip(paths, checkpoints, strict=True):
        if _trained_as(other) != _trained_as(first):
            raise WorkspaceError(
                f"{path}: was trained under another plan than {paths[0]}. Train it anew with --restart."
            )
    networks = tuple(place_network(load_network(checkpoint), device) for checkpoint in checkpoints)
    return Predictor(first.plan, first.configuration, networks, device, options or PredictionOptions())


def _trained_as(checkpoint: Checkpoint) -> tuple[str, str]:
    name = checkpoint.configuration
    return name, checkpoint.plan.training_digest(name)
