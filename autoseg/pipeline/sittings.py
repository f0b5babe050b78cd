"""How long does the next sitting of a fold's training last, and where does it begin?

From the start, from where an earlier sitting stopped, or beyond the end of a finished one (`--extend`).
"""

from __future__ import annotations

from dataclasses import dataclass

from autoseg.errors import WorkspaceError
from autoseg.planning.choices import Length
from autoseg.training.continuing import Saved, read_saved
from autoseg.training.spending import extend_length
from autoseg.workspace import Run


@dataclass(frozen=True)
class Sitting:
    """What is to be done for a fold.

    Attributes:
        length: of the whole training.
        base_length: of the training before it was extended, None where it never was.
        sentence: where it begins, for a person.
    """

    length: Length
    base_length: Length | None
    sentence: str


def plan_sitting(run: Run, wanted: Length, extra: Length | None, *, what: str) -> Sitting | None:
    """What is to be done; None if the fold is trained already and nobody asks for more.

    An extension that was interrupted is finished before another one is added.

    Args:
        run: files of the fold.
        wanted: the length that was asked for.
        extra: what `--extend` adds to it.
        what: name of the fold for sentences.

    Raises:
        WorkspaceError: there is nothing to extend.
    """
    saved = read_saved(run.resume)
    if saved is not None and not saved.is_finished:
        return _continue(saved, wanted, extra, what)
    if extra is not None:
        if saved is None:
            raise WorkspaceError(
                f"{run.resume}: --extend needs the state of an earlier training of {what}, but there is none. Train it "
                "first, without --extend."
            )
        longer = extend_length(saved.length, extra, iteration_s=saved.iteration_s)
        sentence = f"Extending {what} from {describe_length(saved.length)} to {describe_length(longer)}."
        return Sitting(longer, saved.base_length, sentence)
    if run.checkpoint.is_file():
        return None
    return Sitting(wanted, None, f"Training {what} for {describe_length(wanted)}.")


def _continue(saved: Saved, wanted: Length, extra: Length | None, what: str) -> Sitting:
    sentence = (
        f"Continuing {what} from iteration {saved.iteration:,}, {saved.share:.0%} of {describe_length(saved.length)}."
    )
    if extra is not None:
        sentence += " It is finished first: say --extend again for more."
        wanted = saved.length
    if saved.length != saved.base_length:
        return Sitting(saved.length, saved.base_length, sentence)
    return Sitting(wanted, None, sentence)


def describe_length(length: Length) -> str:
    """A length in words."""
    if length.train_time_s is not None:
        minutes = f"{length.train_time_s / 60:.4g}"
        return f"{minutes} minute{'' if minutes == '1' else 's'}"
    return f"{length.n_iterations or 0:,} iterations"
