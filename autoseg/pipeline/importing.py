"""From a folder of nnU-Net v2's results to a workspace that predicts what nnU-Net predicts.

The workspace holds what a trained one holds: dataset.json, plan.yaml, the fingerprint if nnU-Net's is there, a
checkpoint per fold and selection.yaml. It is written under a temporary name and renamed: it is there wholly or not at
all. nnU-Net's files are only read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autoseg.data.dataset import Dataset
from autoseg.data.splits import ALL, Fold
from autoseg.decision import Decision, found
from autoseg.errors import AutosegError, WorkspaceError
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.fingerprinting.fingerprint_file import read_fingerprint
from autoseg.importing.nnunet_checkpoint import FINAL, NnunetCheckpoint, read_nnunet_checkpoint
from autoseg.importing.nnunet_folder import ModelFolder, find_model_folders, find_previous_folder, open_model_folder
from autoseg.importing.nnunet_plans import (
    NnunetDataset,
    read_nnunet_configuration,
    read_nnunet_dataset,
)
from autoseg.importing.nnunet_selection import Best, find_postprocessing, read_best
from autoseg.importing.nnunet_weights import has_all_heads, to_autoseg_names
from autoseg.importing.translating import PREVIOUS, Trained, name_configuration, translate_plan
from autoseg.networks.checkpoint import Checkpoint, write_checkpoint
from autoseg.pipeline.reporting import Reporter
from autoseg.pipeline.selection import HEADER, Selection
from autoseg.planning.plan import Plan
from autoseg.planning.plan_file import write_plan
from autoseg.postprocessing.deciding import Postprocessing, Step
from autoseg.serialization import digest, digest_file, read_json, replacing, to_plain, write_json, write_yaml
from autoseg.workspace import Workspace

FINGERPRINT = "dataset_fingerprint.json"
DEFAULT_TRAINER = "nnUNetTrainer"


@dataclass(frozen=True)
class ImportOptions:
    """What is imported.

    Attributes:
        checkpoint: the file of each fold.
        previous: the model folder that a cascade builds on, where it is not the sibling that nnU-Net names.
        family: `TRAINER__PLANS`, where a dataset's results hold several.
    """

    checkpoint: str = FINAL
    previous: Path | None = None
    family: str | None = None


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
    trained: Trained
    is_asked_for: bool
    trainer: str = DEFAULT_TRAINER


@dataclass(frozen=True)
class Imported:
    """What became of an import.

    Attributes:
        workspace: the new folder.
        plan: its plan.
        folds: that were imported, by configuration.
        selection: which configurations predict.
    """

    workspace: Workspace
    plan: Plan
    folds: Mapping[str, tuple[Fold, ...]]
    selection: Selection = field(repr=False)


def import_nnunet(
    folder: Path, output: Path, *, options: ImportOptions | None = None, reporter: Reporter | None = None
) -> Imported:
    """Turn a trained model folder of nnU-Net v2, or the results folder of a dataset, into a workspace.

    Args:
        folder: with plans.json, dataset.json and fold_*, or a folder of such folders.
        output: the workspace to write; it must not be there, or be empty.

    Raises:
        WorkspaceError: the output is there, no model is, or a checkpoint is damaged, unsafe or of another network.
        PlanError: the plans ask for something that changes the prediction and that autoseg does not do.
        DatasetError: dataset.json is wrong.
    """
    options, reporter = options or ImportOptions(), reporter or Reporter()
    _require_free(output)
    best = read_best(folder)
    preferred = best.families if best is not None else ()
    models = find_model_folders(folder, options.checkpoint, family=options.family, preferred=preferred)
    dataset = read_nnunet_dataset(models[0].root)
    sources = _understand(models, dataset, options)
    fingerprint = _read_fingerprint(models, reporter)
    plan = translate_plan(
        {name: source.trained for name, source in sources.items()},
        dataset,
        fingerprint_digest=fingerprint.digest if fingerprint else digest(read_json(models[0].root / "plans.json")),
        where=str(folder),
    )
    selection = _select(sources, plan, dataset, best)
    with replacing(output) as temporary:
        _write(Workspace(temporary), folder, sources, plan, dataset, fingerprint)
        write_yaml(Workspace(temporary).selection, selection, header=HEADER)
        _write_weights(Workspace(temporary), sources, plan, reporter)
    _tell(sources, selection, dataset, reporter)
    folds = {name: tuple(source.folder.checkpoints) for name, source in sources.items()}
    return Imported(Workspace(output), plan, folds, selection)


def _require_free(output: Path) -> None:
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise WorkspaceError(f"{output}: is there already. Choose another folder for the imported model.")


def _understand(models: Sequence[ModelFolder], dataset: NnunetDataset, options: ImportOptions) -> dict[str, Source]:
    """Every configuration by autoseg's name, and what cascades build on."""
    sources: dict[str, Source] = {}
    for model in models:
        source = _open(model, dataset, is_asked_for=True)
        _put(sources, name_configuration(source.trained.configuration), source)
    for source in [one for one in sources.values() if one.trained.configuration.previous]:
        _add_previous(sources, source, dataset, options)
    return sources


