"""The networks of one configuration, loaded once, predicting many cases.

Source: Isensee et al. 2021: windows at half-patch steps, Gaussian importance, all mirrorings and all folds averaged as
logits on the network grid. A cascade's predictor holds the predictor whose segmentation its networks see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import nn

from autoseg.data.labels import IGNORED
from autoseg.errors import UsageError, WorkspaceError
from autoseg.networks.build import place_network
from autoseg.networks.checkpoint import Checkpoint, load_network, read_checkpoint
from autoseg.planning.plan import Configuration, Plan
from autoseg.prediction.memory.budget import Resources
from autoseg.prediction.options import PredictionOptions
from autoseg.prediction.restoring.restore import Member, restore, segment_on_grid
from autoseg.prediction.windows.sliding_window import Logits, choose_windows_per_batch, predict_logits
from autoseg.preprocessing.preprocess import Axes3, Placement, Prepared, Spacing3, choose_separate_axes
from autoseg.preprocessing.resampling import resample_labels

OnProgress = Callable[[int, int], None]
Grid = tuple[str, str]


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

    @cached_property
    def grid(self) -> Grid:
        """Names the network grid: predictors with one name see the same prepared images."""
        return self.configuration, self.plan.preprocessing_digest(self.configuration)

    def predict(
        self,
        image: np.ndarray,
        placement: Placement,
        *,
        previous: np.ndarray | None = None,
        resources: Resources | None = None,
        count_agreement: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Member:
        """Predict a preprocessed image.

        Args:
            image: float32 (C, *axes in axis order) on the network grid.
            placement: where it lies in the original grid.
            previous: integer (*axes in axis order) on the network grid: the previous segmentation of a cascade.
            resources: what may be held; the result does not depend on it.
            count_agreement: whether the folds' segmentations are compared.
            on_progress: called with (windows done, windows in all).

        Returns:
            Mean logits over folds and mirrorings on the network grid, ready to be restored.

        Raises:
            UsageError: a cascade is given no previous segmentation.
        """
        said = self.compute_logits(
            image,
            previous=previous,
            resources=resources,
            count_agreement=count_agreement,
            on_progress=on_progress,
        )
        return self.make_member(said, placement)

    def compute_logits(
        self,
        image: np.ndarray,
        *,
        previous: np.ndarray | None = None,
        resources: Resources | None = None,
        count_agreement: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Logits:
        """What the networks say about a preprocessed image; arguments and errors as for `predict`."""
        settings, labels, resources = self.settings, self.plan.labels, resources or Resources()
        if settings.cascade is not None and previous is None:
            before = settings.cascade.previous.value
            raise UsageError(f"{self.configuration} sees the segmentation of {before} beside the image; give it one.")
        return predict_logits(
            self.networks,
            image,
            patch_size=settings.patch_size.value,
            n_outputs=labels.n_outputs,
            previous=previous,
            n_labels=labels.n_labels,
            options=self.options,
            mirroring_axes=settings.mirroring_axes.value,
            regions=bool(labels.regions),
            device=self.device,
            windows_per_batch=self._count_windows(resources),
            sums=resources.sums,
            folder=resources.folder,
            count_agreement=count_agreement,
            on_progress=on_progress,
        )

    def _count_windows(self, resources: Resources) -> int:
        """Seen at once: resources serve all passes over a case, each of which has a patch of its own."""
        most = choose_windows_per_batch(self.settings.patch_size.value, self.device)
        return min(resources.windows_per_batch or most, most)

    def make_member(self, said: Logits, placement: Placement) -> Member:
        """Logits with all that leads to the original grid."""
        methods = self.settings.resampling.value
        return Member(said.values, placement, methods, self.plan.labels.regions, agreement=said.agreement)

    def predict_original(self, image: np.ndarray, spacing_mm: Spacing3) -> Member:
        """Predict an image (C, Z, Y, X) as it was read, spacing in mm (z, y, x); a cascade's first pass, too."""
        from autoseg.prediction.passes import predict_case, prepare_case  # which knows how passes follow each other

        return predict_case([self], prepare_case([self], image, spacing_mm)).members[0]


def segment_for_cascade(
    member: Member, spacing_mm: Spacing3, settings: Configuration, shape: Axes3, resources: Resources | None = None
) -> np.ndarray:
    """The previous segmentation that a cascade sees: logits of the pass before, brought onto its network grid.

    Args:
        member: what the pass before says.
        spacing_mm: of its network grid, in axis order; where it is more than 3x anisotropic, its coarsest axis is
            resampled apart.
        settings: the cascade's configuration.
        shape: voxels of the cascade's network grid, in axis order.
        resources: what may be held.

    Returns:
        int16 of `shape`.
    """
    axis, _ = choose_separate_axes(spacing_mm, settings.spacing_mm.value, settings.resampling.value)
    return segment_on_grid(member, shape, separate_axis=axis, slab_bytes=(resources or Resources()).slab_bytes)


def segment_through_original(
    member: Member, settings: Configuration, case: Prepared, resources: Resources | None = None
) -> np.ndarray:
    """The previous segmentation, decided on the original grid and then resampled: what nnU-Net's cascades see.

    As there, background outside of the non-zero mask is resampled as a label of its own, and of equal weights the
    nearest voxel's label wins.

    Args:
        member: what the pass before says.
        settings: the cascade's configuration.
        case: on the cascade's network grid.
        resources: what may be held.

    Returns:
        int16 of the case's network shape.
    """
    methods, placement = settings.resampling.value, case.placement
    original = restore([member], slab_bytes=(resources or Resources()).slab_bytes).segmentation
    decided = np.ascontiguousarray(original[placement.slices].transpose(placement.axis_order))
    decided[(decided == 0) & case.find_outside()] = IGNORED
    resampled = resample_labels(
        decided,
        placement.network_shape,
        methods.segmentation_order,
        separate_axis=placement.separate_axis,
        separate_order=methods.separate_order,
        vote="nearest",
    )
    np.copyto(resampled, 0, where=resampled == IGNORED)
    return resampled


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
