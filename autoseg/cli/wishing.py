"""What a person asked for, out of options: the budget, the rules, the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autoseg.cli.options import parse_memory

if TYPE_CHECKING:
    from autoseg.planning.wishes import Wishes


def make_wishes(
    gpu_memory: str | None = None,
    train_time: float | None = None,
    epochs: int | None = None,
    network: str | None = None,
    size: str | None = None,
    rules: str | None = None,
    augmentation: str | None = None,
) -> Wishes:
    """What a person asked for, as the planner reads it; what was not asked for is left open.

    `auto` for the memory, or the `default` augmentation, is asked for as well: it takes back what was asked for before.

    Raises:
        UsageError: an option has a value that does not exist, or two options contradict each other.
    """
    from autoseg.planning.wishes import Wishes

    refuse_two_lengths(train_time, epochs)
    refuse_unknown("--size", size, Wishes.model_fields["size"].annotation)
    refuse_unknown("--rules", rules, Wishes.model_fields["rules"].annotation)
    refuse_unknown("--augmentation", augmentation, Wishes.model_fields["augmentation"].annotation)
    said: dict[str, Any] = {
        "train_time_s": train_time,
        "n_epochs": epochs,
        "network": network,
        "size": size,
        "rules": rules,
        "augmentation": augmentation,
    }
    uttered = {name: value for name, value in said.items() if value is not None}
    return Wishes(**uttered) if gpu_memory is None else Wishes(gpu_memory_gb=parse_memory(gpu_memory), **uttered)


def refuse_two_lengths(*lengths: float | None) -> None:
    """Raise UsageError if more than one length of training was given."""
    from autoseg.errors import UsageError

    if sum(length is not None for length in lengths) > 1:
        raise UsageError("--train-time, --epochs and --iterations each set the length of training. Give one of them.")


def refuse_unknown(option: str, word: str | None, annotation: Any) -> None:
    """Raise UsageError for a word that is none of a literal type's."""
    from autoseg.errors import UsageError
    from autoseg.schemas import list_literals
    from autoseg.serialization import did_you_mean

    known = list_literals(annotation)
    if word is not None and word not in known:
        raise UsageError(f"{option} {word}: there is no such choice.{did_you_mean(word, known)}")