def _put(sources: dict[str, Source], name: str, source: Source) -> None:
    if name in sources:
        both = f"{sources[name].folder.root.name} and {source.folder.root.name}"
        raise WorkspaceError(f"{both} are both a {name} in autoseg's words. Import them one by one.")
    sources[name] = source


def _add_previous(sources: dict[str, Source], cascade: Source, dataset: NnunetDataset, options: ImportOptions) -> None:
    """What a cascade builds on is called `3d_lowres` here, whatever nnU-Net calls it."""
    name = str(cascade.trained.configuration.previous)
    there = next((key for key, one in sources.items() if one.trained.configuration.name == name), None)
    if there is not None and options.previous is None:
        sources[PREVIOUS] = sources.pop(there)
        return
    root = find_previous_folder(cascade.folder, name, options.previous)
    source = _open(open_model_folder(root, options.checkpoint), dataset, is_asked_for=False)
    if source.trained.configuration.name != name:
        came = source.trained.configuration.name
        raise WorkspaceError(f"{root}: is a model of {came}, but {cascade.folder.root} builds on {name}.")
    sources[PREVIOUS] = source


def _open(model: ModelFolder, dataset: NnunetDataset, *, is_asked_for: bool) -> Source:
    """What the first fold's checkpoint and the plans beside it say, as nnU-Net's own prediction takes it."""
    own = read_nnunet_dataset(model.root)
    if (own.channels, own.labels) != (dataset.channels, dataset.labels):
        raise WorkspaceError(f"{model.root}: has other channels or labels than the models beside it.")
    checkpoint = read_nnunet_checkpoint(next(iter(model.checkpoints.values())))
    configuration = read_nnunet_configuration(model.root, checkpoint.configuration, n_channels=len(own.channels))
    n_stages = configuration.architecture.topology.n_stages
    trained = Trained(configuration, checkpoint.mirroring_axes, has_all_heads(checkpoint.weights, n_stages))
    return Source(model, trained, is_asked_for, checkpoint.trainer)


def _read_fingerprint(models: Sequence[ModelFolder], reporter: Reporter) -> Fingerprint | None:
    """nnU-Net's fingerprint; without one, unusual input is not noticed."""
    path = next((path for model in models if (path := model.root / FINGERPRINT).is_file()), None)
    if path is None:
        reporter.say(f"No {FINGERPRINT} is there, so that unusual images will not be noticed.")
        return None
    try:
        return read_fingerprint(path, path.parent / "dataset.json")
    except AutosegError as problem:
        reporter.warn(f"The fingerprint was not taken over, so that unusual images will not be noticed: {problem}")
        return None


def _select(sources: Mapping[str, Source], plan: Plan, dataset: NnunetDataset, best: Best | None) -> Selection:
    """Which configurations predict together, and what is done to their result."""
    chosen = _choose(sources, plan, best)
    roots = [sources[name].folder.root for name in chosen.value]
    folds = [set(sources[name].folder.checkpoints) for name in chosen.value]
    common = sorted(fold for fold in set.intersection(*folds) if fold != ALL)
    components = find_postprocessing(roots, common, dataset.labels)
    steps = tuple(Step(labels=labels) for labels in components.steps)
    dice = {} if best is None or best.dice is None else {" + ".join(chosen.value): round(best.dice, 5)}
    return Selection(
        basis=digest([digest_file(path) for source in sources.values() for path in source.folder.checkpoints.values()]),
        folds=tuple(int(fold) for fold in common),
        configurations=chosen,
        postprocessing=found(Postprocessing(steps=steps), components.note),
        validation_dice=dice,
    )


