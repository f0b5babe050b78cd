"""What fits beside a progress bar? The state of a training in one line, with as much detail as the line holds."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from autoseg.training.history import Epoch
from autoseg.training.watching import Step

NOTE_WIDTH = 118  # characters; a narrower terminal cuts the end
GAP = "  "


def write_note(step: Step, latest: Epoch | None, predicted_gb: float, *, width: int = NOTE_WIDTH) -> str:
    """Loss and its terms, Dice per label of the last epoch, rate, share of time waiting, memory measured/predicted.

    Where the line is too short, terms are abbreviated, then left out, and only then labels but for the worst.
    """
    rest = [
        write_rate(step.iteration_s),
        f"wait {step.waiting_share:.0%}",
        f"{step.memory_gb:.2f}/{predicted_gb:.2f} GB",
    ]
    dice = list_dice(latest.validation_dice, latest.mean_dice) if latest is not None else [""]
    notes = (
        GAP.join(part for part in (loss, shown, *rest) if part)
        for shown, loss in product(dice, list_losses(step.loss, step.terms))
    )
    shortest = ""
    for note in notes:
        if len(note) <= width:
            return note
        shortest = min(shortest or note, note, key=len)
    return shortest[:width]


def list_losses(loss: float, terms: Mapping[str, float]) -> list[str]:
    """The loss in words, the most detailed first."""
    bare = f"loss {loss:.3f}"
    if len(terms) < 2:
        return [bare]
    initials = {"".join(word[0] for word in name.split("_")) or name: value for name, value in terms.items()}
    named = [terms, *([initials] if len(initials) == len(terms) else [])]
    return [*(f"{bare} ({', '.join(f'{name} {value:.2f}' for name, value in one.items())})" for one in named), bare]


def list_dice(dice: Mapping[str, float | None], mean: float | None) -> list[str]:
    """Dice in words, the most detailed first: every label, the worst one, the mean alone; nothing where undefined."""
    known = {name: value for name, value in dice.items() if value is not None}
    if mean is None or not known:
        return [""]
    bare = f"Dice {mean:.3f}"
    if len(known) == 1:
        return [bare]
    every = ", ".join(f"{name} {value:.2f}" for name, value in known.items())
    worst = min(known, key=lambda name: known[name])
    return [f"{bare} ({every})", f"{bare} ({len(known)} labels, worst {worst} {known[worst]:.2f})", bare]


def write_rate(iteration_s: float) -> str:
    """Iterations per second, or seconds per iteration where these are longer."""
    if iteration_s <= 0:
        return ""
    return f"{1 / iteration_s:.1f} it/s" if iteration_s <= 1 else f"{iteration_s:.1f} s/it"
