"""What does a cascade see of a case? The segmentation by a low-resolution model that never saw the case.

A fold of a cascade trains on cases that most low-resolution folds were trained on as well. Their own segmentations of
these cases are better than any of a new image will be. So every case, of training and of validation, gets the
segmentation by the one fold that held it out: of nothing else does the cascade learn how far to trust it. That is why a
single cascade fold needs all low-resolution folds, and so does a cascade that is trained on all cases (`all`).
Source: Isensee et al., Nature Methods 2021 (method part 4).

Segmentations lie in a folder named after the weights that made them and the grid that they lie on: they can never be
stale, and only what is missing is made.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from autoseg.data.dataset import Dataset
from autoseg.data.splits import Fold, Split
from autoseg.errors import WorkspaceError
from autoseg.networks.checkpoint import read_checkpoint
from autoseg.networks.device import choose_device, explaining_out_of_memory
from autoseg.pipeline.folds import train_fold
from autoseg.pipeline.orders import FoldOrder
from autoseg.pipeline.preparing import ensure_preprocessed, ensure_splits
from autoseg.pipeline.project import Project
from autoseg.pipeline.standing import read_current_report, refuse_other_plan
from autoseg.planning.plan import Configuration, Plan
from autoseg.prediction.configuration_predictor import ConfigurationPredictor, load_predictor, segment_for_cascade
from autoseg.preprocessing.label_maps import write_labels
from autoseg.preprocessing.preprocess import Axes3
from autoseg.preprocessing.store import StoredCase, open_case
from autoseg.serialization import digest, digest_file
from autoseg.training.continuing import read_saved
from autoseg.training.distributing import first_alone, share_first
from autoseg.workspace import Workspace

MakeOrder = Callable[[str, Fold], FoldOrder]


def list_previous(plan: Plan, configurations: Sequence[str]) -> tuple[str, ...]:
    """These configurations and before each cascade the one that it builds on, each once."""
    names: list[str] = []
    for name in configurations:
        cascade = plan.find_configuration(name).cascade
        names += [name] if cascade is None else [cascade.previous.value, name]
    return tuple(dict.fromkeys(names))


def ensure_previous(project: Project, order: FoldOrder, make_order: MakeOrder) -> FoldOrder:
    """The order with previous segmentations for its cases; low-resolution folds that are missing are trained first.

    Args:
        project: whose runs hold the low-resolution folds.
        order: a fold of any configuration; one without a cascade is returned as it is.
        make_order: the order for a fold of another configuration.

    Raises:
        WorkspaceError: see `find_previous`.
    """
    cascade = order.settings.cascade
    if cascade is None:
        return order
    name = cascade.previous.value
    with first_alone():
        folds = [before.fold for before in list_missing(project, order, make_order)]
    folds = share_first(folds)
    missing = [_before(make_order, name, fold) for fold in folds]
    if missing:
        _say_what_comes_first(project, order, name, missing)
    for before in missing:
        train_fold(project, before)
    with first_alone():
        files = find_previous(project, order.plan, order.configuration, _find_needed(order), device=order.device)
    _warn_of_other_models(project, order, name)
    return replace(order, previous=files)


def list_missing(project: Project, order: FoldOrder, make_order: MakeOrder) -> list[FoldOrder]:
    """Orders for the low-resolution folds that an order needs and that are not trained; none without a cascade.

    Raises:
        WorkspaceError: a case belongs to the validation of no fold.
    """
    cascade = order.settings.cascade
    if cascade is None:
        return []
    name = cascade.previous.value
    folds = _find_folds(project, ensure_splits(project, order.plan), _find_needed(order))
    missing = [fold for fold in folds if not project.workspace.run(name, fold).checkpoint.is_file()]
    return [_before(make_order, name, fold) for fold in missing]


def _before(make_order: MakeOrder, name: str, fold: Fold) -> FoldOrder:
    """The order for a low-resolution fold; what was asked for of the cascade alone does not hold for it."""
    return replace(make_order(name, fold), restart=False, extra=None, pretrained=None)


def find_previous(
    project: Project, plan: Plan, configuration: str, case_ids: Sequence[str], *, device: str = "auto"
) -> dict[str, Path]:
    """The previous segmentation of each case, by the fold that held the case out; predicted where it is missing.

    Returns:
        label maps on the network grid of `configuration`, by case id; none for a configuration without a cascade.

    Raises:
        WorkspaceError: a low-resolution fold is not trained (the sentence names the command), or was trained under
            another plan; a case belongs to the validation of no fold.
    """
    cascade = plan.find_configuration(configuration).cascade
    if cascade is None:
        return {}
    name, splits = cascade.previous.value, ensure_splits(project, plan)
    files: dict[str, Path] = {}
    missing: dict[int, dict[str, Path]] = {}
    for fold, held_out in _find_folds(project, splits, case_ids).items():
        _require_trained(project, plan, name, fold, splits[fold])
        folder = find_folder(project.workspace, plan, configuration, fold)
        made = {case_id: folder / f"{case_id}.b2nd" for case_id in held_out}
        files |= made
        missing[fold] = {case_id: path for case_id, path in made.items() if not path.is_file()}
    _predict_missing(project, plan, configuration, missing, device)
    return files


def find_folder(workspace: Workspace, plan: Plan, configuration: str, fold: int) -> Path:
    """Where a fold's segmentations for a cascade lie: named after the fold's weights and the cascade's grid."""
    name = _name_previous(plan, configuration)
    weights = digest_file(workspace.run(name, fold).checkpoint)
    return workspace.previous(name, digest([weights, plan.preprocessing_digest(configuration)]))


