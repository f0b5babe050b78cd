"""What training is expected to hold is counted where the plan knows a U-Net alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from autoseg.pipeline.remarks import predict_memory_gb
from autoseg.planning.plan_file import read_plan
from autoseg.planning.planner import replace_network

PLAN = Path(__file__).resolve().parents[2] / "plans" / "hippocampus.yaml"


def make_order(network: str, *, budget_gb: float = 30.0) -> Any:
    plan = replace_network(read_plan(PLAN), "2d", "unet")
    settings = plan.configurations["2d"]
    settings = settings.model_copy(update={"network": settings.network.model_copy(update={"value": network})})
    memory = plan.budget.memory_gb.model_copy(update={"value": budget_gb})
    plan = plan.model_copy(update={"budget": plan.budget.model_copy(update={"memory_gb": memory})})
    return SimpleNamespace(plan=plan, settings=settings)


@pytest.fixture
def project() -> Any:
    """A project that remembers its warnings."""
    warnings: list[str] = []
    return SimpleNamespace(warnings=warnings, reporter=SimpleNamespace(warn=warnings.append))


def test_of_a_unet_the_plan_knows(project: Any) -> None:
    order = make_order("unet", budget_gb=0.1)
    assert predict_memory_gb(project, order) == order.settings.memory_gb.value
    assert project.warnings == []


def test_another_network_is_counted_and_warned_of_where_it_is_too_much(project: Any) -> None:
    counted_gb = predict_memory_gb(project, make_order("unet_plus_plus"))
    assert counted_gb > make_order("unet").settings.memory_gb.value
    assert project.warnings == []
    assert predict_memory_gb(project, make_order("unet_plus_plus", budget_gb=0.5)) == counted_gb
    (warning,) = project.warnings
    assert warning.startswith(
        f"Network unet_plus_plus needs about {counted_gb:.2f} GB of memory, more than the 0.50 GB"
    )


OWN = """
from torch import nn

class Deciding(nn.Conv2d):
    def __init__(self, configuration, n_channels, n_outputs):
        super().__init__(n_channels, n_outputs, 1)

    def forward(self, image):
        return super().forward(image) if float(image.max()) > 0 else super().forward(-image)
"""


def test_what_cannot_be_counted_is_said(project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deciding_net_for_test.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    order = make_order("deciding_net_for_test:Deciding")
    assert predict_memory_gb(project, order) == order.settings.memory_gb.value
    (warning,) = project.warnings
    assert "cannot be counted without values" in warning
    assert warning.endswith("Its memory is reckoned for a plain U-Net.")
