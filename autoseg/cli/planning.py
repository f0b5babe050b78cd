"""`plan`: decide everything; check, compare and edit plans; plan from a fingerprint alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from autoseg.cli.console import TerminalReporter, print_json
from autoseg.cli.options import (
    AUTO,
    AsJson,
    AugmentationPreset,
    Epochs,
    GpuMemories,
    Network,
    Rules,
    Size,
    TrainTime,
    Variant,
    WorkspaceFolder,
)
from autoseg.cli.plan_options import (
    Assignments,
    CheckedPlan,
    ComparedPlans,
    FingerprintFile,
    Fresh,
    PlannedDataset,
    PlannedDevice,
    PlanOutput,
    Start,
    list_given,
    parse_memories,
    refuse_nonsense,
)
from autoseg.cli.wishing import make_wishes
from autoseg.errors import UsageError

if TYPE_CHECKING:
    from autoseg.pipeline.replanning import Edits
    from autoseg.planning.plan import Plan
    from autoseg.planning.wishes import Wishes

FINGERPRINT, VARIANTS = "fingerprint.json", "variants"  # as a workspace has them


@dataclass(frozen=True)
class Asked:
    """What the options say, as plans are made from it.

    Attributes:
        wishes: but for the memory, which may be asked for several times.
        memories_gb: of each device to plan for; none for the one that there is.
        edits: what was set by hand.
        device: its name, None where nobody said.
        as_json: print plans for a machine.
    """

    wishes: Wishes
    memories_gb: tuple[float, ...]
    edits: Edits
    device: str | None
    as_json: bool

    def wishes_for(self, memory_gb: float | None) -> Wishes:
        """The wishes for one of the devices."""
        return self.wishes if memory_gb is None else self.wishes.model_copy(update={"gpu_memory_gb": memory_gb})


def plan(
    context: typer.Context,
    dataset: PlannedDataset = None,
    workspace: WorkspaceFolder = None,
    variant: Variant = None,
    gpu_memory: GpuMemories = None,
    train_time: TrainTime = None,
    epochs: Epochs = None,
    network: Network = None,
    size: Size = None,
    rules: Rules = None,
    augmentation: AugmentationPreset = None,
    device: PlannedDevice = None,
    start: Start = None,
    assignments: Assignments = None,
    fresh: Fresh = False,
    check: CheckedPlan = None,
    diff: ComparedPlans = None,
    fingerprint: FingerprintFile = None,
    output: PlanOutput = None,
    as_json: AsJson = False,
) -> None:
    """Decide everything for a dataset and a budget. Every decision stands in plan.yaml with its reason.

    What was set by hand in the plan that stands is kept, and the rest derived from it.
    """
    refuse_nonsense(list_given(context))
    if check is not None:
        check_file(check, fingerprint, as_json=as_json)
        return
    if diff is not None:
        compare_files(*diff, as_json=as_json)
        return
    from autoseg.pipeline.replanning import Edits

    asked = Asked(
        wishes=make_wishes(
            AUTO if AUTO in (gpu_memory or []) else None, train_time, epochs, network, size, rules, augmentation
        ),
        memories_gb=parse_memories(gpu_memory or []),
        edits=Edits(start=start, assignments=tuple(assignments or ()), fresh=fresh),
        device=device,
        as_json=as_json,
    )
    if dataset is not None:
        plan_dataset(dataset, workspace, variant, asked)
    elif fingerprint is not None:
        plan_from_fingerprint(fingerprint, output, asked)


def check_file(path: Path, fingerprint: Path | None, *, as_json: bool) -> None:
    """Print every finding about a plan file; exit code 2 if one is an error."""
    from autoseg.cli.plan_tables import print_findings
    from autoseg.fingerprinting.fingerprint_file import read_fingerprint
    from autoseg.planning.inspecting import inspect_plan

    known = fingerprint or _find_fingerprint(path)
    findings = inspect_plan(path, read_fingerprint(known) if known else None)
    if as_json:
        print_json(findings)
    else:
        print_findings(findings, path)
        if known is None:
            TerminalReporter().say("The rules were not asked: give --fingerprint FILE to hear what they say.")
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(2)


def _find_fingerprint(plan: Path) -> Path | None:
    """The fingerprint of a plan in a workspace: beside it, or for a variant's two folders up."""
    folder = plan.absolute().parent
    folders = (folder, folder.parent.parent) if folder.parent.name == VARIANTS else (folder,)
    return next((place / FINGERPRINT for place in folders if (place / FINGERPRINT).is_file()), None)


