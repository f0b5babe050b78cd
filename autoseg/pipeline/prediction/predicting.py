"""From new images to segmentations, with everything that training and selection decided and no flag to remember.

What may be held is decided before the first image is read (`prediction.memory.budget`). Then cases go through three
stages, which overlap (`overlapping`): read and prepare; compute; restore and write (`stages`).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from autoseg.data.dataset import Case
from autoseg.data.layouts import find_images
from autoseg.errors import UsageError
from autoseg.pipeline.model import Model
from autoseg.pipeline.prediction.destination import Destination, Extras, find_destination, holding, refuse_overwriting
from autoseg.pipeline.prediction.ledger import Ledger
from autoseg.pipeline.prediction.manifest import Predicted, describe_run, read_manifest
from autoseg.pipeline.prediction.overlapping import Stages, overlap
from autoseg.pipeline.prediction.spending import Following, count_effort, measure_images, plan_spending
from autoseg.pipeline.prediction.stages import Run, digest_source
from autoseg.pipeline.reporting import Reporter


def predict_images(
    model: Model,
    images: Path,
    output: Path,
    *,
    probabilities: bool = False,
    uncertainty: bool = False,
    memory_bytes: float | None = None,
    scratch: Path | None = None,
    reporter: Reporter | None = None,
) -> list[Predicted]:
    """Segment a file or a folder of images; images that this model predicted before are skipped.

    Writes `CASE<ending>` in the geometry of each image and the label numbers of the training dataset; `confidence.csv`,
    how sure each label of each case is; and `predictions.json`, which says what was done and what it took.

    Args:
        images: a file, or a folder of files.
        output: a folder; or for a single image a file name.
        probabilities: also write `CASE_<label>.probability.nii.gz`.
        uncertainty: also write `CASE.uncertainty.nii.gz`.
        memory_bytes: that may be held, libraries included; None takes most of what is free.
        scratch: folder of temporary files; None is the output folder.

    Raises:
        WorkspaceError: the folder holds predictions of another model, or files that a prediction would overwrite; or
            another process predicts into it.
        UsageError: there are no such images, or several for a single file name.
        DatasetError: an image cannot be read or has other channels than the model.
        ResourceError: the memory or the disk is too small, or memory ran out.
    """
    reporter = reporter or Reporter()
    cases = find_images(images, len(model.channels))
    destination = find_destination(output, cases, model.file_ending)
    if images.is_dir() and images.resolve() == destination.folder.resolve():
        raise UsageError(
            f"{output}: holds the images; segmentations beside them would be taken for images. Name another."
        )
    with holding(destination.folder):
        return _predict_missing(
            model, cases, destination, Extras(probabilities, uncertainty), memory_bytes, scratch, reporter
        )


def _predict_missing(
    model: Model,
    cases: Sequence[Case],
    destination: Destination,
    extras: Extras,
    memory_bytes: float | None,
    scratch: Path | None,
    reporter: Reporter,
) -> list[Predicted]:
    done = read_manifest(destination.folder, model)
    refuse_overwriting(destination, cases, extras, model.labels, done)
    run = Run(model, destination, extras, Ledger(destination.folder, done))
    known = {case.id for case in cases if _is_done(run, case)}
    waiting = [case for case in cases if case.id not in known]
    for case in waiting:
        file, beside = destination.name_of(case.id), run.name_extras(case.id)
        done[case.id] = done.get(case.id, Predicted(case_id=case.id, file=file)).begin_anew(file, beside)
    if waiting:
        _predict(run, waiting, memory_bytes, scratch or destination.folder, reporter)
    else:
        reporter.say(f"All {len(cases)} images were predicted before: nothing to do.")
    return [done[case.id].model_copy(update={"was_there": case.id in known}) for case in cases]


def _predict(run: Run, cases: Sequence[Case], memory_bytes: float | None, scratch: Path, reporter: Reporter) -> None:
    """Predict cases within the memory, whatever was there of them."""
    loads = measure_images(run.model, cases)
    run.spending = plan_spending(run.model, loads, memory_bytes, scratch)
    run.ledger.facts = describe_run(run.model, run.spending)
    run.ledger.write()
    reporter.say(run.spending.reason)
    stages = Stages(run.read, run.compute, run.write, name=lambda case: case.id)
    with reporter.follow("Predicting", sum(map(count_effort, loads))) as advance:
        run.following, run.warn = Following(loads, advance), reporter.warn
        try:
            with closing(overlap(cases, stages, n_in_flight=run.spending.n_in_flight)) as results:
                for predicted in results:
                    for doubt in predicted.doubts:
                        reporter.warn(doubt)
        finally:
            run.ledger.write()


def _is_done(run: Run, case: Case) -> bool:
    """Whether the very files that are wanted are there, and were made from these images."""
    known, folder = run.ledger.cases.get(case.id), run.destination.folder
    if known is None or not known.source or known.file != run.destination.name_of(case.id):
        return False
    wanted = run.name_extras(case.id)
    if not set(wanted) <= set(known.extras) or not all((folder / name).is_file() for name in (known.file, *wanted)):
        return False
    return known.source == digest_source(case)
