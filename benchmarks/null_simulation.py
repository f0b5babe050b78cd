"""How often is a difference shown where there is none, and how often where there is one?

    python benchmarks/null_simulation.py [--experiments 600] [--families 100] [--methods 2 6]

Every row is a kind of case: distribution of Dice, number of cases, number of methods. Experiments are drawn in which
no method is better, and go through the statistics that `autoseg benchmark` uses. `rate` is the share of experiments
in which any pair is called different, which is to stay at or below 5%; `pair_rate` the same per pair, `coverage` the
share of pairs whose 95% interval holds the true difference, `friedman_rate` the share in which the Friedman test finds
one. Where `shift` is not 0, the first method is better by so much, and `rate` is the share of experiments that show it
better than the second: power. Two distributions lie outside of what the statistics claim, and are there to tell by how
much: `skewed_difference`, whose mean difference is 0 although most cases favour one method, and `training_effects`,
where every method's model of a fold has a shift of its own. Appends to results/null_simulation.csv.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Callable

import numpy as np

from autoseg.evaluation.comparing import compare_differences
from autoseg.evaluation.pairing import DECIMALS, Differences
from autoseg.evaluation.ranking import friedman_p_value, rank_cases

LEVEL = 0.05
N_FOLDS = 5
N_RESAMPLES = 1000  # enough where many experiments are averaged
SIZES = (6, 10, 20, 52, 200)
N_METHODS = 6

FloatArray = np.ndarray
Draw = Callable[[np.random.Generator, FloatArray, FloatArray], FloatArray]


def draw_normal(generator: np.random.Generator, quality: FloatArray, folds: FloatArray) -> FloatArray:
    """Noise that is normal."""
    return quality + generator.normal(0, 0.03, quality.shape)


def draw_skewed(generator: np.random.Generator, quality: FloatArray, folds: FloatArray) -> FloatArray:
    """Dice that crowd below 1, as most do: beta-distributed around each case's own."""
    return generator.beta(quality * 30, (1 - quality) * 30)


def draw_failures(generator: np.random.Generator, quality: FloatArray, folds: FloatArray) -> FloatArray:
    """The same, and one case in twenty found not at all."""
    return draw_skewed(generator, quality, folds) * (generator.random(quality.shape) > 0.05)


def draw_heavy_tails(generator: np.random.Generator, quality: FloatArray, folds: FloatArray) -> FloatArray:
    """Noise of Student's distribution with two degrees of freedom, whose variance is infinite."""
    return quality + 0.02 * generator.standard_t(2, quality.shape)


def draw_ties(generator: np.random.Generator, quality: FloatArray, folds: FloatArray) -> FloatArray:
    """Dice of tiny objects: few values, often the same for both methods."""
    return (10 * draw_normal(generator, quality, folds)).round() / 10


def draw_fold_effects(generator: np.random.Generator, quality: FloatArray, folds: FloatArray) -> FloatArray:
    """Folds that are easier or harder for all methods, with noise of their own size."""
    shifts = generator.normal(0, 0.1, N_FOLDS)[folds]
    return quality + shifts + generator.normal(0, 1, quality.shape) * (0.01 * (1 + folds))


def draw_skewed_difference(generator: np.random.Generator, quality: FloatArray, folds: FloatArray) -> FloatArray:
    """Every method but the first loses a lot on a few cases and wins a little on most; the means are equal."""
    noise = generator.exponential(size=quality.shape) - 1
    noise[0] = 0
    return quality - 0.03 * noise


def draw_training_effects(generator: np.random.Generator, quality: FloatArray, folds: FloatArray) -> FloatArray:
    """Every model, one per method and fold, is better or worse than its method by a third of the noise of a case."""
    models = generator.normal(0, 0.01, (len(quality), N_FOLDS))[:, folds]
    return draw_normal(generator, quality, folds) + models


CLAIMED: dict[str, Draw] = {
    "normal": draw_normal,
    "skewed": draw_skewed,
    "failures": draw_failures,
    "heavy_tails": draw_heavy_tails,
    "ties": draw_ties,
    "fold_effects": draw_fold_effects,
}
BEYOND: dict[str, Draw] = {"skewed_difference": draw_skewed_difference, "training_effects": draw_training_effects}


def draw_methods(draw: Draw, generator: np.random.Generator, n_cases: int, n_methods: int) -> FloatArray:
    """Dice (n_methods, n_cases) of equally good methods; every case is as hard for all."""
    quality = np.broadcast_to(generator.beta(12, 3, n_cases).clip(0.05, 0.98), (n_methods, n_cases))
    return draw(generator, quality, np.arange(n_cases) % N_FOLDS)


def simulate(
    draw: Draw, n_cases: int, n_methods: int, n_experiments: int, *, shift: float = 0.0, seed: int = 0
) -> dict[str, float]:
    """Rates over experiments, as the file's head names them."""
    pairs = list(itertools.combinations(range(n_methods), 2))
    folds = tuple(int(case) % N_FOLDS for case in range(n_cases)) if n_cases >= 2 * N_FOLDS else None
    shown, covered, found = [], [], []
    for number in range(n_experiments):
        dices = draw_methods(draw, np.random.default_rng([seed, number]), n_cases, n_methods)
        dices[0] += shift
        differences = [Differences((str(i), str(j)), (dices[i] - dices[j]).round(DECIMALS), folds) for i, j in pairs]
        comparisons = compare_differences(differences, seed=number, n_resamples=N_RESAMPLES)
        truths = [shift if i == 0 else 0.0 for i, _ in pairs]
        shown.append([each.is_shown and (shift == 0 or each.mean_difference > 0) for each in comparisons])
        intervals = [each.interval for each in comparisons]
        covered.append([low <= truth <= high for truth, (low, high) in zip(truths, intervals, strict=True)])
        found.append(friedman_p_value(rank_cases(dices.T.round(DECIMALS))) < LEVEL)
    first = np.array(shown)[:, 0].mean() if shift else np.array(shown).any(axis=1).mean()
    return {
        "rate": float(first),
        "standard_error": math.sqrt(max(first * (1 - first), 1 / n_experiments) / n_experiments),
        "pair_rate": float(np.mean(shown)),
        "coverage": float(np.mean(covered)),
        "friedman_rate": float(np.mean(found)),
    }


def main() -> None:
    """Simulate and append."""
    from side_by_side import write_rows

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=600, help="with two methods, per row")
    parser.add_argument("--families", type=int, default=100, help="with more, per row")
    parser.add_argument("--methods", type=int, nargs="+", default=[2, N_METHODS], help="numbers of methods")
    arguments = parser.parse_args()
    plans = [
        (name, n_cases, n_methods, 0.0)
        for n_methods in arguments.methods
        for name in (*CLAIMED, *BEYOND)
        for n_cases in SIZES
    ]
    plans += [("skewed", n_cases, n_methods, 0.03) for n_methods in arguments.methods for n_cases in SIZES]
    for name, n_cases, n_methods, shift in plans:
        n_experiments = arguments.experiments if n_methods == 2 else arguments.families
        about = {"distribution": name, "n_cases": n_cases, "n_methods": n_methods, "shift": shift}
        rates = simulate((CLAIMED | BEYOND)[name], n_cases, n_methods, n_experiments, shift=shift)
        write_rows("null_simulation", [{**about, "n_experiments": n_experiments, **rates}])


if __name__ == "__main__":
    main()
