"""From new images to segmentations, with everything that training and selection decided and no flag to remember."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autoseg.data.case import LoadedCase, read_case
from autoseg.data.dataset import Case, Dataset
from autoseg.data.image_io import read_header, write_segmentation, write_volume
from autoseg.data.labels import Labels, decode_labels
from autoseg.data.layouts import find_images
from autoseg.errors import WorkspaceError
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.pipeline.project import open_project, read_model_dataset
from autoseg.pipeline.reporting import Reporter
from autoseg.pipeline.selecting import Selection, ensure_selection, read_selection
from autoseg.postprocessing.deciding import Postprocessing, apply_postprocessing
from autoseg.prediction.predictor import PredictionOptions, Predictor, load_predictor
from autoseg.prediction.restoring import restore
from autoseg.serialization import digest, digest_file, parse_record, read_json, write_json
from autoseg.training.device import choose_device
from autoseg.workspace import Workspace

SPACING_FACTOR = 1.5  # beyond the training range by this much is worth a word


@dataclass(frozen=True)
class Model:
    """A trained ensemble, loaded.

    Attributes:
        labels, channels, file_ending: of the dataset that it was trained on.
        predictors: one per configuration, each holding its folds.
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
    configurations: Sequence[str] = (),
    folds: Sequence[int] = (),
    device: str = "auto",
    options: PredictionOptions | None = None,
    reporter: Reporter | None = None,
) -> Model:
    """Load the selected ensemble of a dataset, or of a workspace whose dataset need not be there any more.

    Args:
        source: a dataset, or a workspace.
        configurations, folds: other than the selected ones, if given.

    Raises:
        WorkspaceError: nothing is trained yet, or a checkpoint is missing.
    """
    place, dataset, selection = _find_selection(source, workspace, reporter or Reporter(), device)
    names = tuple(configurations) or selection.configurations.value
    checkpoints = {name: _find_checkpoints(place, name, folds) for name in names}
    predictors = tuple(
        load_predictor(paths, device=choose_device(device), options=options) for paths in checkpoints.values()
    )
    is_selected = set(names) == set(selection.configurations.value)
    postprocessing = selection.postprocessing.value if is_selected else Postprocessing()
    content = [digest_file(path) for paths in checkpoints.values() for path in paths]
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
    source: Path, workspace: Path | None, reporter: Reporter, device: str
) -> tuple[Workspace, Dataset, Selection]:
    place = Workspace(Path(source))
    if place.plan.is_file():
        selection = read_selection(place)
        if selection is None:
            raise WorkspaceError(f"{source}: has no selection.yaml. Run `autoseg select` on its dataset first.")
        return place, read_model_dataset(place), selection
    project = open_project(source, workspace=workspace, reporter=reporter)
    return project.workspace, project.dataset, ensure_selection(project, device=device)


def _find_checkpoints(place: Workspace, configuration: str, folds: Sequence[int]) -> list[Path]:
    """Checkpoints of the wanted folds, or of every trained one."""
    wanted = [place.run(configuration, fold).checkpoint for fold in folds]
    paths = wanted or sorted(place.trained(configuration).glob("fold_[0-9]/checkpoint.safetensors"))
    missing = [str(path) for path in paths if not path.is_file()]
    if missing or not paths:
        raise WorkspaceError(
            f"{', '.join(missing) or place.trained(configuration)}: is not trained. Run `autoseg train --configuration "
            f"{configuration}` first, or leave out --fold and --configuration."
        )
    return paths


@dataclass(frozen=True)
class Predicted:
    """What became of one case: the file written, seconds spent, and what was unusual about the input."""

    case_id: str
    path: Path
    runtime_s: float
    volumes_ml: dict[str, float]
    warnings: tuple[str, ...]
    was_there: bool = False


