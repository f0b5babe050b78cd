"""From a dataset to its plan: fingerprint, device and plan, each made if missing or stale.

Every function here returns the artifact, reading it where it is current and making it where it is not, and says so.
Nothing here loads torch or reads an image that was measured before.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from autoseg.errors import AutosegError, UsageError, WorkspaceError
from autoseg.fingerprinting.fingerprint import FORMAT, Fingerprint
from autoseg.pipeline.project import Project
from autoseg.planning.advising import find_advice
from autoseg.planning.devices import DeviceFacts, assume_gpu, measure_device, parse_device
from autoseg.planning.explaining import list_decisions
from autoseg.planning.pinning import NO_PINS, Pins
from autoseg.planning.plan import Plan
from autoseg.planning.plan_file import read_plan, write_plan
from autoseg.planning.planner import make_plan
from autoseg.planning.validation import check_plan
from autoseg.planning.wishes import Wishes
from autoseg.serialization import did_you_mean, parse_record, read_json, write_json
from autoseg.workspace import Workspace

WARNING = "WARNING: "  # how a reason begins that a person should read
RIVALS = ({"train_time_s", "n_epochs"}, {"network", "size"})  # wishes of which one takes the other's place


def ensure_fingerprint(project: Project) -> Fingerprint:
    """The dataset's fingerprint; only cases whose files changed are measured again."""
    path = project.workspace.fingerprint
    known = _read_known_fingerprint(path)
    if known is not None and known.listing == project.listing:
        return known
    from autoseg.fingerprinting.measuring import measure_fingerprint

    with project.reporter.follow("Measuring the fingerprint", len(project.dataset.cases)) as advance:
        fingerprint = measure_fingerprint(
            project.dataset, known=known, on_progress=lambda done, total: advance(done, "")
        )
    fingerprint = fingerprint.model_copy(update={"listing": project.listing})
    write_json(path, fingerprint)
    project.reporter.say(f"Fingerprint of {fingerprint.n_cases} cases: {path}")
    for oddity in fingerprint.warnings:
        project.reporter.warn(oddity.message)
    return fingerprint


def _read_known_fingerprint(path: Path) -> Fingerprint | None:
    """What was measured before, None if there is nothing or it was measured by another version."""
    if not path.is_file():
        return None
    content = read_json(path)
    if not isinstance(content, dict) or content.get("autoseg_fingerprint") != FORMAT:
        return None
    return parse_record(Fingerprint, content, where=str(path))


def ensure_device(project: Project, device: str = "auto") -> DeviceFacts:
    """What the device can do: measured once for a workspace, so that planning again gives the same plan.

    Speeds come from `autoseg probe`, where it measured this device for all the datasets around.
    """
    place = project.workspace.device
    facts = _read_device(place, device)
    if facts is None:
        facts = measure_device(device)
        write_json(place, facts)
    probed = _read_device(project.workspace.probed_device, device)
    if facts.speeds or probed is None or not is_same_device(facts, probed):
        return facts
    return facts.model_copy(update={"speeds": probed.speeds})


def _read_device(place: Path, device: str) -> DeviceFacts | None:
    """Stored facts, if they are of the device that was named."""
    if not place.is_file():
        return None
    facts = parse_record(DeviceFacts, read_json(place), where=str(place))
    kind, index = parse_device(device)
    is_meant = kind == "auto" or (kind, index) == (facts.device, facts.index)
    return facts if is_meant else None


def is_same_device(one: DeviceFacts, other: DeviceFacts) -> bool:
    """Whether facts are of the same processor or GPU; a name that nobody knows could be any."""
    names = {one.name, other.name} - {""}
    return (one.device, one.index) == (other.device, other.index) and len(names) <= 1


def ensure_plan(project: Project, wishes: Wishes | None = None, *, device: str = "auto") -> Plan:
    """The plan; made if there is none, made anew if it is stale or a new wish reaches it before any training.

    What was wished for before stays wished for unless the new wish says otherwise. A plan that was edited by hand, or
    that a fold was trained under, is never replaced silently.

    Raises:
        WorkspaceError: such a plan no longer fits the dataset.
        PlanError: the plan contradicts itself.
    """
    fingerprint = ensure_fingerprint(project)
    path = project.workspace.plan
    if not path.is_file():
        _refuse_unknown_variant(project.workspace)
        return renew_plan(project, wishes or Wishes(), device=device)
    plan = read_plan(path)
    wanted = merge_wishes(plan.wishes, wishes)
    is_free = not plan.pinned and not has_runs(project.workspace)
    if plan.fingerprint_digest != fingerprint.digest:
        if not is_free:
            raise WorkspaceError(
                f"{path}: the dataset changed since this plan was made. Plan anew with `autoseg plan`, which keeps the "
                "old plan beside the new one, or restore the data."
            )
        project.reporter.say("The dataset changed since the plan was made; planning anew.")
        return renew_plan(project, wanted, device=device)
    if wanted != plan.wishes:
        if is_free:
            project.reporter.say("Planning anew for the budget that was asked for: nothing has been trained yet.")
            return renew_plan(project, wanted, device=device)
        project.reporter.say(f"Keeping the plan: {_why_kept(plan)}. `autoseg plan` makes a new one.")
    if plan.pinned:
        for remark in review_plan(project, plan):
            project.reporter.say(remark)
    return plan