def compare_files(first: Path, second: Path, *, as_json: bool) -> None:
    """Print what differs between two plan files, and what it costs."""
    from autoseg.cli.plan_tables import print_comparison
    from autoseg.planning.differing import compare_plans
    from autoseg.planning.plan_file import read_edited_plan

    comparison = compare_plans(read_edited_plan(first), read_edited_plan(second))
    if as_json:
        print_json(comparison)
    else:
        print_comparison(comparison)


def plan_dataset(dataset: Path, workspace: Path | None, variant: str | None, asked: Asked) -> None:
    """Make and print the plan of a dataset, or one plan for each of several memories."""
    from autoseg.pipeline.project import open_project
    from autoseg.pipeline.replanning import replan
    from autoseg.planning.devices import assume_gpu

    if len(asked.memories_gb) > 1 and variant is not None:
        raise UsageError("--variant names one plan, but --gpu-memory is given several times, and names each of them.")

    def make(memory_gb: float | None, variant: str | None) -> Plan:
        project = open_project(dataset, workspace=workspace, variant=variant, reporter=TerminalReporter())
        facts = assume_gpu(memory_gb) if memory_gb and len(asked.memories_gb) > 1 and asked.device is None else None
        return replan(project, asked.wishes_for(memory_gb), asked.edits, device=asked.device or AUTO, facts=facts)

    if len(asked.memories_gb) > 1:
        _show_several({name: make(memory_gb, name) for name, memory_gb in _name_variants(asked)}, asked)
    else:
        made = make(next(iter(asked.memories_gb), None), variant)
        _show(made, asked, hint=f"`autoseg explain {dataset}` tells why.")


def plan_from_fingerprint(path: Path, output: Path | None, asked: Asked) -> None:
    """Make and print a plan without any image; nothing is written but the output."""
    from autoseg.fingerprinting.fingerprint_file import read_fingerprint
    from autoseg.pipeline.replanning import replan_fingerprint
    from autoseg.planning.plan_file import write_plan

    if len(asked.memories_gb) > 1 and output is not None:
        raise UsageError("--output is one file, but --gpu-memory is given several times. Use --json, or one memory.")
    fingerprint, reporter = read_fingerprint(path), TerminalReporter()

    def make(memory_gb: float | None) -> Plan:
        wishes = asked.wishes_for(memory_gb)
        return replan_fingerprint(fingerprint, wishes, asked.edits, device=asked.device, reporter=reporter)

    if len(asked.memories_gb) > 1:
        _show_several({name: make(memory_gb) for name, memory_gb in _name_variants(asked)}, asked)
        return
    made = make(next(iter(asked.memories_gb), None))
    if output is not None:
        write_plan(output, made)
    _show(made, asked, hint=f"Plan: {output}" if output else "--output PLAN writes it to a file, with all reasons.")


def _name_variants(asked: Asked) -> list[tuple[str, float]]:
    return [(f"{memory_gb:g}gb", memory_gb) for memory_gb in asked.memories_gb]


def _show(made: Plan, asked: Asked, *, hint: str) -> None:
    from autoseg.cli.plan_tables import print_plan, say
    from autoseg.planning.plan_file import seal_plan

    if asked.as_json:
        print_json(seal_plan(made))
        return
    print_plan(made)
    say(hint)


def _show_several(plans: dict[str, Plan], asked: Asked) -> None:
    from autoseg.cli.plan_tables import print_variants
    from autoseg.planning.plan_file import seal_plan

    if asked.as_json:
        print_json({name: seal_plan(made) for name, made in plans.items()})
        return
    print_variants(plans)
