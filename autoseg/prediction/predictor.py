"""The networks of one configuration, loaded once, predicting many cases.

Source: Isensee et al. 2021: windows at half-patch steps, Gaussian importance, all mirrorings and all folds averaged as
logits on the network grid. A cascade's predictor holds the predictor whose segmentation its networks see.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from autoseg.data.geometry import Geometry
from autoseg.errors import UsageError, WorkspaceError
from autoseg.networks.build import place_network
from autoseg.networks.checkpoint import Checkpoint, load_network, read_checkpoint
from autoseg.planning.plan import Configuration, Plan
from autoseg.prediction.options import PredictionOptions
from autoseg.prediction.restoring import SLAB_BYTES, Member, segment_on_grid
from autoseg.prediction.sliding_window import predict_logits
from autoseg.preprocessing.preprocess import (
    Aligned,
    Axes3,
    Placement,
    Spacing3,
    align,
    choose_separate_axis,
    compute_network_shape,
    compute_network_spacing,
    prepare,
)

BYTES_PER_VALUE = 4  # float32
BYTES_PER_LABEL = 2  # int16


@dataclass(frozen=True)
class ConfigurationPredictor:
    """One configuration's networks, in evaluation mode on a device.

    Attributes:
        plan, configuration: what the networks obey.
        networks: one per fold.
        device: where they are.
        options: how thorough a prediction is.
        previous: of a cascade, the predictor that segments new images for it; None where all images are stored cases,
            whose previous segmentations lie beside them.
    """

    plan: Plan
    configuration: str
    networks: tuple[nn.Module, ...]
    device: torch.device
    options: PredictionOptions = field(default_factory=PredictionOptions)
    previous: ConfigurationPredictor | None = None

    @property
    def settings(self) -> Configuration:
        return self.plan.find_configuration(self.configuration)

    @property
    def description(self) -> str:
        """Which networks predict, in words: `3d_lowres (5 folds), then 3d_cascade (5 folds)`."""
        own = f"{self.configuration} ({len(self.networks)} folds)"
        return own if self.previous is None else f"{self.previous.description}, then {own}"

    def estimate_bytes(self, geometry: Geometry) -> int:
        """Peak memory of predicting an image beside the networks: the image, logits and their sum, and a block.

        Images are taken as they are, not cropped, so that the estimate is an upper one.
        """
        order = self.plan.axis_order.value
        first, second, third = (geometry.shape[axis] for axis in order)
        spacing = (geometry.spacing[order[0]], geometry.spacing[order[1]], geometry.spacing[order[2]])
        grid = compute_network_shape((first, second, third), spacing, self.settings.spacing_mm.value)
        n_values = len(self.plan.channels) * 3 + self.plan.labels.n_outputs * 2
        original = len(self.plan.channels) * 3 + 1
        n_original = first * second * third
        own = BYTES_PER_VALUE * (n_values * math.prod(grid) + original * n_original) + SLAB_BYTES
        if self.previous is None:
            return own
        return max(own, self.previous.estimate_bytes(geometry)) + BYTES_PER_LABEL * math.prod(grid)

    def predict(
        self,
        image: np.ndarray,
        placement: Placement,
        *,
        previous: np.ndarray | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Member:
        """Predict a preprocessed image.

        Args:
            image: float32 (C, *axes in axis order) on the network grid.
            placement: where it lies in the original grid.
            previous: integer (*axes in axis order) on the network grid: the previous segmentation of a cascade.

        Returns:
            Mean logits over folds and mirrorings on the network grid, ready to be restored.

        Raises:
            UsageError: a cascade is given no previous segmentation.
        """
        settings = self.settings
        if settings.cascade is not None and previous is None:
            before = settings.cascade.previous.value
            raise UsageError(f"{self.configuration} sees the segmentation of {before} beside the image; give it one.")
        logits = predict_logits(
            self.networks,
            image,
            patch_size=settings.patch_size.value,
            n_outputs=self.plan.labels.n_outputs,
            previous=previous,
            n_labels=self.plan.labels.n_labels,
            step=self.options.step,
            mirroring_axes=settings.mirroring_axes.value if self.options.mirroring == "all" else (),
            device=self.device,
            on_progress=on_progress,
        )
        return Member(logits, placement, settings.resampling.value, self.plan.labels.regions)

    def predict_original(
        self,
        image: np.ndarray,
        spacing_mm: tuple[float, float, float],
        *,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Member:
        """Predict an image (C, Z, Y, X) as it was read, with its spacing (z, y, x) in mm."""
        return self.predict_aligned(align(image, None, spacing_mm, self.plan), on_progress=on_progress)

    def predict_aligned(self, aligned: Aligned, *, on_progress: Callable[[int, int], None] | None = None) -> Member:
        """Predict an image that is cropped, in axis order and normalised; a cascade's previous pass comes first."""
        before = self._segment_before(aligned, on_progress)
        prepared = prepare(aligned, self.settings)
        return self.predict(prepared.image, prepared.placement, previous=before, on_progress=on_progress)

    def _segment_before(self, aligned: Aligned, on_progress: Callable[[int, int], None] | None) -> np.ndarray | None:
        if self.previous is None:
            return None
        member = self.previous.predict_aligned(aligned, on_progress=on_progress)
        spacing_mm = compute_network_spacing(aligned.spacing_mm, self.previous.settings.spacing_mm.value)
        cropped, target_mm = aligned.placement.cropped_shape, self.settings.spacing_mm.value
        shape = compute_network_shape(cropped, aligned.spacing_mm, target_mm)
        return segment_for_cascade(member, spacing_mm, self.settings, shape)


def segment_for_cascade(member: Member, spacing_mm: Spacing3, settings: Configuration, shape: Axes3) -> np.ndarray:
    """The previous segmentation that a cascade sees: logits of the pass before, brought onto its network grid.

    Args:
        member: what the pass before says.
        spacing_mm: of its network grid, in axis order; where it is more than 3x anisotropic, its coarsest axis is
            resampled apart.
        settings: the cascade's configuration.
        shape: voxels of the cascade's network grid, in axis order.

    Returns:
        int16 of `shape`.
    """
    axis = choose_separate_axis(spacing_mm, settings.resampling.value.separate_axis)
    return segment_on_grid(member, shape, separate_axis=axis)


def load_predictor(
    paths: Sequence[Path], *, device: torch.device, options: PredictionOptions | None = None
) -> ConfigurationPredictor:
    """Load the checkpoints of one configuration's folds; a cascade still lacks the predictor before it.

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
    return ConfigurationPredictor(first.plan, first.configuration, networks, device, options or PredictionOptions())


def put_before(previous: ConfigurationPredictor, predictor: ConfigurationPredictor) -> ConfigurationPredictor:
    """The cascade's predictor with the predictor whose segmentation it sees.

    Raises:
        WorkspaceError: they were not trained under one plan.
    """
    name = previous.configuration
    if previous.plan.training_digest(name) != predictor.plan.training_digest(name):
        raise WorkspaceError(
            f"{predictor.configuration} was trained on segmentations of {name}, but {name} was trained under another "
            f"plan since. Train {predictor.configuration} anew with --restart."
        )
    return replace(predictor, previous=previous)


def _trained_as(checkpoint: Checkpoint) -> tuple[str, str]:
    name = checkpoint.configuration
    return name, checkpoint.plan.training_digest(name)
