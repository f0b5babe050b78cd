"""`split`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autoseg.cli.console import TerminalReporter, print_json, print_table, stdout
from autoseg.cli.options import AsJson, DatasetFolder, Variant, WorkspaceFolder
from autoseg.errors import UsageError

if TYPE_CHECKING:
    from autoseg.pipeline.splitting import FoldFacts

MOST_LABELS = 8  # columns of a table that still fits a screen


def split(
    dataset: DatasetFolder,
    group_pattern: Annotated[
        str | None,
        typer.Option(
            "--group-pattern",
            metavar="REGEX",
            help=r"Cases of one patient stay on one side: the first group of the expression in a case id names the "
            r"patient, e.g. '(patient\d+)_'. A file groups.csv (case_id,group) in the dataset's folder does the same. "
            "Empty to forget an earlier one.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Take over splits that you made: a list of folds with train and validation, or nnU-Net's "
            "splits_final.json.",
            show_default=False,
        ),
    ] = None,
    workspace: WorkspaceFolder = None,
    variant: Variant = None,
    as_json: AsJson = False,
) -> None:
    """Show who trains and who validates in each fold, and why; every split is checked for leaks.

    The number of folds is the plan's: `autoseg plan DATASET --set n_folds=3`.
    """
    if source is not None and group_pattern is not None:
        raise UsageError("--from and --group-pattern each make the splits. Use one of them.")
    from autoseg.pipeline.planning import ensure_fingerprint, ensure_plan
    from autoseg.pipeline.project import open_project
    from autoseg.pipeline.splitting import adopt_splits, describe_folds, settle_splits

    project = open_project(dataset, workspace=workspace, variant=variant, reporter=TerminalReporter())
    plan = ensure_plan(project)
    splits = (
        settle_splits(project, plan, pattern=group_pattern) if source is None else adopt_splits(project, plan, source)
    )
    facts = describe_folds(splits, ensure_fingerprint(project))
    if as_json:
        print_json({"splits": splits, "facts": facts})
        return
    labels = _choose_labels(facts)
    n_hidden = len(facts[0].labels) - len(labels)
    columns = ["fold", "train", "validate", "groups", *(f"with {label}" for label in labels)]
    rows = [[one.fold, *one.cases, _pair(one.groups), *(_pair(one.labels[label]) for label in labels)] for one in facts]
    print_table(columns, rows, title="Cases of each fold (pairs: training / validation)")
    for sentence in (
        *([f"{n_hidden} more labels are held by more cases than these."] if n_hidden else []),
        f"Splits: {splits.reason}.",
        *([f"Groups: {splits.grouping.n_groups}, by {splits.grouping.source}."] if splits.grouping else []),
        *(f"warning: {warning}" for warning in splits.warnings),
        str(project.workspace.splits),
    ):
        stdout.print(sentence, markup=False, soft_wrap=True)


def _choose_labels(facts: tuple[FoldFacts, ...]) -> list[str]:
    """Names of the labels that the fewest cases hold, in the order of the dataset."""
    counts = {label: sum(one.labels[label][1] for one in facts) for label in facts[0].labels}
    rarest = sorted(counts, key=lambda label: counts[label])[:MOST_LABELS]
    return [label for label in counts if label in rarest]


def _pair(numbers: tuple[int, int]) -> str:
    return f"{numbers[0]} / {numbers[1]}"
