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
from autoseg.data.splits import Fold
from autoseg.errors import AutosegError, WorkspaceError
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.fingerprinting.fingerprint_file import read_fingerprint
from autoseg.importing.nnunet_checkpoint import NnunetCheckpoint, read_nnunet_checkpoint
from autoseg.importing.nnunet_folder import ModelFolder, find_model_folders
from autoseg.importing.nnunet_plans import NnunetDataset, read_nnunet_dataset
from autoseg.importing.nnunet_selection import read_best
from autoseg.importing.nnunet_weights import to_autoseg_names
from autoseg.importing.translating import translate_plan
from autoseg.networks.checkpoint import Checkpoint, write_checkpoint
from autoseg.pipeline.import_selection import find_folds_to_name, select_imported
from autoseg.pipeline.import_sources import DEFAULT_TRAINER, ImportOptions, Source, understand_sources
from autoseg.pipeline.reporting import Reporter
from autoseg.pipeline.selection import HEADER, Selection
from autoseg.planning.plan import Plan
from autoseg.planning.plan_file import write_plan
from autoseg.serialization import digest, digest_file, read_json, replacing, to_plain, write_json, write_yaml
from autoseg.workspace import Workspace

FINGERPRINT = "dataset_fingerprint.json"


@dataclass(frozen=True)
class Imported:
    """What became of an import.

    Attributes:
        workspace: the new folder.
        plan: its plan.
        folds: that were imported, by configuration.
        selection: which configurations predict.
        folds_to_name: that prediction must be told of; none where it takes every one of the cross-validation.
    """

    workspace: Workspace
    plan: Plan
    folds: Mapping[str, tuple[Fold, ...]]
    selection: Selection = field(repr=False)
    folds_to_name: tuple[Fold, ...] = ()


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
    sources = understand_sources(models, dataset, options)
    fingerprint = _read_fingerprint(models, reporter)
    plan = translate_plan(
        {name: source.trained for name, source in sources.items()},
        dataset,
        fingerprint_digest=fingerprint.digest if fingerprint else digest(read_json(models[0].root / "plans.json")),
        where=str(folder),
    )
    selection = select_imported(sources, plan, dataset.labels, best, postprocessing=options.postprocessing)
    folds_to_name = find_folds_to_name(sources, selection.configurations.value)
    with replacing(output) as temporary:
        _write(Workspace(temporary), folder, sources, plan, dataset, fingerprint)
        write_yaml(Workspace(temporary).selection, selection, header=HEADER)
        _write_weights(Workspace(temporary), sources, plan, reporter)
    _tell(sources, selection, dataset, reporter)
    folds = {name: tuple(source.folder.checkpoints) for name, source in sources.items()}
    return Imported(Workspace(output), plan, folds, selection, folds_to_name)


def _require_free(output: Path) -> None:
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise WorkspaceError(f"{output}: is there already. Choose another folder for the imported model.")


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