def phrase_training(dataset: Dataset, workspace: Workspace, configuration: str, *options: str) -> str:
    """The command that trains a configuration, to be copied."""
    words = ["autoseg", "train", str(dataset.folder), "--workspace", str(workspace.root)]
    variant = ["--variant", workspace.variant] if workspace.variant else []
    return shlex.join([*words, *variant, "--configuration", configuration, *options])


def _find_needed(order: FoldOrder) -> tuple[str, ...]:
    """Cases whose previous segmentation the order asks for: of a trained fold only what is still to be validated."""
    saved = None if order.restart else read_saved(order.run.resume)
    is_unfinished = saved is not None and not saved.is_finished
    if order.restart or order.extra or is_unfinished or not order.run.checkpoint.is_file():
        return order.split.train + order.split.validation
    return order.split.validation if read_current_report(order) is None else ()


def _find_folds(project: Project, splits: Sequence[Split], case_ids: Sequence[str]) -> dict[int, list[str]]:
    """For each fold that is needed, the cases that it held out."""
    fold_of = {case_id: fold for fold, split in reversed(list(enumerate(splits))) for case_id in split.validation}
    if homeless := sorted(set(case_ids) - set(fold_of)):
        raise WorkspaceError(
            f"{project.workspace.splits}: no fold validates {homeless[0]}, so that every low-resolution model saw it. "
            "A cascade needs splits in which each case is validated once; remove the file to make such ones."
        )
    folds: dict[int, list[str]] = {}
    for case_id in sorted(case_ids):
        folds.setdefault(fold_of[case_id], []).append(case_id)
    return dict(sorted(folds.items()))


def _say_what_comes_first(project: Project, order: FoldOrder, name: str, missing: Sequence[FoldOrder]) -> None:
    before = missing[0]
    seconds = before.length.train_time_s or (before.length.n_iterations or 0) * (before.settings.iteration_s.value or 0)
    how_long = f", about {seconds / 60:.1f} minutes each ({seconds * len(missing) / 60:.1f} in all)" if seconds else ""
    project.reporter.say(
        f"{order.configuration} learns from segmentations by models that never saw the case. Training {name} fold "
        f"{', '.join(str(one.fold) for one in missing)} first{how_long}."
    )


def _require_trained(project: Project, plan: Plan, name: str, fold: int, split: Split) -> None:
    run = project.workspace.run(name, fold)
    command = phrase_training(project.dataset, project.workspace, name, "--fold", str(fold))
    if not run.checkpoint.is_file():
        raise WorkspaceError(
            f"{run.checkpoint}: is missing. A cascade needs the segmentations of {name} fold {fold} for the cases that "
            f"it held out. Run `{command}` first."
        )
    refuse_other_plan(project, run, plan, name, split, command=f"{command} --restart")


def _predict_missing(
    project: Project, plan: Plan, configuration: str, missing: Mapping[int, Mapping[str, Path]], device: str
) -> None:
    settings, name = plan.find_configuration(configuration), _name_previous(plan, configuration)
    n_missing, n_done = sum(map(len, missing.values())), 0
    if not n_missing:
        return
    stores = ensure_preprocessed(project, plan, [name, configuration])
    with project.reporter.follow(f"Segmenting cases with {name} for {configuration}", n_missing) as advance:
        for fold, files in missing.items():
            if not files:
                continue
            predictor = load_predictor([project.workspace.run(name, fold).checkpoint], device=choose_device(device))
            for case_id, path in files.items():
                shape = open_case(stores[configuration], case_id).shape
                segmentation = _segment_stored(predictor, open_case(stores[name], case_id), settings, shape)
                write_labels(path, segmentation, patch_size=settings.patch_size.value)
                n_done += 1
                advance(n_done, case_id)
    project.reporter.say(f"Segmented {n_missing} cases with {name}, each by the fold that held it out.")


def _segment_stored(
    predictor: ConfigurationPredictor, stored: StoredCase, settings: Configuration, shape: Axes3
) -> np.ndarray:
    """The segmentation of a case of the low-resolution store, on the cascade's grid of this shape."""
    with explaining_out_of_memory(f"the low-resolution prediction of {stored.facts.id}, {stored.shape} voxels"):
        member = predictor.predict(stored.read_image(), stored.placement)
        return segment_for_cascade(member, stored.facts.spacing_mm, settings, shape)


def _name_previous(plan: Plan, configuration: str) -> str:
    cascade = plan.find_configuration(configuration).cascade
    assert cascade is not None, "only a cascade has a previous configuration"
    return cascade.previous.value


def _warn_of_other_models(project: Project, order: FoldOrder, name: str) -> None:
    """Say so if a trained cascade learned from low-resolution models that were replaced since."""
    if order.restart or not order.run.checkpoint.is_file():
        return
    learned = set(read_checkpoint(order.run.checkpoint).facts.get("previous", ()))
    splits = ensure_splits(project, order.plan)
    trained = [fold for fold in range(len(splits)) if project.workspace.run(name, fold).checkpoint.is_file()]
    there = {find_folder(project.workspace, order.plan, order.configuration, fold).name for fold in trained}
    if len(trained) == len(splits) and learned - there:
        command = phrase_training(project.dataset, project.workspace, order.configuration, "--fold", str(order.fold))
        project.reporter.warn(
            f"{order.configuration} fold {order.fold} learned from models of {name} that were trained anew since. "
            f"`{command} --restart` trains it on those there are now."
        )
