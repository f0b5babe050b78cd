"""Is soft Dice taken over the whole batch, or per sample and then averaged? (batch dice)

Source: Isensee et al., Nature Methods 2021: over the batch where a patch shows little of a case, since a label is then
often absent from a single patch and its Dice is noise.
"""

from __future__ import annotations

from autoseg.decision import Decision, ruled


def decide_batch_dice(*, n_dimensions: int, is_low_resolution_due: bool) -> Decision[bool]:
    """Whether Dice terms sum over the batch."""
    if n_dimensions == 2:
        return ruled(True, "a slice shows few labels, so Dice is taken over the batch")
    if is_low_resolution_due:
        return ruled(True, "a patch shows a small part of a case, so Dice is taken over the batch")
    return ruled(False, "a patch shows enough of a case for a Dice of its own")
