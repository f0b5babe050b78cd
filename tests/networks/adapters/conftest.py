"""Configurations of any shape, and libraries where they are installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from autoseg.planning.plan import Configuration
from autoseg.planning.plan_file import read_plan
from autoseg.planning.rules.topology import derive_topology

PLAN = Path(__file__).resolve().parents[3] / "plans" / "hippocampus.yaml"
Configure = Callable[..., Configuration]


def set_values(configuration: Configuration, **values: Any) -> Configuration:
    """The same configuration with other values in its decisions."""
    changed = {name: getattr(configuration, name).model_copy(update={"value": new}) for name, new in values.items()}
    return configuration.model_copy(update=changed)


@pytest.fixture(scope="session")
def configure() -> Configure:
    """Make a configuration from spacing, patch size and first width; all else is a shipped plan's, or as given."""
    plan = read_plan(PLAN)

    def build(
        spacing_mm: Sequence[float], patch_size: tuple[int, ...], *, width: int = 8, **values: Any
    ) -> Configuration:
        topology = derive_topology(tuple(spacing_mm), patch_size)
        features = tuple(min(width * 2**stage, 40) for stage in range(topology.n_stages))
        first = plan.configurations["3d_fullres"].model_copy(update={"n_dimensions": len(patch_size)})
        words = {"patch_size": patch_size, "batch_size": 2, "topology": topology, "features": features}
        return set_values(first, **(words | values))

    return build


@pytest.fixture(scope="session")
def monai_nets() -> ModuleType:
    pytest.importorskip("einops", reason="the extra `monai` is not installed")
    return pytest.importorskip("monai.networks.nets", reason="the extra `monai` is not installed")  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def smp() -> Iterator[ModuleType]:
    """segmentation_models_pytorch, also beside a torchvision whose compiled part does not fit this torch.

    The networks use none of its operators, but while it is imported it declares the shapes of two: where the compiled
    part does not load, these are made known first.
    """
    with torch.library._scoped_library("torchvision", "FRAGMENT") as library:
        try:
            import torchvision  # noqa: F401
        except ImportError:
            pytest.skip("the extra `smp` is not installed")
        except RuntimeError:
            for name in ("nms", "qnms"):
                library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        yield pytest.importorskip("segmentation_models_pytorch", reason="the extra `smp` is not installed")
