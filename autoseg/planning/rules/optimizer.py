"""How are the weights updated, and how does the learning rate run?

Sources: Isensee et al., Nature Methods 2021 for long schedules. For short ones AdamW (arXiv 1711.05101), a cosine with
warm-up (arXiv 1608.03983) and averaged weights, which learn faster at first.
"""

from __future__ import annotations

from autoseg.decision import Decision, ruled
from autoseg.planning.choices import Optimizer

LONG_ITERATIONS = 25_000  # a tenth of the published schedule; from there on it is taken as published; own choice

PUBLISHED = Optimizer(
    name="sgd", learning_rate=0.01, weight_decay=3e-5, momentum=0.99, schedule="polynomial", gradient_clip_norm=12.0
)
# AdamW, cosine and averaging come from a prototype on Hippocampus (8 and 20 minutes on 2 cores). The rate is ours: in
# 80 s on Hippocampus 2e-3 reached a patch Dice of 0.73/0.67, 6e-3 0.78/0.03, 1.5e-2 0.77/0.78 (benchmarks/LOG.md).
FAST = Optimizer(
    name="adamw",
    learning_rate=1e-2,
    weight_decay=1e-2,
    schedule="cosine",
    warmup_share=0.05,
    gradient_clip_norm=12.0,
    ema_decay=0.999,
)


def decide_optimizer(*, n_iterations: int, as_published: bool = False) -> Decision[Optimizer]:
    """The optimiser for a training of about so many iterations; `as_published` has one for any length."""
    if as_published:
        return ruled(PUBLISHED, "momentum SGD, as published, whatever the length", n_iterations=n_iterations)
    if n_iterations >= LONG_ITERATIONS:
        return ruled(
            PUBLISHED,
            f"about {n_iterations:,} iterations, at least {LONG_ITERATIONS:,}: momentum SGD, as published",
            n_iterations=n_iterations,
        )
    return ruled(
        FAST,
        f"about {n_iterations:,} iterations, fewer than {LONG_ITERATIONS:,}: AdamW with averaged weights learns faster "
        "(tried on Hippocampus, see benchmarks/LOG.md)",
        n_iterations=n_iterations,
    )
