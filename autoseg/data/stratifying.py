"""How are units dealt out to folds, so that folds are alike in size and in the labels that they hold?

A unit is what must stay together: a case, or the cases of one patient. Source: Sechidis et al., On the Stratification
of Multi-Label Data, ECML PKDD 2011 (iterative stratification): the rarest label first, each unit to the fold that lacks
it most. Beyond that source, sizes come first: units of one case fill folds that differ by one case at most, and no fold
stays empty.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

Folds = list[list[int]]


class Unit(NamedTuple):
    """What stays on one side of every split: its number of cases, and the number of them that hold each label."""

    n_cases: int
    holding: dict[str, int]


class Lack(NamedTuple):
    """A label that a side of a fold has no case of, although others hold it: by name, fold, side, and units holding."""

    label: str
    fold: int
    side: str
    n_units: int


@dataclass
class _Room:
    """What a fold has, and what it still desires: cases, and cases that hold each label."""

    units: list[int]
    n_cases: int
    cases: float
    labels: dict[str, float]

    def take(self, index: int, unit: Unit) -> None:
        self.units.append(index)
        self.n_cases += unit.n_cases
        self.cases -= unit.n_cases
        for label, n in unit.holding.items():
            if label in self.labels:
                self.labels[label] -= n


def deal_units(units: Sequence[Unit], n_folds: int, labels: Collection[str] = (), *, seed: int) -> Folds:
    """Indices of the units that each fold validates.

    Args:
        units: at least as many as folds.
        n_folds: folds.
        labels: labels to balance; without any, folds are alike in their number of cases alone.
        seed: the order in which units of the same size are dealt.
    """
    totals = {label: sum(unit.holding.get(label, 0) for unit in units) for label in labels}
    n_cases = sum(unit.n_cases for unit in units)
    rooms = [
        _Room([], 0, n_cases / n_folds, {label: total / n_folds for label, total in totals.items()})
        for _ in range(n_folds)
    ]
    shuffled = np.random.RandomState(seed).permutation(len(units)).tolist()
    waiting = sorted(shuffled, key=lambda index: -units[index].n_cases)  # large ones first: small ones fill the gaps
    while waiting:
        label = _find_rarest(units, waiting, labels)
        for index in [one for one in waiting if label is None or units[one].holding.get(label)]:
            _choose_room(rooms, units[index], label, len(waiting), n_cases).take(index, units[index])
            waiting.remove(index)
    return [sorted(room.units) for room in rooms]


def find_lacks(units: Sequence[Unit], folds: Folds, labels: Collection[str]) -> tuple[Lack, ...]:
    """Where a fold lacks a label that it could have.

    A validation could have a label that as many units hold as there are folds; a training one that two units hold.
    """
    lacks = []
    for label in labels:
        holders = {index for index, unit in enumerate(units) if unit.holding.get(label)}
        for fold, chosen in enumerate(folds):
            if len(holders) >= len(folds) and not holders & set(chosen):
                lacks.append(Lack(label, fold, "validate", len(holders)))
            if len(holders) >= 2 and holders <= set(chosen):
                lacks.append(Lack(label, fold, "train", len(holders)))
    return tuple(lacks)


def _find_rarest(units: Sequence[Unit], waiting: Sequence[int], labels: Collection[str]) -> str | None:
    """The label that the fewest waiting units hold, the first by name among equals; None where none holds any."""
    counts = {label: sum(bool(units[index].holding.get(label)) for index in waiting) for label in labels}
    held = [(n, label) for label, n in counts.items() if n]
    return min(held)[1] if held else None


def _choose_room(rooms: Sequence[_Room], unit: Unit, label: str | None, n_waiting: int, n_cases: int) -> _Room:
    """Of the folds that may take a unit, the one that desires the label most; then cases; then the first."""
    empty = [room for room in rooms if not room.units]
    allowed = empty if n_waiting <= len(empty) else rooms
    floor, n_larger = divmod(n_cases, len(rooms))
    share = floor + (sum(room.n_cases > floor for room in rooms) < n_larger)
    fitting = [room for room in allowed if room.n_cases + unit.n_cases <= share]
    return max(fitting or allowed, key=lambda room: (room.labels[label] if label else 0.0, room.cases))
