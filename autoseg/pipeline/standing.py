"""What stands there of a fold already: does it belong to what is asked for now?"""

from __future__ import annotations

from autoseg.data.dataset import Dataset
from autoseg.data.splits import Split
from autoseg.errors import WorkspaceError
from autoseg.evaluation.report import Report
from autoseg.networks.checkpoint import read_checkpoint
from autoseg.pipeline.orders import FoldOrder
from autoseg.pipeline.project import Project
from autoseg.pipeline.sittings import describe_length
from autoseg.planning.choices import Length
from autoseg.planning.plan import Plan
from autoseg.serialization import parse_record, read_json, to_plain
from autoseg.training.continuing import holding
from autoseg.training.distributing import is_first, wait_for_all
from autoseg.workspace import Run


def mark_annotated(dataset: Dataset, case_ids: tuple[str, ...]) -> dict[str, tuple[bool, ...]]:
    """Of cases that are annotated in part, which outputs of a network are."""
    known = {case.id: case.annotated for case in dataset.cases}
    marked = {case_id: known[case_id] for case_id in case_ids if known.get(case_id) is not None}
    return {case_id: dataset.labels.mark_annotated(names) for case_id, names in marked.items()}


def refuse_other_plan(
    project: Project, run: Run, plan: Plan, configuration: str, split: Split, *, command: str = ""
) -> None:
    """Raise WorkspaceError if a fold was trained under another plan, data or split; `command` trains it anew."""
    trained = read_checkpoint(run.checkpoint)
    is_same_plan = trained.plan.training_digest(trained.configuration) == plan.training_digest(configuration)
    is_same_split = set(trained.facts["train_ids"]) == set(split.train)
    annotated = to_plain(mark_annotated(project.dataset, split.train))
    if not (is_same_plan and is_same_split and trained.facts.get("annotated", {}) == annotated):
        how = f": `{command}`" if command else ""
        raise WorkspaceError(
            f"{run.checkpoint}: was trained under another plan, data or split. Train it anew with --restart{how} (the "
            "old run is moved aside), or restore them."
        )


def warn_of_other_wishes(project: Project, order: FoldOrder) -> None:
    """Say what a trained fold was not trained with, though it is asked for now."""
    facts = read_checkpoint(order.run.checkpoint).facts
    base_length = facts.get("base_length", facts.get("length"))
    if base_length != to_plain(order.length):
        project.reporter.warn(
            f"It was trained for {describe_length(Length.model_validate(base_length))}, not "
            f"{describe_length(order.length)}. --extend trains it further, --restart anew."
        )
    if facts.get("seed") != order.seed:
        project.reporter.warn(f"It was trained with another seed ({facts.get('seed')}). --restart trains it anew.")
    if order.pretrained is not None and facts.get("pretrained") != str(order.pretrained):
        project.reporter.warn(f"It did not begin with {order.pretrained}. --restart trains it anew.")


def move_aside(project: Project, run: Run) -> None:
    """Give a run another name, under which nothing reads it."""
    if is_first() and run.root.is_dir():
        number = 1
        while (old := run.root.with_name(f"{run.root.name}.old{number}")).exists():
            number += 1
        with holding(run.lock):
            run.root.replace(old)
        project.reporter.say(f"The run before is kept: {old}")
    wait_for_all()


def read_current_report(order: FoldOrder) -> Report | None:
    """The scores of the fold's validation cases, None if they are still to be made."""
    path = order.run.report
    if not path.is_file():
        return None
    report = parse_record(Report, read_json(path), where=str(path))
    return report if {case.case_id for case in report.cases} == set(order.split.validation) else None
