"""A trained ensemble, found in a workspace and loaded once: selected configurations with all their trained folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autoseg.data.dataset import Dataset
from autoseg.data.labels import Labels
from autoseg.errors import WorkspaceError
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.pipeline.cascading import phrase_training
from autoseg.pipeline.project import open_project, read_model_dataset
from autoseg.pipeline.reporting import Reporter
from autoseg.pipeline.selecting import Selection, ensure_selection, read_selection
from autoseg.postprocessing.deciding import Postprocessing
from autoseg.prediction.predictor import PredictionOptions, Predictor, load_predictor, put_before
from autoseg.serialization import digest, digest_file, parse_record, read_json
from autoseg.training.device import choose_device
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
    predictors: tuple[Predictor, ...]
    postprocessing: Postprocessing
    fingerprint: Fingerprint | None
    digest: str


def load_model(
    source: Path,
    *,
    workspace: Path | None = None,
    variant: str | None = None,
    configurations: Sequence[str] = (),
    folds: Sequence[int] = (),
    device: str = "auto",
    options: PredictionOptions | None = None,
    reporter: Reporter | None = None,
) -> Model:
    """Load the selected ensemble of a dataset, or of a workspace whose dataset need not be there any more.

    With a cascade, all trained folds of the low-resolution configuration that it builds on are loaded as well.

    Args:
        source: a dataset, or a workspace.
        variant: name of a plan beside the first one.
        configurations, folds: other than the selected ones, if given; then a workspace needs no selection.

    Raises:
        WorkspaceError: nothing is trained yet, or a checkpoint is missing.
    """
    reporter = reporter or Reporter()
    place, dataset, selection = _find_selection(source, workspace, variant, reporter, device)
    if selection is None and not configurations:
        raise WorkspaceError(f"{source}: has no selection.yaml. Run `autoseg select` on its dataset first.")
    if selection is None:
        reporter.say(f"{source}: has no selection.yaml, so nothing is done to the segmentations afterwards.")
    selected = () if selection is None else selection.configurations.value
    names = tuple(configurations) or selected
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
        digest=digest([content, postprocessing, vars(options or PredictionOptions())]),
    )


def _find_selection(
    source: Path, workspace: Path | None, variant: str | None, reporter: Reporter, device: str
) -> tuple[Workspace, Dataset, Selection | None]:
    """Where the folds lie, what they were trained on, and what was selected; a workspace alone may lack a selection."""
    place = Workspace(Path(source), variant)
    if not place.plan.is_file() and Workspace(Path(source)).plan.is_file():
        raise WorkspaceError(f"{place.plan}: is not there: this workspace has no variant {variant}.")
    if place.plan.is_file():
        return place, read_model_dataset(place), read_selection(place)
    project = open_project(source, workspace=workspace, variant=variant, reporter=reporter)
    return project.workspace, project.dataset, ensure_selection(project, device=device)


def _load_predictor(
    place: Workspace,
    dataset: Dataset,
    configuration: str,
    folds: Sequence[int],
    device: str,
    options: PredictionOptions | None,
) -> tuple[Predictor, list[Path]]:
    """A configuration's predictor, with the one before it in a cascade, and the checkpoints of both."""
    paths = _find_checkpoints(place, dataset, configuration, folds)
    predictor = load_predictor(paths, device=choose_device(device), options=options)
    cascade = predictor.settings.cascade
    if cascade is None:
        return predictor, paths
    previous, before = _load_predictor(place, dataset, cascade.previous.value, (), device, options)
    return put_before(previous, predictor), before + paths


def _find_checkpoints(place: Workspace, dataset: Dataset, configuration: str, folds: Sequence[int]) -> list[Path]:
    """Checkpoints of the wanted folds, or of every trained one."""
    wanted = [place.run(configuration, fold).checkpoint for fold in folds]
    paths = wanted or [run.checkpoint for run in place.find_runs(configuration).values() if run.checkpoint.is_file()]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing or not paths:
        command = phrase_training(dataset, place, configuration, *(f"--fold={fold}" for fold in folds))
        raise WorkspaceError(
            f"{', '.join(missing) or place.trained(configuration)}: is not trained. Run `{command}` first, or leave "
            "out --fold and --configuration."
        )
    return paths
