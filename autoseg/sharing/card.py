"""What should somebody know who is handed a model? The card beside its weights, for people.

Source: Mitchell et al., Model Cards for Model Reporting, arXiv 1810.03993: what it is, what it learned from, how good
it was and on what, what it is for and what not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autoseg.evaluation.report import Report
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.planning.plan import Plan

NO_LICENCE = "No licence was given. Ask the author before using or passing on this model."
NOT_SAID = "not said"
METRICS = ("dice", "precision", "recall")
MARKUP = re.compile(r"([\\`*_{}\[\]<>|])")

Row = Sequence[str]


@dataclass(frozen=True)
class Training:
    """One fold's training, as its checkpoint tells it.

    Attributes:
        plan, configuration, fold: what was trained.
        facts: of the training; see `stripping.strip_training`.
    """

    plan: Plan
    configuration: str
    fold: str
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class CardFacts:
    """What a card tells.

    Attributes:
        plan: of the workspace.
        names: configurations that predict together.
        trainings: every fold in the archive.
        fingerprint: of the training cases, None where nobody measured them.
        n_cases: of the dataset, where somebody counted them.
        reports: of the cross-validation, by candidate.
        afterwards: what is done to a segmentation, and why.
        needs: dotted paths of components whose code is not in the archive.
        version: of autoseg.
        command: what predicts, after installing.
        licence, author, note: a person's words.
    """

    plan: Plan
    names: tuple[str, ...]
    trainings: tuple[Training, ...]
    fingerprint: Fingerprint | None
    reports: Mapping[str, Report]
    afterwards: str
    needs: tuple[str, ...]
    version: str
    command: str
    licence: str = ""
    author: str = ""
    note: str = ""
    n_cases: int | None = None


def write_card(facts: CardFacts) -> str:
    """The card, as Markdown."""
    parts = [
        f"# {_plain(facts.plan.dataset)}: a segmentation model of autoseg",
        _introduce(facts),
        "## How to use it\n\n```\n" + facts.command + "\n```",
        *(["## What it needs\n\n" + _list_needs(facts.needs)] if facts.needs else []),
        "## What it was trained on\n\n" + _describe_data(facts),
        "## How it was trained\n\n" + _describe_training(facts),
        "## How good it was\n\n" + _describe_scores(facts),
        "## What it is for, and what not\n\n" + _describe_limits(facts),
    ]
    return "\n\n".join(parts) + "\n"


def _plain(text: object) -> str:
    """Text that Markdown leaves as it is, on one line."""
    return MARKUP.sub(r"\\\1", " ".join(str(text).split()))


def _introduce(facts: CardFacts) -> str:
    labels = facts.plan.labels
    values = [f"{_plain(name)} ({value})" for name, value in zip(labels.names, labels.values, strict=True)]
    regions = [
        f"{_plain(region.name)} = {' + '.join(_plain(labels.names[label]) for label in region.labels)}"
        for region in labels.regions
    ]
    lines = {
        "Licence": _plain(facts.licence) or NO_LICENCE,
        "Author": _plain(facts.author) or NOT_SAID,
        "Note": _plain(facts.note),
        "Origin": ", ".join(dict.fromkeys(map(_name_origin, facts.trainings))),
        "Input": f"{len(facts.plan.channels)} channel(s): {', '.join(map(_plain, facts.plan.channels))}",
        "Output": f"labels, with their numbers in files: {', '.join(values)}",
        "Regions": ", ".join(regions),
        "Configurations": " + ".join(facts.names),
        "Afterwards": _plain(facts.afterwards),
        "Written by": f"autoseg {facts.version}",
    }
    return "\n".join(f"- {name}: {text}" for name, text in lines.items() if text)


def _name_origin(training: Training) -> str:
    origin = training.facts.get("imported_from")
    if not origin:
        return "trained by autoseg"
    return _plain(f"{training.configuration} imported from {origin}, trained by {training.facts.get('nnunet_trainer')}")


def _list_needs(needs: Sequence[str]) -> str:
    return "\n".join(
        f"- `{need}` on PYTHONPATH, or installed: the archive holds its weights, but not its code" for need in needs
    )


def _describe_data(facts: CardFacts) -> str:
    fingerprint = facts.fingerprint
    if fingerprint is None:
        counted = f" of {facts.n_cases} cases" if facts.n_cases else ""
        return f"The dataset `{facts.plan.dataset}`{counted}; no facts of its cases are known."
    spacings, shapes = fingerprint.spacings_mm, fingerprint.shapes_after_cropping
    rows = [
        ("cases", str(fingerprint.n_cases)),
        ("spacing, mm (z, y, x)", _span(spacings, "{:.4g}")),
        ("shape, voxels (z, y, x), cropped to what is not zero", _span(shapes, "{:d}")),
        ("orientations", ", ".join(sorted({case.orientation for case in fingerprint.cases if case.orientation}))),
        *_describe_intensities(fingerprint),
    ]
    return f"The dataset `{facts.plan.dataset}`.\n\n" + _table(("what", "value"), [row for row in rows if row[1]])


def _span(values: np.ndarray, form: str) -> str:
    low, middle, high = values.min(0), np.median(values, axis=0), values.max(0)
    middles = ", ".join(f"{value:.4g}" for value in middle)
    ends = (", ".join(form.format(value) for value in end) for end in (low, high))
    return "{} to {}; median {}".format(*(f"({end})" for end in ends), f"({middles})")


def _describe_intensities(fingerprint: Fingerprint) -> Iterator[tuple[str, str]]:
    ranges = np.array([case.channel_ranges for case in fingerprint.cases if case.channel_ranges])
    for index, channel in enumerate(fingerprint.channels):
        if ranges.size:
            low, high = ranges[:, index, 0].min(), ranges[:, index, 1].max()
            yield f"intensities of {_plain(channel)}", f"{low:g} to {high:g}"
        facts = fingerprint.intensities[index] if fingerprint.intensities else None
        if facts is not None:
            shown = f"mean {facts.mean:.4g}, deviation {facts.std:.4g}, "
            shown += f"0.5 to 99.5% {facts.percentile_00_5:.4g} to {facts.percentile_99_5:.4g}"
            yield f"foreground of {_plain(channel)}", shown


def _describe_training(facts: CardFacts) -> str:
    columns = ("configuration", "fold", "cases", "iterations", "hours", "seed", "device", "precision", "torch")
    rows = [_describe_fold(training) for training in facts.trainings]
    networks = {training.configuration: training.plan for training in facts.trainings}
    return "\n\n".join([_table(columns, rows), *(_describe_network(plan, name) for name, plan in networks.items())])


def _describe_fold(training: Training) -> tuple[str, ...]:
    facts = training.facts
    hours = f"{facts['spent_s'] / 3600:.2f}" if isinstance(facts.get("spent_s"), int | float) else "-"
    epochs = f"{facts['epochs']} epochs" if facts.get("epochs") else "-"
    told = [facts.get("n_train") or "-", facts.get("iterations") or epochs]
    rest = ["-" if facts.get(name) is None else facts[name] for name in ("seed", "device", "precision", "torch")]
    return (training.configuration, training.fold, *map(_plain, [*told, hours, *rest]))


def _describe_network(plan: Plan, name: str) -> str:
    settings = plan.find_configuration(name)
    patch = " x ".join(map(str, settings.patch_size.value))
    spacing = " x ".join(f"{value:.4g}" for value in settings.spacing_mm.value)
    after = "" if settings.cascade is None else f" It sees the segmentation of {settings.cascade.previous.value}, too."
    return (
        f"`{name}`: network {_plain(settings.network.value)}, {settings.topology.value.n_stages} stages, features "
        f"{settings.features.value[0]} to {max(settings.features.value)}, patches of {patch} voxels at {spacing} mm, "
        f"batches of {settings.batch_size.value}.{after}"
    )


def _describe_scores(facts: CardFacts) -> str:
    if not facts.reports:
        return "No cross-validation was stored with this model: how good it is, nobody has said here."
    parts = [
        "Cross-validation: each case was segmented by the fold that did not train on it. Mean and sample standard "
        "deviation over the cases where a score is counted. On data from elsewhere, expect less."
    ]
    for candidate, report in facts.reports.items():
        rows = [
            (
                _plain(name),
                *(_score(metrics[metric].mean, metrics[metric].std) for metric in METRICS),
                str(metrics["dice"].n),
            )
            for name, metrics in report.summary.items()
        ]
        title = f"`{candidate}`, {report.n_cases} cases, mean Dice {report.mean_dice:.4f}:"
        parts += [title, _table(("label", *METRICS, "n"), rows)]
    return "\n\n".join(parts)


def _score(mean: float, std: float) -> str:
    return "-" if mean != mean else f"{mean:.4f}" + ("" if std != std else f" ± {std:.4f}")


def _describe_limits(facts: CardFacts) -> str:
    channels = ", ".join(map(_plain, facts.plan.channels))
    return (
        f"It segments images like those above: {channels}, in the same unit and body region, with a spacing and an "
        "orientation that training saw. `predict-ensemble` says where an image is unlike them; it cannot notice "
        "everything. Scanners, protocols, ages and diseases that training did not see may make it fail without a "
        "sign. It finds the labels above and nothing else, and where there is nothing to find it may still find "
        "something.\n\nIt is no medical device. Nobody has checked it for diagnosis or treatment; a person who can "
        "judge them has to look at its segmentations before anything follows from them."
    )


def _table(columns: Row, rows: Sequence[Row]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
