"""What training a fold tells about itself."""

from __future__ import annotations

import pytest
import torch

from autoseg.pipeline.planning import ensure_plan
from autoseg.pipeline.project import Project
from autoseg.pipeline.remarks import compare_memory
from autoseg.training.history import read_history


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_precision_that_the_device_lacks_is_told(cascaded: Project) -> None:
    warned = [sentence for sentence in cascaded.reporter.warned if "bfloat16" in sentence]  # type: ignore[attr-defined]
    assert len(warned) == 2
    assert "which cpu does not compute in: training in float32" in warned[0]


def test_memory_beyond_prediction_or_budget_is_a_warning() -> None:
    assert compare_memory(0.88, 0.83, 8.0) == ("Peak memory 0.88 GB, predicted 0.83 GB.", False)
    assert compare_memory(1.0, 0.8, 8.0) == ("Peak memory 1.00 GB, predicted 0.80 GB: 25% more.", True)
    sentence, is_too_much = compare_memory(8.1, 8.0, 8.0)
    assert is_too_much
    assert "more than the 8.00 GB of the budget. Plan for less with --gpu-memory" in sentence


@pytest.mark.parametrize(("name", "fold"), [("3d_lowres", 0), ("3d_lowres", 1), ("3d_cascade", 0)])
def test_the_peak_of_the_history_is_told_beside_the_prediction_of_the_plan(
    cascaded: Project, name: str, fold: int
) -> None:
    sentences = [*cascaded.reporter.said, *cascaded.reporter.warned]  # type: ignore[attr-defined]
    measured_gb = max(epoch.memory_gb for epoch in read_history(cascaded.workspace.run(name, fold).history))
    predicted_gb = ensure_plan(cascaded).find_configuration(name).memory_gb.value
    told = f"Peak memory {measured_gb:.2f} GB, predicted {predicted_gb:.2f} GB"
    assert any(sentence.startswith(told) for sentence in sentences)
