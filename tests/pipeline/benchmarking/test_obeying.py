"""What changed is run anew: code, versions, and the machine where seconds are counted."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import pytest

from autoseg.decision import fixed
from autoseg.pipeline.benchmarking import circumstances, obeying
from autoseg.pipeline.benchmarking.entering import enter, make_task
from autoseg.pipeline.benchmarking.grounds import CommonGround
from autoseg.pipeline.benchmarking.methods import Contender, parse_methods
from autoseg.pipeline.benchmarking.obeying import list_libraries
from autoseg.pipeline.benchmarking.terms import TrainingBudget

CODE = """
from torch import nn

def make(configuration, n_channels, n_outputs):
    return nn.Conv3d(n_channels, n_outputs, 1)
"""


def name_folder(ground: CommonGround, method: str, n_jobs: int = 1) -> str:
    """Of the method's runs."""
    (contender,) = parse_methods([method], {})
    entrant = enter(ground, contender)
    assert entrant.failure is None
    return make_task(ground, entrant, 0, 0, n_jobs).run.root.parents[1].name


def timed(ground: CommonGround) -> CommonGround:
    return replace(ground, terms=replace(ground.terms, budget=TrainingBudget("time", 60.0)))


def test_a_network_of_ones_own_is_run_anew_when_its_file_was_edited(
    ground: CommonGround, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "own_module_for_tests.py"
    path.write_text(CODE)
    importlib.invalidate_caches()
    before = name_folder(ground, "own_module_for_tests:make")
    assert name_folder(ground, "own_module_for_tests:make") == before
    unet = name_folder(ground, "unet")
    path.write_text(CODE.replace("n_outputs, 1", "n_outputs, 3, padding=1"))
    assert name_folder(ground, "own_module_for_tests:make") != before
    assert name_folder(ground, "unet") == unet


def test_another_number_of_jobs_changes_what_a_second_is_worth_and_no_iteration(ground: CommonGround) -> None:
    assert name_folder(timed(ground), "unet", 2) != name_folder(timed(ground), "unet", 1)
    assert name_folder(ground, "unet", 2) == name_folder(ground, "unet", 1)


@pytest.mark.parametrize(("name", "value"), [("name_device", "cpu (another one)"), ("count_cores", 17)])
def test_seconds_of_another_machine_are_others(
    ground: CommonGround, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    before = [name_folder(one, "unet") for one in (timed(ground), ground)]
    monkeypatch.setattr(obeying, name, lambda *_: value)
    after = [name_folder(one, "unet") for one in (timed(ground), ground)]
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, True]


def test_another_version_is_run_anew(ground: CommonGround, monkeypatch: pytest.MonkeyPatch) -> None:
    before = name_folder(ground, "unet")
    monkeypatch.setattr(circumstances.torch, "__version__", "99.0")
    assert name_folder(ground, "unet") != before


def test_a_cascade_on_other_weights_is_run_anew(ground: CommonGround, tmp_path: Path) -> None:
    """Previous segmentations lie in a folder that is named after the weights that made them."""
    one, other = (
        replace(ground, previous={fold: {"case": tmp_path / name / "case.b2nd"} for fold in ground.folds})
        for name in ("3d_lowres-0a", "3d_lowres-0b")
    )
    assert name_folder(one, "unet") != name_folder(other, "unet")


def test_a_floor_follows_the_order_of_axes(ground: CommonGround) -> None:
    turned = ground.plan.model_copy(update={"axis_order": fixed((2, 0, 1), "for a test")})
    assert name_folder(replace(ground, plan=turned), "threshold") != name_folder(ground, "threshold")


def test_versions_of_the_libraries_that_a_network_is_built_from_count() -> None:
    found = {
        name: list_libraries(Contender(name, "network", "")) for name in ("segresnet", "fpn@resnet18", "unet", "a:B")
    }
    smp = ("segmentation-models-pytorch", "timm")
    assert found == {"segresnet": ("monai",), "fpn@resnet18": smp, "unet": (), "a:B": ()}
