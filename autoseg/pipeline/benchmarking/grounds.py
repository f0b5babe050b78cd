"""What do all methods stand on? One plan, one set of splits, one store of preprocessed cases."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autoseg.data.split_file import read_splits
from autoseg.data.splits import ALL, Fold, Split, find_split, seed_fold
from autoseg.networks.device import choose_device
from autoseg.pipeline.benchmarking.fairness import level_plan
from autoseg.pipeline.benchmarking.terms import Terms
from autoseg.pipeline.cascading import ensure_previous, list_previous
from autoseg.pipeline.orders import FoldOrder
from autoseg.pipeline.planning import ensure_plan
from autoseg.pipeline.preparing import ensure_preprocessed, ensure_splits, find_configurations, find_folds
from autoseg.pipeline.project import Project
from autoseg.pipeline.training import TrainingWishes, count_workers
from autoseg.planning.choices import Length
from autoseg.planning.plan import Configuration, Plan
from autoseg.planning.wishes import Wishes
from autoseg.serialization import digest, to_plain
from autoseg.workspace import Run


@dataclass(frozen=True)
class CommonGround:
    """What all methods stand on.

    Attributes:
        project, terms: of the comparison.
        plan: that all share, but for their networks.
        configuration: of it.
        folds: that are compared.
        splits: of the whole cross-validation.
        store: preprocessed cases.
        previous: of a cascade, by fold, the previous segmentation of each case.
        group_of: the group of each case, which splits do not divide; empty where each stands for itself.
    """

    project: Project
    terms: Terms
    plan: Plan
    configuration: str
    folds: tuple[int, ...]
    splits: tuple[Split, ...]
    store: Path
    previous: Mapping[int, Mapping[str, Path]]
    group_of: Mapping[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> Configuration:
        return self.plan.find_configuration(self.configuration)

    @property
    def chosen(self) -> dict[int, Split]:
        """The splits of the folds that are compared."""
        return {fold: self.splits[fold] for fold in self.folds}

    @property
    def fold_of(self) -> dict[str, int]:
        """The fold that holds each scored case out."""
        return {case_id: fold for fold, split in self.chosen.items() for case_id in split.validation}

    @property
    def case_digest(self) -> str:
        """Names who trains and who validates, and on which references."""
        annotated = {case.id: case.annotated for case in self.project.dataset.cases if case.annotated is not None}
        return digest([to_plain(list(self.splits)), to_plain(annotated), self.plan.fingerprint_digest])


def find_common_ground(project: Project, terms: Terms) -> CommonGround:
    """Make what is missing of it: the plan, the splits, the preprocessed cases.

    A plan that is there is kept, whatever the budget of the comparison; where there is none, one is made that suits a
    budget of time, and a sentence says that it stays. What a cascade learns from belongs to the
    project: folds of it that are missing are trained as `train` would train them, with the plan's own length.

    Raises:
        UsageError: the configuration or a fold does not exist.
    """
    plan = _find_plan(project, terms)
    (name,) = find_configurations(plan, (terms.configuration,) if terms.configuration else ())
    plan = level_plan(plan, name, terms.learning_rate)
    splits = ensure_splits(project, plan)
    folds = tuple(fold for fold in find_folds(splits, terms.folds) if fold != ALL)
    stores = ensure_preprocessed(project, plan, list_previous(plan, [name]))
    previous = {fold: _find_previous(project, plan, name, fold, splits, stores, terms.device) for fold in folds}
    grouping = read_splits(project.workspace.splits).grouping
    group_of = {} if grouping is None else grouping.group_of
    return CommonGround(project, terms, plan, name, folds, splits, stores[name], previous, group_of)


def _find_plan(project: Project, terms: Terms) -> Plan:
    budget = terms.budget
    if budget.kind != "time" or project.workspace.plan.is_file():
        return ensure_plan(project, device=terms.device)
    plan = ensure_plan(project, Wishes(train_time_s=budget.amount), device=terms.device)
    command = f"autoseg plan {shlex.quote(str(project.dataset.folder))}"
    project.reporter.warn(
        f"There was no plan: this one suits trainings of {budget.amount:g} s and stays the project's, so that "
        f"`autoseg train` follows it until `{command} --train-time ...` makes another one. To compare under another "
        "plan, make it first."
    )
    return plan


def _find_previous(
    project: Project,
    plan: Plan,
    configuration: str,
    fold: int,
    splits: Sequence[Split],
    stores: Mapping[str, Path],
    device: str,
) -> Mapping[str, Path]:
    """What a cascade learns from, the same for every method; nothing for another configuration."""

    def make_order(name: str, fold: Fold) -> FoldOrder:
        """Of the project's own runs."""
        return FoldOrder(
            plan=plan,
            configuration=name,
            fold=fold,
            split=find_split(splits, fold),
            store=stores[name],
            run=project.workspace.run(name, fold),
            length=plan.find_configuration(name).length.value,
            device=device,
            n_workers=count_workers(None),
            seed=seed_fold(TrainingWishes.seed, fold, len(splits)),
        )

    if plan.find_configuration(configuration).cascade is None:
        return {}
    nowhere = Run(project.workspace.benchmark / "previous" / f"fold_{fold}")  # no run of the project's asks for them
    order = FoldOrder(
        plan=plan,
        configuration=configuration,
        fold=fold,
        split=find_split(splits, fold),
        store=stores[configuration],
        run=nowhere,
        length=Length(),
        device=device,
    )
    return ensure_previous(project, order, make_order).previous


def name_device_kind(ground: CommonGround) -> str:
    """`cpu`, `cuda` or `mps`: where networks train."""
    return choose_device(ground.terms.device).type
