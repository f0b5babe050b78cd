"""From new images to segmentations, with everything that training and selection decided and no flag to remember."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from autoseg.data.case import read_case
from autoseg.data.dataset import Case
from autoseg.data.image_io import read_header, write_segmentation, write_volume
from autoseg.data.labels import Labels, decode_labels
from autoseg.data.layouts import find_images
from autoseg.errors import WorkspaceError
from autoseg.networks.device import explaining_out_of_memory
from autoseg.pipeline.model import Model
from autoseg.pipeline.reporting import Reporter
from autoseg.pipeline.unusual import find_unusual
from autoseg.postprocessing.deciding import apply_postprocessing
from autoseg.prediction.restoring import restore
from autoseg.serialization import Record, digest, digest_file, parse_record, read_json, write_json

BYTES_PER_PROBABILITY = 2  # float16


class Predicted(Record):
    """What became of one case.

    Attributes:
        case_id, file: the case, and the name of its segmentation.
        source: digest of the image's files; empty while the case is still to be predicted.
        runtime_s: seconds from reading to writing.
        volumes_ml: volume of each foreground label; None for pictures without a spacing.
        warnings: what about the input is unlike anything in training.
        was_there: whether an earlier run had predicted it.
    """

    case_id: str
    file: str
    source: str = ""
    runtime_s: float = 0.0
    volumes_ml: dict[str, float | None] = {}
    warnings: tuple[str, ...] = ()
    was_there: bool = False


def predict_images(
    model: Model, images: Path, output: Path, *, probabilities: bool = False, reporter: Reporter | None = None
) -> list[Predicted]:
    """Segment a file or a folder of images; images that this model predicted before are skipped.

    Writes `CASE<ending>` in the geometry of each image and the label numbers of the training dataset, with
    `probabilities` also `CASE_<label>.probability.nii.gz`, and `predictions.json`, which says what was done.

    Raises:
        WorkspaceError: the folder holds predictions of another model, or files that a prediction would overwrite.
        DatasetError: an image cannot be read or has other channels than the model.
        ResourceError: memory ran out.
    """
    reporter = reporter or Reporter()
    cases = find_images(images, len(model.channels))
    manifest = output / "predictions.json"
    done = _read_manifest(manifest, model)
    _refuse_overwriting(model, cases, done, output)
    done = {case.id: Predicted(case_id=case.id, file=f"{case.id}{model.file_ending}") for case in cases} | done
    write_json(manifest, {"model": model.digest, "cases": list(done.values())})
    reporter.say(_describe_task(model, cases, probabilities))
    results = []
    with reporter.follow("Predicting", len(cases)) as advance:
        for index, case in enumerate(cases):
            source = digest([digest_file(path) for path in case.images])
            if _is_done(done[case.id], source, output, probabilities, model):
                results.append(done[case.id].model_copy(update={"was_there": True}))
            else:
                predicted = _predict_case(model, case, source, output, probabilities)
                done[case.id] = predicted
                write_json(manifest, {"model": model.digest, "cases": list(done.values())})
                for warning in predicted.warnings:
                    reporter.warn(warning)
                results.append(predicted)
            advance(index + 1, case.id)
    return results


def _describe_task(model: Model, cases: Sequence[Case], probabilities: bool) -> str:
    """What is predicted, by what, and how much memory it takes at most."""
    geometries = [read_header(case.images[0]).geometry for case in cases]
    peak = max(
        sum(predictor.estimate_bytes(each) for predictor in model.predictors)
        + probabilities * BYTES_PER_PROBABILITY * model.labels.n_outputs * math.prod(each.shape)
        for each in geometries
    )
    networks = " + ".join(predictor.description for predictor in model.predictors)
    return f"Predicting {len(cases)} images with {networks}: up to {peak / 1e9:.2f} GB of memory beside the networks."


def _read_manifest(path: Path, model: Model) -> dict[str, Predicted]:
    if not path.is_file():
        return {}
    content = read_json(path)
    if content.get("model") != model.digest:
        raise WorkspaceError(
            f"{path.parent}: holds predictions of another model or other options. Choose another folder."
        )
    cases = [parse_record(Predicted, case, where=str(path), error=WorkspaceError) for case in content["cases"]]
    return {case.case_id: case for case in cases}


def _refuse_overwriting(model: Model, cases: Sequence[Case], done: Mapping[str, Predicted], output: Path) -> None:
    """Files that no earlier prediction wrote are not replaced: they may be the images, or a reference."""
    inputs = {path.resolve() for case in cases for path in case.images}
    for case in cases:
        path = output / f"{case.id}{model.file_ending}"
        if path.resolve() in inputs or (path.exists() and case.id not in done):
            raise WorkspaceError(f"{path}: is there already and was not written by this model. Choose another folder.")


def _is_done(known: Predicted, source: str, output: Path, probabilities: bool, model: Model) -> bool:
    if known.source != source or not (output / known.file).is_file():
        return False
    return not probabilities or all(path.is_file() for path in _probability_files(model, known.case_id, output))


def _probability_files(model: Model, case_id: str, output: Path) -> list[Path]:
    """One image of probabilities per label or region; its name becomes part of a file name."""
    names = [re.sub(r"[^\w-]", "_", name) for name in model.labels.output_names]
    return [output / f"{case_id}_{name}.probability.nii.gz" for name in names]


def _predict_case(model: Model, case: Case, source: str, output: Path, probabilities: bool) -> Predicted:
    began = time.monotonic()
    loaded = read_case(case, labels=model.labels, n_channels=len(model.channels))
    with explaining_out_of_memory(f"the prediction of {case.id}, {loaded.geometry.shape} voxels"):
        members = [predictor.predict_original(loaded.image, loaded.geometry.spacing) for predictor in model.predictors]
        restored = restore(members, keep_probabilities=probabilities)
        segmentation = apply_postprocessing(restored.segmentation, model.postprocessing)
    if restored.probabilities is not None:
        files = _probability_files(model, case.id, output)
        for path, volume in zip(files, restored.probabilities, strict=True):
            write_volume(path, volume.astype(np.float32), loaded.geometry)
    path = output / f"{case.id}{model.file_ending}"
    write_segmentation(path, decode_labels(segmentation, model.labels), loaded.geometry)
    return Predicted(
        case_id=case.id,
        file=path.name,
        source=source,
        runtime_s=round(time.monotonic() - began, 3),
        volumes_ml=_measure_volumes(segmentation, model.labels, loaded.geometry.voxel_volume_ml),
        warnings=find_unusual(loaded, model.fingerprint),
    )


def _measure_volumes(segmentation: np.ndarray, labels: Labels, voxel_ml: float) -> dict[str, float | None]:
    counts = np.bincount(segmentation.ravel(), minlength=labels.n_labels)
    return {name: finite_or_none(float(counts[list(its)].sum()) * voxel_ml) for name, its in labels.targets}


def finite_or_none(value: float) -> float | None:
    """The value, None where it is undefined."""
    return value if math.isfinite(value) else None
