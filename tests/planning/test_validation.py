from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from autoseg.errors import PlanError
from autoseg.planning.plan import Plan
from autoseg.planning.validation import check_plan, find_pinned_problems, find_problems
from autoseg.serialization import to_plain

Spoil = Callable[[dict[str, Any]], None]


def put(key: str, value: Any) -> Spoil:
    """Set a value, as a person would in the file."""

    def spoil(plan: dict[str, Any]) -> None:
        *path, last = key.split(".")
        place: Any = plan
        for word in path:
            place = place[int(word) if word.isdigit() else word]
        place[last] = value

    return spoil


def check(plan: Plan, *spoils: Spoil) -> tuple[str, ...]:
    plain = to_plain(plan)
    for spoil in spoils:
        spoil(plain)
    return tuple(map(str, find_problems(Plan.model_validate(plain))))


def in_volume(key: str, value: Any) -> Spoil:
    return put(f"configurations.3d_fullres.{key}", value)


def test_a_plan_of_the_rules_has_no_problem(cpu_plan: Plan) -> None:
    assert check(cpu_plan) == ()
    check_plan(cpu_plan, where="plan.yaml")


def test_problems_are_raised_behind_the_name_of_the_file(cpu_plan: Plan) -> None:
    spoiled = cpu_plan.model_copy(update={"n_folds": cpu_plan.n_folds.model_copy(update={"value": 1})})
    with pytest.raises(PlanError, match=r"^plan\.yaml: n_folds is 1"):
        check_plan(spoiled, where="plan.yaml")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (put("axis_order", [0, 0, 2]), "axis_order is [0, 0, 2], but must be 0, 1 and 2"),
        (put("n_folds", 1), "needs at least 2"),
        (put("channels", ["PET"]), "but the plan's channels are [PET]"),
        (put("budget.memory_gb", -1.0), "must be positive"),
        (put("configurations", {}), "nothing to train"),
        (
            put("normalization.0.scheme", "z-score"),
            "normalization.CT.scheme is z-score, which is not known. Did you mean zscore?",
        ),
        (put("normalization.0.intensities", None), "Set the scheme to zscore"),
        (in_volume("n_dimensions", 4), "must be 2 or 3"),
        (in_volume("spacing_mm", [1.0, 1.0]), "spacing_mm has 2 value(s), but the configuration has 3 axes"),
        (in_volume("features", [8, 16]), "features has 2 value(s), but topology.strides has"),
        (in_volume("batch_size", 0), "batch_size is 0"),
        (in_volume("spacing_mm", [1.0, 0.0, 1.0]), "all of them must be positive"),
        (in_volume("foreground_share", 1.5), "a share from 0 to 1"),
        (in_volume("mirroring_axes", [0, 3]), "axes are [0, 1, 2], each once"),
        (in_volume("resampling", {"separate_axis": 3}), "resampling.separate_axis is 3"),
        (in_volume("resampling", {"image_order": 5}), "spline orders go from 0 to 3"),
        (
            in_volume("network", "residual_net"),
            "network is residual_net, which is not known. Did you mean residual_unet?",
        ),
        (in_volume("optimizer.value.name", "adam"), "Did you mean adamw?"),
        (in_volume("optimizer.value.schedule", "cosin"), "Did you mean cosine?"),
        (in_volume("optimizer.value.learning_rate", 0.0), "learning_rate is 0.0"),
        (in_volume("optimizer.value.gradient_clip_norm", 0.0), "gradient_clip_norm is 0.0"),
        (in_volume("optimizer.value.warmup_share", 1.0), "warmup_share is 1.0"),
        (in_volume("loss", {"terms": {"soft_dise": 1.0}}), "Did you mean soft_dice?"),
        (in_volume("loss", {"terms": {}}), "needs a term of positive weight"),
        (in_volume("length", {}), "either train_time_s or n_iterations"),
        (in_volume("length", {"n_iterations": 0}), "length must be positive"),
        (in_volume("augmentation.value.gamma.probability", 1.2), "augmentation.gamma has a probability"),
        (in_volume("optimizer.value.weight_decay", -0.1), "weight_decay is -0.1, but must not be negative"),
        (in_volume("patch_size", [0, 64, 64]), "patch_size is [0, 64, 64], but all of them must be positive"),
        (in_volume("memory_gb", -1.0), "3d_fullres.memory_gb is -1"),
        (put("budget.device", "gpu"), "budget.device is gpu, which is not known"),
        (put("budget.train_time_s", 0), "must be positive, or null for epochs"),
        (put("labels.values", [0, 1]), "labels has 3 names, but 2 values"),
        (put("left_out", {"2d": False}), "left_out.2d is planned all the same"),
        (put("cost.hours", -1.0), "cost.hours is -1, but a cost is not negative"),
        (
            put("wishes", {"train_time_s": 60, "n_epochs": 3}),
            "wishes cannot be fulfilled: A training time and a number",
        ),
        (put("wishes", {"size": "l", "network": "plain"}), "size l is a preset of the residual network"),
        (put("wishes", {"n_epochs": 0}), "n_epochs is 0, but must be more than 0 epochs"),
        (put("wishes", {"network": "residal"}), "network residal is not known. Did you mean residual?"),
        (put("wishes", {"gpu_memory_gb": math.inf}), "wishes.gpu_memory_gb is inf, but must be positive"),
        (put("budget.memory_gb", math.nan), "budget.memory_gb is nan, but must be positive"),
        (put("budget.memory_gb", math.inf), "budget.memory_gb is inf, but must be positive"),
        (put("budget.speeds", {"2d": {"gflops": math.inf, "gvalues": 1.0}}), "budget.speeds.2d must be finite"),
        (in_volume("optimizer.value.learning_rate", math.inf), "learning_rate is inf, but must be positive"),
        (in_volume("optimizer.value.weight_decay", math.nan), "weight_decay is nan"),
        (in_volume("length", {"train_time_s": math.inf}), "length must be positive"),
        (in_volume("loss", {"terms": {"soft_dice": math.inf}}), "needs a term of positive weight"),
        (in_volume("spacing_mm", [1.0, math.nan, 1.0]), "all of them must be positive"),
        (in_volume("spacing_mm", [1.0, 1e-300, 1.0]), "but lies between 1e-06 and 10000 mm"),
        (in_volume("disk_gb.inputs.spacing_mm", [1.0, "two", 1.0]), "must be mm along each axis"),
        (in_volume("augmentation.value.gamma.range", [2.0, 1.0]), "the lower end first"),
        (in_volume("augmentation.value.gamma.range", [1.0, math.inf]), "must be finite"),
    ],
)
def test_every_contradiction_is_named_with_a_remedy(cpu_plan: Plan, spoil: Spoil, words: str) -> None:
    problems = check(cpu_plan, spoil)
    assert any(words in problem for problem in problems), problems


