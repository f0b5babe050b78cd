"""Where is a comparison kept, and what may it not replace?

Each has a folder of its own, `benchmark/comparisons/<configuration>-<digest>`, so that another one on other terms
replaces nothing. The latest lies in `benchmark` as well, where it is easy to find.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autoseg.errors import AutosegError, UsageError
from autoseg.evaluation.benchmark import Benchmark, MethodResult
from autoseg.pipeline.benchmarking.entering import Entrant
from autoseg.pipeline.benchmarking.executing import Task
from autoseg.pipeline.benchmarking.grounds import CommonGround
from autoseg.pipeline.benchmarking.pictures import draw_cases
from autoseg.pipeline.benchmarking.predictions import find_predictions
from autoseg.pipeline.project import Project
from autoseg.publishing.overlays import MethodOverlay
from autoseg.publishing.page import write_page
from autoseg.serialization import digest, parse_record, read_json, write_json
from autoseg.workspace import Workspace

REPORT, PAGE = "report.json", "report.html"
KEPT = "comparisons"
SHORT = 8  # digits of a digest that people may have to type


def refuse_foreign(output: Path | None) -> None:
    """Raise UsageError for a folder that holds a report of another kind, before anything is run."""
    path = None if output is None else output / REPORT
    if path is not None and path.exists() and read_benchmark(path) is None:
        raise UsageError(f"-o {output}: its {REPORT} is not that of a comparison. Choose another folder.")


def read_benchmark(path: Path) -> Benchmark | None:
    """A comparison that was kept; None for any other file."""
    try:
        content: Any = read_json(path)
        is_benchmark = isinstance(content, dict) and "autoseg_benchmark" in content
        return parse_record(Benchmark, content, where=str(path)) if is_benchmark else None
    except (AutosegError, OSError):
        return None


def find_folder(ground: CommonGround, names: Sequence[str], tasks: Sequence[Task]) -> Path:
    """The folder of a comparison, named after its methods and all that their runs follow from.

    Args:
        names: of the methods, also of those that cannot be run.
        tasks: its runs.
    """
    workspace = ground.project.workspace
    runs = [task.run.root.relative_to(workspace.benchmark).as_posix() for task in tasks]
    obeyed = digest([list(names), runs, ground.folds, ground.terms.seeds, ground.terms.budget.words])
    return workspace.benchmark / KEPT / f"{ground.configuration}-{obeyed[:SHORT]}"


def draw_all(
    ground: CommonGround, entrants: Sequence[Entrant], results: Sequence[MethodResult], tasks: Sequence[Task]
) -> list[MethodOverlay]:
    """Pictures of every method that has a result."""
    overlays: list[MethodOverlay] = []
    for entrant, result in zip(entrants, results, strict=True):
        if result.pooled is None:
            continue
        files = _find_files(ground, entrant, tasks)
        try:
            overlays += draw_cases(ground.project, result, files)
        except AutosegError as problem:  # a file that was spoilt since: the page is written without it
            ground.project.reporter.warn(f"{result.name}: no pictures ({problem})")
    return overlays


def _find_files(ground: CommonGround, entrant: Entrant, tasks: Sequence[Task]) -> dict[str, Path]:
    """What a method predicted, by case; of several seeds by the first."""
    contender = entrant.contender
    if contender.folder is not None:
        return find_predictions(contender.folder, ground.project.dataset.file_ending)
    ending = ground.project.dataset.file_ending
    runs = {task.fold: task.run for task in reversed(tasks) if task.method == contender.name}
    return {case_id: runs[fold].validation / f"{case_id}{ending}" for case_id, fold in ground.fold_of.items()}


def keep(
    project: Project, benchmark: Benchmark, own: Path, output: Path | None, overlays: Sequence[MethodOverlay]
) -> None:
    """Write the comparison and its page, and say where.

    Args:
        own: the comparison's own folder.
        output: where a person wants it instead.
    """
    places = [output] if output is not None else [own, project.workspace.benchmark]
    for place in places:
        if place == output:
            _say_what_is_replaced(project, benchmark, place)
        write_json(place / REPORT, benchmark)
        write_page(benchmark, place, overlays=overlays, label_names=project.dataset.labels.names)
    kept = "" if output is not None else f"; kept as {_name(own, project.workspace)}, whatever is compared next"
    project.reporter.say(f"The comparison: {places[-1] / PAGE}{kept}.")


def _say_what_is_replaced(project: Project, benchmark: Benchmark, place: Path) -> None:
    before = read_benchmark(place / REPORT)
    if before is not None and before.command != benchmark.command:
        project.reporter.warn(f"{place / REPORT}: replaces an earlier comparison on other terms: {before.command}")


def _name(folder: Path, workspace: Workspace) -> str:
    return folder.relative_to(workspace.benchmark.parent).as_posix()
