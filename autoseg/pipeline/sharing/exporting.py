"""From a workspace to one file that somebody else can predict with: weights, plan, labels, and a card that says what
the model is. No image, no path and no id of a case goes along."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from autoseg.data.splits import ALL
from autoseg.errors import UsageError, WorkspaceError
from autoseg.evaluation.evaluating import make_report
from autoseg.evaluation.report import Report
from autoseg.evaluation.selecting import name_candidate
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.networks.checkpoint import read_tensors, write_tensors
from autoseg.pipeline.reporting import Advance, Reporter
from autoseg.pipeline.selection import HEADER, read_scores
from autoseg.pipeline.sharing.trained import Trained
from autoseg.planning.plan import Plan
from autoseg.planning.plan_file import write_plan
from autoseg.serialization import parse_record, read_json, write_json, write_text, write_yaml
from autoseg.sharing.card import CardFacts, Training, write_card
from autoseg.sharing.manifest import Manifest, Member, digest_model
from autoseg.sharing.names import CARD, DATASET, FINGERPRINT, METRICS, PLAN, SELECTION, name_weights
from autoseg.sharing.packing import Entry, write_archive
from autoseg.sharing.stripping import strip_dataset, strip_fingerprint, strip_report

ENDING = ".zip"


@dataclass(frozen=True)
class Words:
    """What a person says of a model: its licence, who made it, and a note."""

    licence: str = ""
    author: str = ""
    note: str = ""


def export_model(
    trained: Trained, path: Path, words: Words | None = None, *, reporter: Reporter | None = None
) -> Manifest:
    """Write a trained ensemble as one archive, atomically.

    Args:
        path: of the archive, `MODEL.zip`, where nothing is yet.

    Raises:
        UsageError: the name does not end in .zip.
        WorkspaceError: there is something at the path already, or a checkpoint is damaged.
    """
    if path.suffix.lower() != ENDING:
        raise UsageError(
            f"{path}: a model is exported as one archive whose name ends in {ENDING}, e.g. {path}{ENDING}."
        )
    words, reporter = words or Words(), reporter or Reporter()
    fingerprint, reports = _read_fingerprint(trained), _read_reports(trained)
    card = write_card(_gather_card(trained, words, fingerprint, reports, path.name))
    describe = partial(_describe, trained, words)
    entries = list(_list_entries(trained, card, fingerprint, reports))
    with reporter.follow(f"Writing {path.name}", len(entries)) as advance:
        return write_archive(path, _following(entries, advance), describe)


def _following(entries: Sequence[Entry], advance: Advance) -> Iterator[Entry]:
    for done, entry in enumerate(entries):
        yield entry
        advance(done + 1, entry[0])


def phrase_prediction(folder: Path | str, folds: Sequence[str]) -> str:
    """The command that predicts with an installed model."""
    options = [word for fold in folds for word in ("--fold", fold)]
    return shlex.join(["autoseg", "predict-ensemble", str(folder), *options]) + " -i IMAGES -o PREDICTIONS"


def _read_fingerprint(trained: Trained) -> Fingerprint | None:
    path = trained.place.fingerprint
    if not path.is_file():
        return None
    return strip_fingerprint(parse_record(Fingerprint, read_json(path), where=str(path), error=WorkspaceError))


def _read_reports(trained: Trained) -> dict[str, Report]:
    """Scores of the cross-validation: of each configuration, and of the ensemble if there are several."""
    place, plan = trained.place, trained.plan
    scored = {name: read_scores(place, plan, [name]) for name in trained.names}
    scored[name_candidate(trained.names)] = read_scores(place, plan, trained.names)
    reports = {name: make_report(cases, plan.labels) for name, cases in scored.items() if cases}
    return reports or _read_scores(place.root / METRICS)


def _read_scores(path: Path) -> dict[str, Report]:
    """What came along with a model that was installed."""
    stored = read_json(path) if path.is_file() else {}
    return {
        name: parse_record(Report, scores, where=str(path), error=WorkspaceError) for name, scores in stored.items()
    }


def _list_entries(
    trained: Trained, card: str, fingerprint: Fingerprint | None, reports: Mapping[str, Report]
) -> Iterator[Entry]:
    dataset = {"listing": "", "dataset": strip_dataset(trained.dataset)}
    yield CARD, lambda target: write_text(target, card)
    yield DATASET, lambda target: write_json(target, dataset)
    yield PLAN, lambda target: write_plan(target, trained.plan)
    yield SELECTION, lambda target: write_yaml(target, trained.selection, header=HEADER)
    if fingerprint is not None:
        yield FINGERPRINT, lambda target: write_json(target, fingerprint)
    if reports:
        scores = {name: strip_report(report) for name, report in reports.items()}
        yield METRICS, lambda target: write_json(target, scores)
    for path, training in zip(trained.checkpoints, trained.trainings, strict=True):
        yield name_weights(training.configuration, training.fold), _rewrite(path, training)


def _rewrite(path: Path, training: Training) -> Callable[[Path], None]:
    """Write a checkpoint with the same weights, whose header says of its training what may be said."""

    def write(target: Path) -> None:
        weights, content = read_tensors(path)
        write_tensors(target, weights, {**content, "plan": training.plan, "facts": training.facts})

    return write


def _describe(trained: Trained, words: Words, members: Mapping[str, Member]) -> Manifest:
    from autoseg import __version__

    return Manifest(
        autoseg=__version__,
        name=trained.dataset.name,
        model=digest_model(members),
        licence=_join_lines(words.licence),
        author=_join_lines(words.author),
        note=_join_lines(words.note),
        folds=_name_folds(trained),
        needs=trained.needs,
        members=dict(members),
    )


def _join_lines(text: str) -> str:
    return " ".join(text.split())


def _name_folds(trained: Trained) -> tuple[str, ...]:
    """The folds that prediction must be told of: a model of all cases is never taken unasked."""
    return tuple(map(str, trained.folds)) if ALL in trained.folds else ()


def _gather_card(
    trained: Trained, words: Words, fingerprint: Fingerprint | None, reports: Mapping[str, Report], name: str
) -> CardFacts:
    from autoseg import __version__

    afterwards: Any = trained.selection.postprocessing
    steps = " then ".join(_name_step(step.labels, trained.plan) for step in afterwards.value.steps)
    folder = Path(name).stem
    return CardFacts(
        plan=trained.plan,
        names=trained.names,
        trainings=trained.trainings,
        fingerprint=fingerprint,
        n_cases=trained.dataset.n_cases_declared,
        reports=reports,
        afterwards=f"{steps or 'nothing'} ({afterwards.reason})",
        needs=trained.needs,
        version=__version__,
        command=f"autoseg install {shlex.quote(name)} -o {shlex.quote(folder)}\n"
        + phrase_prediction(folder, _name_folds(trained)),
        **vars(words),
    )


def _name_step(labels: Sequence[int], plan: Plan) -> str:
    return f"keep the largest component of {' + '.join(plan.labels.names[label] for label in labels)}"
