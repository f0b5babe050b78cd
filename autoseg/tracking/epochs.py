"""Which figures of an epoch does a tracker get, and what are they called?"""

from __future__ import annotations

from autoseg.training.history import Epoch


def list_scalars(epoch: Epoch) -> dict[str, float]:
    """The epoch's figures by name; what is undefined is left out. Dice of labels is over validation patches."""
    dice = {f"dice/{label}": value for label, value in epoch.validation_dice.items()}
    named = {
        "loss": epoch.loss,
        **{f"loss_term/{name}": value for name, value in epoch.terms.items()},
        **dice,
        "dice_mean": epoch.mean_dice,
        "dice_whole_cases": epoch.whole_case_dice,
        "learning_rate": epoch.learning_rate,
        "iterations_per_s": 1 / epoch.iteration_s if epoch.iteration_s > 0 else None,
        "waiting_share": epoch.waiting_share,
        "memory_gb": epoch.memory_gb,
        "skipped_iterations": float(epoch.n_skipped),
        "share": epoch.share,
    }
    return {name: value for name, value in named.items() if value is not None}