def test_a_patch_that_the_strides_do_not_divide_is_told_the_nearest_sizes(cpu_plan: Plan) -> None:
    divisor = cpu_plan.configurations["3d_fullres"].topology.value.divisor
    size = 3 * divisor[1] + 1
    patch = [4 * divisor[0], size, 1]
    problems = check(cpu_plan, in_volume("patch_size", patch))
    assert problems[0].startswith(f"3d_fullres.patch_size[1] is {size}, but the strides along axis y need")
    assert problems[0].endswith(f"Nearest: {3 * divisor[1]} or {4 * divisor[1]}.")
    assert problems[1].endswith(f"Nearest: {divisor[2]}.")


@pytest.mark.parametrize(("configuration", "names"), [("3d_fullres", "xzy"), ("2d", "zy")])
def test_an_axis_has_the_name_that_the_axis_order_gives_it(cpu_plan: Plan, configuration: str, names: str) -> None:
    patch_size = put(f"configurations.{configuration}.patch_size", [1] * len(names))
    problems = check(cpu_plan, put("axis_order", [2, 0, 1]), patch_size)
    assert [problem.split("along axis ")[1][0] for problem in problems] == list(names)


@pytest.mark.parametrize(
    ("strides", "kernel_sizes", "words"),
    [
        ([[2, 2], [2, 2]], [[3, 3], [3, 3]], "first stage has full resolution"),
        ([[1, 1], [0, 2]], [[3, 3], [3, 3]], "a stride below 1"),
        ([[1, 1], [2, 2]], [[2, 3], [3, 3]], "kernels are odd"),
        ([], [], "has no stage"),
    ],
)
def test_a_topology_that_no_network_can_have_is_named(
    cpu_plan: Plan, strides: list[list[int]], kernel_sizes: list[list[int]], words: str
) -> None:
    n_stages = len(strides)
    values = {
        "topology": {"strides": strides, "kernel_sizes": kernel_sizes},
        "features": [8] * n_stages,
        "blocks": {"encoder": [2] * n_stages, "decoder": [2] * (n_stages - 1)},
    }
    problems = check(cpu_plan, *(put(f"configurations.2d.{key}", value) for key, value in values.items()))
    assert any(words in problem for problem in problems), problems