def merge_wishes(before: Wishes, now: Wishes | None) -> Wishes:
    """Earlier wishes, with those that were uttered now in their place, and without what these rule out.

    A wish that is set to None takes an earlier one back, as `--gpu-memory auto` does, and so does a default.
    """
    said = {name: getattr(now, name) for name in now.model_fields_set} if now else {}
    uttered = {name: value for name, value in said.items() if value is not None}
    replaced = {name for rivals in RIVALS if rivals & set(uttered) for name in rivals} | set(said)
    fields = Wishes.model_fields.items()
    kept = {name: getattr(before, name) for name, field in fields if name not in replaced}
    unusual = {name: value for name, value in kept.items() if value != Wishes.model_fields[name].default}
    return Wishes(**{**unusual, **uttered})


def renew_plan(
    project: Project, wishes: Wishes, *, device: str = "auto", pins: Pins = NO_PINS, facts: DeviceFacts | None = None
) -> Plan:
    """Make the plan for these wishes; another one that stood there is kept as `plan.old1.yaml`, ...

    Args:
        pins: what a person set by hand; the rest is derived from it.
        facts: of the device, instead of the stored ones.

    Raises:
        PlanError: what was pinned contradicts itself.
    """
    fingerprint = ensure_fingerprint(project)
    if facts is not None:  # of a device that is not here: what is planned anew later is for it as well
        write_json(project.workspace.device, facts)
    plan = make_plan(fingerprint, facts or ensure_device(project, device), wishes, pins)
    path = project.workspace.plan
    check_plan(plan, where=str(path))
    if path.is_file():
        _keep_old_plan(project, path, plan)
    write_plan(path, plan)
    project.reporter.say(f"Plan: {path}")
    for row in list_decisions(plan):
        if row.reason.startswith(WARNING):
            project.reporter.warn(f"{row.key}: {row.reason.removeprefix(WARNING)}")
    return plan


def plan_fingerprint(
    fingerprint: Fingerprint, wishes: Wishes, *, device: str | None = None, pins: Pins = NO_PINS
) -> Plan:
    """Plan from a fingerprint alone; nothing is written.

    Args:
        device: whose memory and speed to plan for; None plans for a GPU of the memory that was asked for, or 8 GB.
    """
    facts = assume_gpu() if device is None else _measure_or_assume(device, wishes)
    plan = make_plan(fingerprint, facts, wishes, pins)
    check_plan(plan, where="plan")
    return plan


def _measure_or_assume(device: str, wishes: Wishes) -> DeviceFacts:
    """What a device can do; a GPU that is not here is taken as it was asked for."""
    try:
        return measure_device(device)
    except UsageError:
        if wishes.gpu_memory_gb is None or parse_device(device)[0] != "cuda":
            raise
        return assume_gpu(wishes.gpu_memory_gb)


def review_plan(project: Project, plan: Plan) -> tuple[str, ...]:
    """What a person may want to know about a plan that was edited: where it no longer says what the rules say."""
    return tuple(str(advice) for advice in find_advice(plan, ensure_fingerprint(project)))


def _keep_old_plan(project: Project, path: Path, plan: Plan) -> None:
    """Copy a plan that is about to be replaced by another one; a file that is no plan any more is kept as well."""
    if _holds(path, plan):
        return
    number = 1
    while (kept := path.with_suffix(f".old{number}.yaml")).exists():
        number += 1
    shutil.copy2(path, kept)
    project.reporter.say(f"The plan before is kept: {kept}")


def _holds(path: Path, plan: Plan) -> bool:
    """Whether a file holds this very plan; one that cannot be read holds another."""
    try:
        return read_plan(path) == plan
    except AutosegError:
        return False


def _refuse_unknown_variant(workspace: Workspace) -> None:
    """A variant is made by `autoseg plan` alone, so that a mistyped name makes none."""
    if workspace.variant is None:
        return
    known = sorted(folder.name for folder in workspace.home.parent.glob("*") if folder.is_dir())
    raise WorkspaceError(f"There is no variant {workspace.variant}.{did_you_mean(workspace.variant, known)}")


def _why_kept(plan: Plan) -> str:
    return "it was edited by hand" if plan.pinned else "a fold was trained under it"


def has_runs(workspace: Workspace) -> bool:
    """Whether any fold was trained, wholly or in part."""
    names = [folder.name for folder in workspace.runs.glob("*")]
    runs = [run for name in names for run in workspace.find_runs(name).values()]
    return any(run.checkpoint.is_file() or run.resume.is_file() for run in runs)
