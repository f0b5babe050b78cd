"""What `explain --options` says can be set can be set, and what it says lies outside of a range is refused."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest

from autoseg.decision import Decision
from autoseg.errors import UsageError
from autoseg.planning.editing import check_pinned, edit_plan
from autoseg.planning.naming import PRESETS
from autoseg.planning.options import Option, list_options
from autoseg.planning.plan import FORECASTS, Configuration, Plan
from autoseg.planning.validation import find_pinned_problems

EXAMPLES = [option.example for option in list_options() if option.example.startswith("--set")]


def test_every_decision_of_a_configuration_is_listed_but_forecasts() -> None:
    fields = {name for name, field in Configuration.model_fields.items() if issubclass_of_decision(field.annotation)}
    listed = {option.key.split(".")[1] for option in list_options() if option.key.startswith("CONFIGURATION.")}
    assert listed == fields - {*FORECASTS, "median_shape"}


def issubclass_of_decision(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Decision)


@pytest.mark.parametrize("option", list_options(), ids=lambda option: option.key)
def test_every_option_says_what_it_is(option: Option) -> None:
    assert option.type != "value"
    assert 5 < len(option.meaning) < 160
    assert option.default


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_can_be_set(cpu_plan: Plan, example: str) -> None:
    (assignment,) = shlex.split(example)[1:]
    edited = edit_plan(cpu_plan, [assignment])
    assert edited != cpu_plan
    assert not [problem for problem in find_pinned_problems(edited) if "stages" not in problem.sentence]


@pytest.mark.parametrize(
    ("key", "outside"),
    [
        ("n_folds", "1"),
        ("budget.memory_gb", "0"),
        ("batch_size", "0"),
        ("resampling.image_order", "4"),
        ("loss.terms", "{soft_dice: -1}"),
        ("dropout", "1"),
        ("dropout", "-0.1"),
        ("optimizer.learning_rate", "0"),
        ("optimizer.weight_decay", "-1"),
        ("optimizer.momentum", "1"),
        ("optimizer.warmup_share", "1"),
        ("optimizer.gradient_clip_norm", "0"),
        ("optimizer.ema_decay", "0"),
        ("optimizer.ema_decay", "1"),
        ("foreground_share", "1.1"),
        ("patch_schedule", "[{until_share: 1, patch_size: [8, 8, 8], batch_size: 1}]"),
        ("early_stopping", "{patience: 0}"),
        ("augmentation.elastic", "{probability: 0.1, range: [1, 7]}"),
    ],
)
def test_what_lies_outside_of_a_range_is_refused(cpu_plan: Plan, key: str, outside: str) -> None:
    (option,) = list_options(key)
    assert option.range
    room = "3d_fullres." if option.key.startswith("CONFIGURATION") else ""
    edited = edit_plan(cpu_plan, [f"{room}{key}={outside}"])
    with pytest.raises(UsageError, match=f"set by hand: {room}{key}"):
        check_pinned(edited)


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("3d_fullres.dropout", ["CONFIGURATION.dropout"]),
        ("loss.parameters.focal.gamma", ["CONFIGURATION.loss.parameters"]),
        ("focal", ["CONFIGURATION.loss.terms"]),
        ("precision", ["CONFIGURATION.precision"]),
        ("normalization", [f"normalization.CHANNEL.{name}" for name in ("scheme", "inside_mask", "intensities")]),
    ],
)
def test_a_key_names_an_option_a_room_of_them_or_one_of_their_names(key: str, found: list[str]) -> None:
    assert [option.key for option in list_options(key)] == found


def test_the_presets_of_augmentation_are_listed_beside_its_transforms() -> None:
    preset, *transforms = list_options("augmentation")
    assert [named.name for named in preset.names] == list(PRESETS)
    assert "CONFIGURATION.augmentation.elastic" in [option.key for option in transforms]


@pytest.mark.parametrize(("key", "near"), [("optimiser", "Did you mean optimizer"), ("focall", "Did you mean focal?")])
def test_an_unknown_key_is_told_the_nearest(key: str, near: str) -> None:
    with pytest.raises(UsageError, match=rf"^Nothing called {key} can be set\. {near}"):
        list_options(key)


def test_options_need_no_torch() -> None:
    program = (
        "import sys; from autoseg.planning.options import list_options; list_options(); print('torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
