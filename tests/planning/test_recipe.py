"""How a configuration is trained: every contradiction by its key, with a remedy; what holds together passes."""

from __future__ import annotations

import pytest

from autoseg.planning.editing import edit_plan
from autoseg.planning.plan import Plan
from autoseg.planning.validation import find_problems

OWN = "my_package.parts:Mine"


def check(plan: Plan, *assignments: str) -> list[str]:
    return [str(one) for one in find_problems(edit_plan(plan, [f"3d_fullres.{text}" for text in assignments]))]


@pytest.mark.parametrize(
    "assignment",
    [
        "loss.terms={focal: 1, batch_dice: 0.5}",
        f"loss={{terms: {{{OWN}: 1}}, parameters: {{{OWN}: {{anything: [1, 2]}}}}}}",
        f"optimizer.name={OWN}",
        f"optimizer.schedule={OWN}",
        f"network={OWN}",
        f"augmentation.custom=[{OWN}]",
        "optimizer.gradient_clip_norm=null",
        "optimizer.ema_decay=null",
        "optimizer.parameters={betas: [0.9, 0.99]}",
        "dropout=0.2",
        "early_stopping={check_every: 2, patience: 1, min_gain: 0}",
        "case_sampling=by_rare_label",
        "augmentation.elastic={probability: 0.2, range: [0, 6.4]}",
        "precision=float16",
        "compile=true",
    ],
)
def test_what_can_be_trained_passes(cpu_plan: Plan, assignment: str) -> None:
    assert check(cpu_plan, assignment) == []


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("loss.terms={focl: 1}", "loss.terms is focl, which is not known. Did you mean focal?"),
        ("loss.terms={focl: 1}", "One of your own is written package.module:Name."),
        ("loss.terms={'my package:Mine': 1}", "is my package:Mine, but one of your own is written package.module:Name"),
        (
            "loss={terms: {focal: 1}, parameters: {focal: {gama: 3}}}",
            "focal has no parameter of that name. Did you mean",
        ),
        ("loss={terms: {focal: 1}, parameters: {focal: {gamma: -1}}}", "focal.gamma is -1, but must be at least 0."),
        ("loss={terms: {focal: 1}, parameters: {focal: {gamma: two}}}", "focal.gamma is two, but must be a finite"),
        ("loss={terms: {cross_entropy: 1}, parameters: {cross_entropy: {a: 1}}}", "of that name. It takes none."),
        ("loss={terms: {focal: 1}, parameters: {top_k: {share: 1}}}", "top_k is no term of this loss"),
        ("optimizer.name=adam", "optimizer.name is adam, which is not known. Did you mean adamw?"),
        ("optimizer.name='my:'", "optimizer.name is my:, but one of your own is written package.module:Name."),
        ("optimizer.parameters={beta: 1}", "optimizer.parameters.beta is given, but adamw has no parameter"),
        ("optimizer.ema_decay=1", "optimizer.ema_decay is 1.0, but must be between 0 and 1, or null"),
        (
            "optimizer.gradient_clip_norm=-1",
            "gradient_clip_norm is -1.0, but must be positive, or null to clip nothing",
        ),
        ("dropout=1", "dropout is 1, but must be at least 0 and below 1"),
        ("dropout=.nan", "dropout is nan"),
        ("case_sampling=by_sise", "case_sampling is by_sise, which is not known. Did you mean by_size?"),
        ("augmentation.custom=[Bias]", "augmentation.custom[0] is Bias, but one of your own is written"),
        ("early_stopping={check_every: 0}", "early_stopping.check_every is 0, but must be at least 1"),
        ("early_stopping={min_gain: 1}", "early_stopping.min_gain is 1, but a gain of Dice is from 0"),
        ("augmentation.elastic={probability: 0.2, range: [-1, 2]}", "must lie from 0 to 6.4 voxels"),
    ],
)
def test_what_cannot_is_named_with_a_remedy(cpu_plan: Plan, assignment: str, words: str) -> None:
    problems = check(cpu_plan, assignment)
    assert any(words in problem for problem in problems), problems


def make_schedule(plan: Plan, *steps: tuple[float, int]) -> str:
    """Steps that end at a share of training, of patches so many of the strides' units long."""
    divisor = plan.configurations["3d_fullres"].topology.value.divisor
    written = [
        f"{{until_share: {end}, patch_size: {[n * size for size in divisor]}, batch_size: 2}}" for end, n in steps
    ]
    return f"patch_schedule=[{', '.join(written)}]"


def test_smaller_patches_may_lead_up_to_the_patch(cpu_plan: Plan) -> None:
    assert check(cpu_plan, make_schedule(cpu_plan, (0.3, 1), (0.6, 1))) == []


@pytest.mark.parametrize("ends", [(0.6, 0.3), (0.5, 0.5), (0.5, 1.0), (0.0, 0.5)])
def test_steps_end_one_after_the_other_before_training_does(cpu_plan: Plan, ends: tuple[float, float]) -> None:
    (problem,) = check(cpu_plan, make_schedule(cpu_plan, (ends[0], 1), (ends[1], 1)))
    assert "must rise, above 0 and below 1" in problem


def test_a_step_is_no_larger_than_the_patch_and_suits_the_strides(cpu_plan: Plan) -> None:
    assert "is larger than the patch_size" in check(cpu_plan, make_schedule(cpu_plan, (0.5, 100)))[0]
    divisor = cpu_plan.configurations["3d_fullres"].topology.value.divisor
    step = "patch_schedule=[{{until_share: 0.5, patch_size: {}, batch_size: {}}}]"
    (problem,) = check(cpu_plan, step.format([divisor[0], divisor[1] + 1, divisor[2]], 1))
    assert problem.endswith(f"but the strides need multiples of {list(divisor)}.")
    assert "batch_size is 0" in check(cpu_plan, step.format(list(divisor), 0))[0]
    assert "has 2 value(s), but the configuration has 3 axes" in check(cpu_plan, step.format([8, 8], 1))[0]


def test_the_limit_of_displacements_is_that_of_the_control_points() -> None:
    from autoseg.planning.transforms import BOUNDS
    from autoseg.training.turning import CONTROL_SPACING

    assert pytest.approx(0.4 * CONTROL_SPACING) == BOUNDS["elastic"].high
