"""What happened in each epoch: one line of `history.jsonl`, written the moment the epoch ends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autoseg.serialization import Record, dump_json, parse_record, read_json_lines, write_text


class Epoch(Record):
    """One epoch of training.

    Attributes:
        epoch: 1, 2, ...
        iteration: iterations done since the start of training.
        spent_s: wall-clock seconds spent since the start of training.
        share: of the whole training that is spent, 0 to 1.
        learning_rate: at the end of the epoch.
        loss: mean training loss of the epoch.
        terms: mean of each term on the finest level.
        validation_dice: Dice of each foreground label over a fixed set of validation patches (not whole cases), None
            where neither reference nor prediction has the label.
        iteration_s: mean seconds per training iteration.
        waiting_share: share of the epoch's time that training waited for data.
        n_skipped: iterations that changed nothing, because their loss or gradient was not finite.
        whole_case_dice: mean Dice of whole validation cases, where the epoch ended with predicting them.
        memory_gb: peak memory of the process, or of the device where there is one, since training began or continued.
    """

    epoch: int
    iteration: int
    spent_s: float
    share: float
    learning_rate: float
    loss: float
    terms: dict[str, float]
    validation_dice: dict[str, float | None]
    iteration_s: float
    waiting_share: float
    memory_gb: float
    n_skipped: int = 0
    whole_case_dice: float | None = None

    @property
    def mean_dice(self) -> float | None:
        """Mean over the labels that have a Dice."""
        known = [dice for dice in self.validation_dice.values() if dice is not None]
        return sum(known) / len(known) if known else None


def append_epoch(path: Path, epoch: Epoch) -> None:
    """Add a line to the history."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(dump_json(epoch, indent=None) + "\n")


def read_history(path: Path) -> tuple[Epoch, ...]:
    """Read all finished epochs; none if there is no history yet."""
    if not path.is_file():
        return ()
    return tuple(parse_record(Epoch, line, where=str(path)) for line in read_json_lines(path))


def write_history(path: Path, epochs: Sequence[Epoch]) -> None:
    """Write these epochs and no others: what was appended after the state was saved is done again."""
    write_text(path, "".join(dump_json(epoch, indent=None) + "\n" for epoch in epochs))