def predict_images(
    model: Model, images: Path, output: Path, *, probabilities: bool = False, reporter: Reporter | None = None
) -> list[Predicted]:
    """Segment a file or a folder of images; cases that this model predicted before are skipped.

    Writes `CASE<ending>` in the geometry of each image and the label numbers of the training dataset, with
    `probabilities` also `CASE_<label>.probability<ending>`, and `predictions.json`, which says what was done.

    Raises:
        WorkspaceError: the folder holds predictions of another model.
        DatasetError: an image cannot be read or has other channels than the model.
    """
    reporter = reporter or Reporter()
    cases = find_images(images, len(model.channels))
    manifest = output / "predictions.json"
    done = _read_manifest(manifest, model)
    results = []
    reporter.say(_describe_task(model, cases))
    with reporter.follow("Predicting", len(cases)) as advance:
        for index, case in enumerate(cases):
            path = output / f"{case.id}{model.file_ending}"
            if case.id in done and path.is_file() and not probabilities:
                results.append(Predicted(case.id, path, 0.0, {}, (), was_there=True))
            else:
                predicted = _predict_case(model, case, path, probabilities)
                done[case.id] = {"file": path.name, "runtime_s": predicted.runtime_s, "warnings": predicted.warnings}
                write_json(manifest, {"model": model.digest, "cases": done})
                for warning in predicted.warnings:
                    reporter.warn(warning)
                results.append(predicted)
            advance(index + 1, case.id)
    return results


def _describe_task(model: Model, cases: Sequence[Case]) -> str:
    """What is predicted, by what, and how much memory it takes at most."""
    geometries = [read_header(case.images[0]).geometry for case in cases]
    peak_gb = max(predictor.estimate_bytes(each) for predictor in model.predictors for each in geometries) / 1e9
    networks = " + ".join(
        f"{predictor.configuration} ({len(predictor.networks)} folds)" for predictor in model.predictors
    )
    return f"Predicting {len(cases)} images with {networks}: up to {peak_gb:.2f} GB of memory beside the networks."


def _read_manifest(path: Path, model: Model) -> dict[str, object]:
    if not path.is_file():
        return {}
    content = read_json(path)
    if content.get("model") != model.digest:
        raise WorkspaceError(
            f"{path.parent}: holds predictions of another model or other options. Choose another folder."
        )
    cases = content["cases"]
    assert isinstance(cases, dict)
    return cases


def _predict_case(model: Model, case: Case, path: Path, probabilities: bool) -> Predicted:
    began = time.monotonic()
    loaded = read_case(case, labels=model.labels, n_channels=len(model.channels))
    members = [predictor.predict_original(loaded.image, loaded.geometry.spacing) for predictor in model.predictors]
    prediction = restore(members, keep_probabilities=probabilities)
    segmentation = apply_postprocessing(prediction.segmentation, model.postprocessing)
    write_segmentation(path, decode_labels(segmentation, model.labels), loaded.geometry)
    if prediction.probabilities is not None:
        for label, name in enumerate(model.labels.names):
            volume = prediction.probabilities[label].astype(np.float32)
            write_volume(path.with_name(f"{case.id}_{name}.probability{model.file_ending}"), volume, loaded.geometry)
    counts = np.bincount(segmentation.ravel(), minlength=model.labels.n_labels)
    volumes = {
        name: float(count * loaded.geometry.voxel_volume_ml)
        for name, count in zip(model.labels.names[1:], counts[1:], strict=True)
    }
    runtime_s = round(time.monotonic() - began, 3)
    return Predicted(case.id, path, runtime_s, volumes, find_unusual(loaded, model.fingerprint))


def find_unusual(loaded: LoadedCase, fingerprint: Fingerprint | None) -> tuple[str, ...]:
    """Say what about an image training never saw: its spacing or its orientation."""
    if fingerprint is None:
        return ()
    unusual = []
    spacing = np.array(loaded.geometry.spacing)
    low, high = fingerprint.spacings_mm.min(0) / SPACING_FACTOR, fingerprint.spacings_mm.max(0) * SPACING_FACTOR
    if np.any(spacing < low) or np.any(spacing > high):
        unusual.append(
            f"{loaded.id}: spacing {tuple(spacing.round(3).tolist())} mm (z, y, x); training saw "
            f"{fingerprint.spacings_mm.min(0).round(3).tolist()} to {fingerprint.spacings_mm.max(0).round(3).tolist()}."
        )
    orientations = {case.orientation for case in fingerprint.cases if case.orientation}
    if orientations and loaded.geometry.orientation not in orientations:
        unusual.append(
            f"{loaded.id}: orientation {loaded.geometry.orientation}; training saw {', '.join(sorted(orientations))}. "
            "Reorient the image, or check the result closely."
        )
    return tuple(unusual)
