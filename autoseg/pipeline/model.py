"""A trained ensemble, found in a workspace and loaded once: selected configurations with all their trained folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autoseg.data.dataset import Dataset
from autoseg.data.labels import Labels
from autoseg.data.splits import ALL, Fold
from autoseg.errors import WorkspaceError
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.networks.device import choose_device
from autoseg.pipeline.cascading import phrase_training
from autoseg.pipeline.planning import ensure_plan
from autoseg.pipeline.project import open_project, read_model_dataset
from autoseg.pipeline.reporting import Reporter
from autoseg.pipeline.selecting import Selection, ensure_selection, read_fold_reports, read_selection
from autoseg.planning.plan_file import read_plan
from autoseg.postprocessing.deciding import Postprocessing
from autoseg.prediction.options import PredictionOptions
from autoseg.prediction.predictor import ConfigurationPredictor, load_predictor, put_before
from autoseg.serialization import digest, digest_file, parse_record, read_json
from autoseg.workspace import Workspace


@dataclass(frozen=True)
class Model:
    """A trained ensemble, loaded.

    Attributes:
        labels, channels, file_ending: of the dataset that it was trained on.
        predictors: one per configuration, each holding its folds, and of a cascade the predictor before it.
        postprocessing: what is done to the segmentation.
        fingerprint: of the training cases, to notice unusual input.
        digest: names the weights and the options.
    """

    labels: Labels
    channels: tuple[str, ...]
    file_ending: str
    predictors: tuple[ConfigurationPredictor, ...]
    postprocessing: Postprocessing
    fingerprint: Fingerprint | None
    digest: str


def load_model(
    source: Path,
    *,
    workspace: Path | None = None,
    variant: str | None = None,
    configurations: Sequence[str] = (),
    folds: Sequence[Fold] = (),
    device: str = "auto",
    options: PredictionOptions | None = None,
    reporter: Reporter | None = None,
) -> Model:
    """Load the selected ensemble of a dataset, or of a workspace whose dataset need not be there any more.

    With a cascade, all trained folds of the low-resolution configuration that it builds on are loaded as well.

    Args:
        source: a dataset, or a workspace.
        variant: name of a plan beside the first one.
        configurations: other than the selected ones, if given; then a workspace needs no selection.
        folds: other than every trained one of the cross-validation; `all` is the model that was trained on all cases,
            of the configurations and with the postprocessing that the cross-validation selected, if there was one.

    Raises:
        WorkspaceError: nothing is trained yet, or a checkpoint is missing.
    """
    reporter = reporter or Reporter()
    place, dataset, selection = _find_selection(source, workspace, variant, folds, reporter, device)
    if selection is None and not configurations and ALL not in folds:
        raise WorkspaceError(f"{source}: has no selection.yaml. Run `autoseg select` on its dataset first.")
    selected = () if selection is None else selection.configurations.value
    names = tuple(configurations) or selected or _find_trained_on_all(place, dataset)
    if selection is None:
        reporter.say(
            f"{place.selection}: is not there, so {' + '.join(names)} predicts and nothing is done to the "
            "segmentations afterwards."
        )
    loaded = [_load_predictor(place, dataset, name, folds, device, options) for name in names]
    predictors = tuple(predictor for predictor, _ in loaded)
    postprocessing = Postprocessing()
    if selection is not None and set(names) == set(selected):
        postprocessing = selection.postprocessing.value
    content = [digest_file(path) for _, paths in loaded for path in paths]
    fingerprint = None
    if place.fingerprint.is_file():
        fingerprint = parse_record(Fingerprint, read_json(place.fingerprint), where=str(place.fingerprint))
    return Model(
        labels=predictors[0].plan.labels,
        channels=predictors[0].plan.channels,
        file_ending=dataset.file_ending,
        predictors=predictors,
        postprocessing=postprocessing,
        fingerprint=fingerprint,
        digest=digest([content, postprocessing, options or PredictionOptions()]),
    )


def _find_selection(
    source: Path,
    workspace: Path | None,
    variant: str | None,
    folds: Sequence[Fold],
    reporter: Reporter,
    device: str,
) -> tuple[Workspace, Dataset, Selection | None]:
    """Where the folds lie, what they were trained on, and what was selected.

    A workspace alone may lack a selection, and so may a dataset of which only a model of all cases was trained.
    """
    place = Workspace(Path(source), variant)
    if not place.plan.is_file() and Workspace(Path(source)).plan.is_file():
        raise WorkspaceError(f"{place.plan}: is not there: this workspace has no variant {variant}.")
    if place.plan.is_file():
        return place, read_model_dataset(place), read_selection(place)
    project = open_project(source, workspace=workspace, variant=variant, reporter=reporter)
    if ALL in folds and not read_fold_reports(project.workspace, ensure_plan(project)):
        return project.workspace, project.dataset, None
    return project.workspace, project.dataset, ensure_selection(project, device=device)


def _find_trained_on_all(place: Workspace, dataset: Dataset) -> tuple[str, ...]:
    """The configuration that a model of all cases was trained for: the plan's first choice, if there are several."""
    plan = read_plan(place.plan)
    names = [name for name in plan.configurations if place.run(name, ALL).checkpoint.is_file()]
    if not names:
        command = phrase_training(dataset, place, plan.first_choice, "--fold", ALL)
        raise WorkspaceError(f"{place.runs}: no model was trained on all cases. Run `{command}` first.")
    return (plan.first_choice,) if plan.first_choice in names else (names[0],)


def _load_predictor(
    place: Workspace,
    dataset: Dataset,
    configuration: str,
    folds: Sequence[Fold],
    device: str,
    options: PredictionOptions | None,
) -> tuple[ConfigurationPredictor, list[Path]]:
    """A configuration's predictor, with the one before it in a cascade, and the checkpoints of both."""
    paths = _find_checkpoints(place, dataset, configuration, folds)
    predictor = load_predictor(paths, device=choose_device(device), options=options)
    cascade = predictor.settings.cascade
    if cascade is None:
        return predictor, paths
    previous, before = _load_predictor(place, dataset, cascade.previous.value, (), device, options)
    return put_before(previous, predictor), before + paths


def _find_checkpoints(place: Workspace, dataset: Dataset, configuration: str, folds: Sequence[Fold]) -> list[Path]:
    """Checkpoints of the wanted folds, or of every trained one of the cross-validation."""
    wanted = [place.run(configuration, fold).checkpoint for fold in folds]
    paths = wanted or [run.checkpoint for run in place.find_folds(configuration).values() if run.checkpoint.is_file()]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing or not paths:
        command = phrase_training(dataset, place, configuration, *(f"--fold={fold}" for fold in folds))
        is_all_there = not folds and place.run(configuration, ALL).checkpoint.is_file()
        instead = (
            "choose the model of all cases by --fold all" if is_all_there else "leave out --fold and --configuration"
        )
        what = ", ".join(missing) or str(place.trained(configuration))
        raise WorkspaceError(f"{what}: is not trained. Run `{command}` first, or {instead}.")
    return paths
