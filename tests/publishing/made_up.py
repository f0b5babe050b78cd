"""A benchmark as days of training would give it, made up in a second: networks, a floor, predictions, a failure."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from autoseg.data.labels import Labels
from autoseg.drawing import Overlay
from autoseg.evaluation.benchmark import Benchmark, Costs, CurvePoint, MethodResult, RunResult
from autoseg.evaluation.comparing import compare_all
from autoseg.evaluation.detectable import find_smallest_difference
from autoseg.evaluation.evaluating import make_report
from autoseg.evaluation.ranking import rank_methods
from autoseg.evaluation.report import CaseScores, LabelScores, Report
from autoseg.pipeline.benchmarking.gathering import measure_seed_spread, pool_runs
from autoseg.publishing import MethodOverlay

FloatArray = np.ndarray

NAN = math.nan
INVENTIVE = ("threshold", "fcn8s")  # predict what is not there
MISS = LabelScores(
    dice=0,
    jaccard=0,
    precision=0,
    recall=0,
    reference_ml=1.7,
    predicted_ml=0,
    volume_error_ml=-1.7,
    hd95=60,
    assd=60,
    boundary_iou=0,
    nsd={"nsd_1mm": 0, "nsd_2mm": 0},
)
PAPERS = {
    "unet": "Ronneberger et al., MICCAI 2015; Isensee et al., Nature Methods 2021",
    "residual_unet": "Isensee et al., MICCAI 2024",
    "vnet": "Milletari et al., 3DV 2016",
    "attention_unet": "Oktay et al., MIDL 2018",
    "mednext": "Roy et al., MICCAI 2023",
    "fcn8s": "Long et al., CVPR 2015",
    "threshold": "one threshold per label",
}
QUALITY = {
    "unet": 0.885,
    "residual_unet": 0.889,
    "vnet": 0.868,
    "attention_unet": 0.882,
    "mednext": 0.861,
    "fcn8s": 0.80,
    "nnU-Net 2.8": 0.887,
    "threshold": 0.31,
}
COSTS = {
    "unet": (16.5e6, 2.1e11, 0.21, 1.9),
    "residual_unet": (57.1e6, 4.9e11, 0.44, 3.2),
    "vnet": (45.6e6, 3.7e11, 0.35, 2.9),
    "attention_unet": (17.2e6, 2.4e11, 0.26, 2.2),
    "mednext": (5.6e6, 2.6e11, 0.71, 4.4),
    "fcn8s": (3.1e6, 0.6e11, 0.08, 1.1),
}


@functools.cache
def make_benchmark(
    *,
    n_cases: int = 40,
    labels: tuple[str, ...] = ("anterior", "posterior"),
    n_seeds: int = 2,
    n_holes: int = 0,
    n_missing: int = 0,
    is_flat: bool = False,
) -> Benchmark:
    """Six networks, one that failed, a floor and outside predictions; two folds.

    Args:
        n_cases, labels, n_seeds: how many and which.
        n_holes: cases in which the last label is rightly empty, though not by the worst methods.
        n_missing: cases that vnet left out.
        is_flat: whether images are pictures without a spacing.
    """
    generator = np.random.default_rng(4)
    case_ids = [f"case_{number:03d}" for number in range(n_cases)]
    fold_of = {case_id: number % 2 for number, case_id in enumerate(case_ids)}
    hardness = generator.gamma(1.6, 0.02, size=n_cases)
    methods = []
    for name, quality in QUALITY.items():
        of_seed = [
            spoil(
                make_cases(case_ids, labels, quality - hardness, generator, is_flat=is_flat),
                name,
                n_holes=n_holes,
                n_missing=n_missing,
            )
            for _ in range(n_seeds if name in COSTS else 1)
        ]
        methods.append(_make_method(name, of_seed, name_labels(labels), fold_of))
    reports = {method.name: method.pooled for method in methods if method.pooled is not None}
    failed = MethodResult(
        name="unet_plus_plus",
        kind="network",
        source="Zhou et al., DLMIA 2018",
        failure="out of memory: a batch of 2 patches needs 9.3 GB, the budget is 8 GB; set --gpu-memory-gb 12",
        configuration=_settings("unet_plus_plus"),
    )
    return Benchmark(
        dataset="Dataset004_Hippocampus",
        configuration="2d" if is_flat else "3d_fullres",
        folds=(0, 1),
        seeds=tuple(range(n_seeds)),
        budget="900 s of training",
        learning_rate="searched for every method with the same three trials (0.003, 0.01, 0.03) on held-out cases.",
        equal=(
            "Splits: the same two of five folds, drawn by subject.",
            "Patches: the same random stream, so that iteration i of every method sees the same patches.",
            "Augmentation: the same, with the same random numbers.",
            "Loss: Dice and cross-entropy in equal parts, deep supervision where the network has it.",
            "Evaluation: the same cases, windows, mirroring and metrics.",
        ),
        machine={
            "device": "cpu",
            "cores": "2",
            "threads": "2",
            "autoseg": "0.1.0",
            "torch": "2.13.0",
            "python": "3.11",
        },
        command="autoseg benchmark Dataset004_Hippocampus --methods unet,residual_unet,... --fold 0 --fold 1 "
        "--train-time 15m --seeds 2",
        date="2026-11-21",
        fold_of=fold_of,
        methods=(*methods[:4], failed, *methods[4:]),
        comparisons=compare_all(reports, fold_of=fold_of),
        ranking=rank_methods(reports, fold_of=fold_of),
        smallest_difference=find_smallest_difference(reports, fold_of=fold_of)[1],
    )


def name_labels(labels: Sequence[str]) -> Labels:
    """Background and these."""
    return Labels(names=("background", *labels), values=tuple(range(len(labels) + 1)))


def make_cases(
    case_ids: Sequence[str],
    labels: Sequence[str],
    quality: FloatArray,
    generator: np.random.Generator,
    *,
    is_flat: bool = False,
) -> list[CaseScores]:
    """Cases with every label in each of them; `quality` is the Dice to be expected of each case."""
    made = []
    for case_id, expected in zip(case_ids, quality, strict=True):
        dices = [float(np.clip(expected - 0.02 * i + generator.normal(0, 0.012), 0, 1)) for i in range(len(labels))]
        scores = {label: score(dice, is_flat=is_flat) for label, dice in zip(labels, dices, strict=True)}
        made.append(CaseScores(case_id=case_id, labels=scores))
    return made


def score(dice: float, *, is_flat: bool = False) -> LabelScores:
    """Scores of a label that go with a Dice, NaN where it is rightly empty; in px where the image is flat."""
    volume = NAN if is_flat else 1.7
    return LabelScores(
        dice=dice,
        jaccard=dice / (2 - dice),
        precision=min(1.0, dice + 0.01),
        recall=max(0.0, dice - 0.01),
        reference_ml=volume,
        predicted_ml=volume - 0.1,
        volume_error_ml=NAN if is_flat else -0.1,
        hd95=12 * (1 - dice),
        assd=3 * (1 - dice),
        boundary_iou=max(0.0, dice - 0.15),
        nsd={f"nsd_{k}{'px' if is_flat else 'mm'}": min(1.0, dice + 0.04 * k) for k in (1, 2)},
    )


def pool(table: Mapping[str, Mapping[str, LabelScores]]) -> Report:
    """Scores by case and label, summed up."""
    cases = [CaseScores(case_id=case_id, labels=dict(labels)) for case_id, labels in table.items()]
    return make_report(cases, name_labels(list(next(iter(table.values())))))


def spoil(cases: Sequence[CaseScores], name: str, *, n_holes: int, n_missing: int) -> list[CaseScores]:
    """As real cases are: the last label is empty in the second case and on, vnet left out the first and on."""
    spoiled = list(cases)
    for place in range(1, 1 + n_holes):
        *_, last = cases[place].labels
        hole = score(0.0 if name in INVENTIVE else NAN).model_copy(update={"reference_ml": 0.0})
        spoiled[place] = cases[place].model_copy(update={"labels": {**cases[place].labels, last: hole}})
    for place in range(n_missing if name == "vnet" else 0):
        misses = dict.fromkeys(cases[place].labels, MISS)
        spoiled[place] = cases[place].model_copy(update={"labels": misses, "is_missing": True})
    return spoiled


def _make_method(
    name: str, of_seed: Sequence[Sequence[CaseScores]], labels: Labels, fold_of: dict[str, int]
) -> MethodResult:
    is_network = name in COSTS
    runs = tuple(
        RunResult(
            fold=fold,
            seed=seed,
            folder=f"{name}/fold_{fold}_seed_{seed}" if is_network else "",
            n_iterations=round(900 / COSTS[name][2]) if is_network else 0,
            spent_s=900.0 if is_network else 0.0,
            learning_rate=0.01 if is_network else None,
            trials={"0.003": 0.71, "0.01": 0.74, "0.03": 0.70} if is_network else {},
            curve=_curve(QUALITY[name], COSTS[name][2], fold + 2 * seed) if is_network else (),
            report=make_report([case for case in cases if fold_of[case.case_id] == fold], labels),
        )
        for fold in sorted(set(fold_of.values()))
        for seed, cases in enumerate(of_seed)
    )
    return MethodResult(
        name=name,
        kind="network" if is_network else ("floor" if name == "threshold" else "predictions"),
        source=PAPERS.get(name, "/outside/predictions"),
        configuration=_settings(name) if is_network else {},
        differs={"architecture": f"the network is {name}"} if is_network else {},
        runs=runs,
        pooled=pool_runs(runs, labels),
        seed_spread=measure_seed_spread(runs, labels),
        costs=_costs(name) if is_network else None,
    )


def _curve(end: float, s_per_iteration: float, number: int) -> tuple[CurvePoint, ...]:
    generator = np.random.default_rng(number)
    times = np.linspace(30, 900, 30)
    dices = end - 0.6 * np.exp(-times / (150 + 200 * s_per_iteration)) + generator.normal(0, 0.008, size=30)
    return tuple(
        CurvePoint(spent_s=float(t), n_iterations=round(t / s_per_iteration), dice=float(d))
        for t, d in zip(times, dices, strict=True)
    )


def _costs(name: str) -> Costs:
    n_parameters, flops, s_per_iteration, memory_gb = COSTS[name]
    return Costs(
        n_parameters=int(n_parameters),
        flops_per_patch=flops,
        flops_per_case=8 * 8 * flops,
        s_per_iteration=s_per_iteration,
        training_memory_gb=memory_gb,
        prediction_memory_gb=0.4 * memory_gb,
        s_per_case=3.1 * s_per_iteration,
        joules=NAN,
    )


def _settings(name: str) -> dict[str, object]:
    return {
        "network": {"architecture": name, "features": [32, 64, 128, 256], "deep_supervision": name != "vnet"},
        "patch_size": {"value": [40, 56, 40], "reason": "the median case", "inputs": {}},
        "batch_size": 9 if name == "unet" else 7,
        "augmentation": {"rotation": 0.2, "scaling": 0.2},
        "optimizer": {"name": "sgd", "momentum": 0.99, "learning_rate": 0.01},
    }


def make_overlays(benchmark: Benchmark, *, shape: tuple[int, int, int] = (12, 64, 80)) -> list[MethodOverlay]:
    """Best, median and worst of every method with results: two ellipses in noise."""
    generator = np.random.default_rng(1)
    z, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    made = []
    for method in benchmark.scored:
        assert method.pooled is not None
        cases = sorted(method.pooled.cases, key=lambda case: -case.mean_dice)
        for role, place in (("best", 0), ("median", len(cases) // 2), ("worst", -1)):
            off = {"best": 1, "median": 3, "worst": 7}[role]
            reference = np.zeros(shape, np.int16)
            predicted = np.zeros(shape, np.int16)
            for label, middle in ((1, 28), (2, 52)):
                inside = ((y - 32) / 14) ** 2 + ((x - middle) / 11) ** 2 + ((z - shape[0] / 2) / (shape[0])) ** 2 < 1
                reference[inside] = label
                predicted[np.roll(inside, off, axis=2)] = label
            image = generator.normal(size=shape).astype(np.float32) + 2.0 * (reference > 0)
            dice = {name: scores.dice for name, scores in cases[place].labels.items()}
            overlay = Overlay(cases[place].case_id, image, reference, predicted, (2.0, 1.0, 1.0), dice)
            made.append(MethodOverlay(method=method.name, role=role, overlay=overlay))
    return made