def _choose(sources: Mapping[str, Source], plan: Plan, best: Best | None) -> Decision[tuple[str, ...]]:
    names = {source.folder.root.resolve().name: name for name, source in sources.items()}
    if best is not None and best.folders and set(best.folders) <= set(names):
        reason = "nnU-Net's best in cross-validation, as its inference_information.json says"
        return found(tuple(names[folder] for folder in best.folders), reason)
    asked = [name for name, source in sources.items() if source.is_asked_for]
    if len(asked) == 1:
        return found((asked[0],), "the one configuration that was imported")
    first = plan.first_choice if plan.first_choice in asked else asked[0]
    others = ", ".join(name for name in asked if name != first)
    return found((first,), f"nnU-Net's folder does not say which is best; {others} can be chosen by --configuration")


def _write(
    place: Workspace,
    folder: Path,
    sources: Mapping[str, Source],
    plan: Plan,
    dataset: NnunetDataset,
    fingerprint: Fingerprint | None,
) -> None:
    """Everything but weights and selection."""
    known = Dataset(
        name=plan.dataset,
        folder=folder.resolve(),
        layout="nnunet",
        channels=dataset.channels,
        labels=dataset.labels,
        cases=(),
        file_ending=dataset.file_ending,
        notes=(
            f"Imported from nnU-Net: {', '.join(str(one.folder.root) for one in sources.values())}.",
            *dataset.notes,
        ),
        n_cases_declared=dataset.n_cases or None,
    )
    write_json(place.dataset, {"listing": "", "dataset": known})
    if fingerprint is not None:
        write_json(place.fingerprint, fingerprint)
    write_plan(place.plan, plan)


def _write_weights(place: Workspace, sources: Mapping[str, Source], plan: Plan, reporter: Reporter) -> None:
    jobs = [(name, fold, path) for name, one in sources.items() for fold, path in one.folder.checkpoints.items()]
    with reporter.follow("Importing", len(jobs)) as advance:
        for done, (name, fold, path) in enumerate(jobs):
            write_checkpoint(place.run(name, fold).checkpoint, _translate_checkpoint(plan, name, fold, path))
            advance(done + 1, f"{name} fold {fold}")


def _translate_checkpoint(plan: Plan, name: str, fold: Fold, path: Path) -> Checkpoint:
    """One fold at a time: only its weights are in memory."""
    stored, settings = read_nnunet_checkpoint(path), plan.find_configuration(name)
    weights = to_autoseg_names(
        stored.weights,
        settings,
        n_channels=settings.count_input_channels(len(plan.channels), plan.labels.n_labels),
        n_outputs=plan.labels.n_outputs,
        where=str(path),
    )
    return Checkpoint(weights, plan, name, str(fold), _state_facts(stored))


def _state_facts(stored: NnunetCheckpoint) -> dict[str, object]:
    """Where the weights come from; the cases that they were trained on are not in nnU-Net's file."""
    return {
        "imported_from": "nnU-Net v2",
        "source": str(stored.path.resolve()),
        "source_digest": digest_file(stored.path),
        "nnunet_configuration": stored.configuration,
        "nnunet_trainer": stored.trainer,
        "epochs": stored.n_epochs,
        "train_ids": [],
    }


def _tell(sources: Mapping[str, Source], selection: Selection, dataset: NnunetDataset, reporter: Reporter) -> None:
    for note in dataset.notes:
        reporter.say(note)
    for name, source in sources.items():
        folds = ", ".join(map(str, to_plain(list(source.folder.checkpoints))))
        reporter.say(f"{source.folder.root.name} -> {name}, fold {folds}")
        if source.trainer != DEFAULT_TRAINER:
            reporter.warn(
                f"{name} was trained by {source.trainer}. Its weights fit the plans; if that trainer changes the "
                "network in a way that weights do not show, such as another activation, predictions differ."
            )
    chosen = " + ".join(selection.configurations.value)
    reporter.say(f"{chosen} predicts: {selection.configurations.reason}.")
    reporter.say(f"Postprocessing: {selection.postprocessing.reason}.")
