"""Which trained configurations does a folder of nnU-Net's stand for, understood but not yet written?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autoseg.errors import WorkspaceError
from autoseg.importing.nnunet_checkpoint import FINAL, read_nnunet_checkpoint
from autoseg.importing.nnunet_folder import ModelFolder, find_previous_folder, open_model_folder
from autoseg.importing.nnunet_plans import NnunetDataset, read_nnunet_configuration, read_nnunet_dataset
from autoseg.importing.nnunet_weights import has_all_heads
from autoseg.importing.translating import PREVIOUS, TrainedConfiguration, name_configuration

DEFAULT_TRAINER = "nnUNetTrainer"


@dataclass(frozen=True)
class ImportOptions:
    """What is imported.

    Attributes:
        checkpoint: the file of each fold.
        previous: the model folder that a cascade builds on, where it is not the sibling that nnU-Net names.
        family: `TRAINER__PLANS`, where a dataset's results hold several.
        postprocessing: whether what nnU-Net's cross-validation decided is done to segmentations; its own
            `nnUNetv2_predict` leaves that to a command of its own.
    """

    checkpoint: str = FINAL
    previous: Path | None = None
    family: str | None = None
    postprocessing: bool = False


@dataclass(frozen=True)
class Source:
    """A trained configuration, found and understood, not yet written.

    Attributes:
        folder: where it lies.
        trained: what its files say.
        is_asked_for: whether it is there for its own sake, and not for a cascade alone.
        trainer: name of the class that trained it.
    """

    folder: ModelFolder
    trained: TrainedConfiguration
    is_asked_for: bool
    trainer: str = DEFAULT_TRAINER


def understand_sources(
    models: Sequence[ModelFolder], dataset: NnunetDataset, options: ImportOptions
) -> dict[str, Source]:
    """Every configuration by autoseg's name, and what cascades build on.

    Raises:
        WorkspaceError: two are the same in autoseg's words, one is of another dataset, or what a cascade builds on is
            not there; see `importing.nnunet_checkpoint` for what is wrong with a file.
        PlanError: the plans ask for something that changes the prediction and that autoseg does not do.
    """
    sources: dict[str, Source] = {}
    for model in models:
        source = _open(model, dataset, is_asked_for=True)
        _put(sources, name_configuration(source.trained.configuration), source)
    for source in [one for one in sources.values() if one.trained.configuration.previous]:
        _add_previous(sources, source, dataset, options)
    return sources


def _put(sources: dict[str, Source], name: str, source: Source) -> None:
    known = sources.setdefault(name, source)
    if known.folder.root.resolve() != source.folder.root.resolve():
        raise WorkspaceError(
            f"{known.folder.root} and {source.folder.root} are both a {name} in autoseg's words. Import them one "
            "by one, from their own folders."
        )


def _add_previous(sources: dict[str, Source], cascade: Source, dataset: NnunetDataset, options: ImportOptions) -> None:
    """What a cascade builds on is called `3d_lowres` here, whatever nnU-Net calls it."""
    name = str(cascade.trained.configuration.previous)
    there = next((key for key, one in sources.items() if one.trained.configuration.name == name), None)
    if there is not None and options.previous is None:
        _put(sources, PREVIOUS, sources.pop(there))
        return
    root = find_previous_folder(cascade.folder, name, options.previous)
    source = _open(open_model_folder(root, options.checkpoint), dataset, is_asked_for=False)
    if source.trained.configuration.name != name:
        came = source.trained.configuration.name
        raise WorkspaceError(f"{root}: is a model of {came}, but {cascade.folder.root} builds on {name}.")
    _put(sources, PREVIOUS, source)


def _open(model: ModelFolder, dataset: NnunetDataset, *, is_asked_for: bool) -> Source:
    """What the first fold's checkpoint and the plans beside it say, as nnU-Net's own prediction takes it."""
    own = read_nnunet_dataset(model.root)
    if (own.channels, own.labels) != (dataset.channels, dataset.labels):
        raise WorkspaceError(f"{model.root}: has other channels or labels than the models beside it.")
    checkpoint = read_nnunet_checkpoint(next(iter(model.checkpoints.values())))
    configuration = read_nnunet_configuration(model.root, checkpoint.configuration, n_channels=len(own.channels))
    n_stages = configuration.architecture.topology.n_stages
    trained = TrainedConfiguration(
        configuration, checkpoint.mirroring_axes, has_all_heads(checkpoint.weights, n_stages)
    )
    return Source(model, trained, is_asked_for, checkpoint.trainer)
