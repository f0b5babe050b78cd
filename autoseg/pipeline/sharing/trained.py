"""Which files make up a trained ensemble? Those that `load_model` would load, found without loading them, and what may
be said of them to a stranger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autoseg.data.dataset import Dataset
from autoseg.data.splits import ALL, Fold
from autoseg.decision import Decision
from autoseg.errors import WorkspaceError
from autoseg.networks.checkpoint import read_content
from autoseg.pipeline.locating import choose_folds_before, find_checkpoints, find_selection, find_trained_on_all
from autoseg.pipeline.reporting import Reporter
from autoseg.pipeline.selection import NOTHING_TO_CALIBRATE, Selection
from autoseg.planning.components_used import list_components
from autoseg.planning.plan import Plan
from autoseg.planning.plan_file import read_plan
from autoseg.postprocessing.deciding import Postprocessing
from autoseg.serialization import parse_record
from autoseg.sharing.card import Training
from autoseg.sharing.stripping import strip_reasons, strip_training
from autoseg.workspace import Workspace

AT_PREDICTION = ("network", "normalization.")  # keys of components without which a model cannot predict


@dataclass(frozen=True)
class Trained:
    """A trained ensemble as files.

    Attributes:
        place, dataset, plan: where it lies, what it learned from, and the plan there; reasons name no folders.
        names: configurations that predict together.
        selection: what cross-validation decided, reduced to these configurations.
        folds: the folds that a person asked for; none for every trained one of the cross-validation.
        trainings: every fold that is loaded to predict, of a cascade also those before it.
        checkpoints: their files, in the same order.
    """

    place: Workspace
    dataset: Dataset
    plan: Plan
    names: tuple[str, ...]
    selection: Selection
    folds: tuple[Fold, ...]
    trainings: tuple[Training, ...]
    checkpoints: tuple[Path, ...]

    @property
    def needs(self) -> tuple[str, ...]:
        """Dotted paths of the components that predicting needs."""
        named = [list_components(training.plan, training.configuration) for training in self.trainings]
        return tuple(sorted({path for each in named for key, path in each.items() if key.startswith(AT_PREDICTION)}))


def find_trained(
    source: Path,
    *,
    workspace: Path | None = None,
    variant: str | None = None,
    configurations: Sequence[str] = (),
    folds: Sequence[Fold] = (),
    reporter: Reporter | None = None,
) -> Trained:
    """Find what `load_model` would load for the same arguments, without loading it.

    Raises:
        WorkspaceError: nothing is trained yet, or a checkpoint is missing.
    """
    place, dataset, selection = find_selection(source, workspace, variant, folds, reporter or Reporter(), "auto")
    if selection is None and not configurations and ALL not in folds:
        raise WorkspaceError(f"{source}: has no selection.yaml. Run `autoseg select` first, or name a --configuration.")
    selected = () if selection is None else selection.configurations.value
    names = tuple(configurations) or selected or find_trained_on_all(place, dataset)
    checkpoints = tuple(dict.fromkeys(path for name in names for path in _find_all(place, dataset, name, folds)))
    folders = (dataset.folder, place.root)
    trainings = tuple(_read_training(path, folders) for path in checkpoints)
    plan = strip_reasons(read_plan(place.plan), folders)
    chosen = strip_reasons(_choose(names, selection), folders)
    return Trained(place, dataset, plan, names, chosen, tuple(folds), trainings, checkpoints)


def _find_all(place: Workspace, dataset: Dataset, name: str, folds: Sequence[Fold]) -> list[Path]:
    """Checkpoints of a configuration; before a cascade's own those of the configuration that it builds on."""
    paths = find_checkpoints(place, dataset, name, folds)
    cascade = _read_training(paths[0], ()).plan.find_configuration(name).cascade
    if cascade is None:
        return paths
    before = cascade.previous.value
    return [*_find_all(place, dataset, before, choose_folds_before(place, before)), *paths]


def _read_training(path: Path, folders: Sequence[Path]) -> Training:
    content = read_content(path)
    plan = parse_record(Plan, content.get("plan"), where=str(path), error=WorkspaceError)
    facts = strip_training(content["facts"])
    return Training(strip_reasons(plan, folders), content["configuration"], str(content["fold"]), facts)


def _choose(names: tuple[str, ...], selection: Selection | None) -> Selection:
    """The selection as the receiver needs it: for these configurations, as `load_model` would take it."""
    if selection is not None and set(names) == set(selection.configurations.value):
        return selection
    reason = "chosen when the model was exported"
    chosen: Decision[tuple[str, ...]] = Decision(value=names, reason=reason, source="user")
    nothing = Decision(value=Postprocessing(), reason=f"the configurations were {reason}", source="user")
    if selection is not None:
        return selection.model_copy(update={"configurations": chosen, "postprocessing": nothing})
    return Selection(
        basis="",
        folds=(),
        configurations=chosen,
        postprocessing=nothing,
        confidence=NOTHING_TO_CALIBRATE,
        validation_dice={},
    )