def test_all_problems_are_named_at_once(cpu_plan: Plan) -> None:
    assert len(check(cpu_plan, put("n_folds", 1), in_volume("batch_size", 0), in_volume("network", "x"))) == 3


def test_a_value_set_by_hand_is_checked_by_itself_before_anything_follows_from_it(cpu_plan: Plan) -> None:
    plain = to_plain(cpu_plan)
    plain["configurations"]["3d_fullres"] |= {"patch_size": [33, 64], "features": [8, 16]}
    problems = find_pinned_problems(Plan.model_validate(plain))
    assert [problem.key for problem in problems] == ["3d_fullres.patch_size"]


CORRUPTION = {"borders": {"probability": 0.4, "range": [1, 8]}, "components": {"probability": 0.2, "range": [0, 0.15]}}


def in_cascade(previous: str, **low: Any) -> tuple[Spoil, ...]:
    """A low-resolution pass that differs from full resolution as told, and a cascade on top of `previous`."""

    def spoil(plan: dict[str, Any]) -> None:
        rooms = plan["configurations"]
        full = rooms["3d_fullres"]
        rooms["3d_lowres"] = {**full, "spacing_mm": [2 * mm for mm in full["spacing_mm"]["value"]], **low}
        rooms["3d_cascade"] = {**full, "cascade": {"previous": previous, "corruption": CORRUPTION}}

    return put("left_out", {}), spoil


@pytest.mark.parametrize(
    ("previous", "low", "words"),
    [
        ("3d_lowres", {}, None),
        (
            "3d_lowers",
            {},
            "cascade.previous is 3d_lowers, but must be another planned configuration. Did you",
        ),
        ("3d_cascade", {}, "must be another planned configuration"),
        ("2d", {}, "is 2d with 2 axes, but 3d_cascade has 3"),
        ("3d_lowres", {"spacing_mm": [3.0, 0.8, 0.8]}, "3d_lowres.spacing_mm is [3.0, 0.8, 0.8], but must be coarser"),
        ("3d_lowres", {"spacing_mm": [2.9, 1.6, 1.6]}, "and finer along no axis"),
    ],
)
def test_a_cascade_builds_on_a_coarser_planned_configuration(
    cpu_plan: Plan, previous: str, low: dict[str, Any], words: str | None
) -> None:
    problems = check(cpu_plan, *in_cascade(previous, **low))
    assert len(problems) == (words is not None)
    assert not words or words in problems[0]


def test_the_corruption_of_a_cascade_has_probabilities(cpu_plan: Plan) -> None:
    spoil = put("configurations.3d_cascade.cascade.corruption", {**CORRUPTION, "borders": {"probability": 2}})
    assert check(cpu_plan, *in_cascade("3d_lowres"), spoil) == (
        "3d_cascade.cascade.corruption.borders has a probability outside of 0 to 1.",
    )


def test_a_misspelt_configuration_is_named_with_its_neighbour(cpu_plan: Plan) -> None:
    configurations = {"3d_fulres": cpu_plan.configurations["3d_fullres"], "2d": cpu_plan.configurations["2d"]}
    problems = find_problems(cpu_plan.model_copy(update={"configurations": configurations}))
    assert [str(problem) for problem in problems] == [
        "configurations is 3d_fulres, which is not known. Did you mean 3d_fullres?"
    ]
