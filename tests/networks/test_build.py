"""Networks are built from the words of a plan, and only from known ones."""

from __future__ import annotations

import pytest
import torch

from autoseg.errors import PlanError
from autoseg.networks.build import NETWORKS, build_network, place_network
from autoseg.pipeline.planning import ensure_plan
from autoseg.pipeline.project import Project
from autoseg.planning.blueprint import NETWORKS as KNOWN_TO_PLANS
from autoseg.planning.planner import replace_network


def test_plans_and_networks_know_the_same_names() -> None:
    assert set(NETWORKS) == set(KNOWN_TO_PLANS)


@pytest.mark.parametrize("configuration", ["2d", "3d_fullres"])
@pytest.mark.parametrize("network", sorted(NETWORKS))
def test_every_network_takes_every_patch(trained: Project, configuration: str, network: str) -> None:
    settings = replace_network(ensure_plan(trained), configuration, network).configurations[configuration]
    built = place_network(build_network(settings, 2, 5), torch.device("cpu")).eval()
    with torch.inference_mode():
        assert built(torch.zeros(1, 2, *settings.patch_size.value)).shape == (1, 5, *settings.patch_size.value)


def test_an_unknown_network_is_named_with_its_neighbour(trained: Project) -> None:
    settings = ensure_plan(trained).find_configuration("2d")
    wrong = settings.model_copy(update={"network": settings.network.model_copy(update={"value": "unett"})})
    with pytest.raises(PlanError, match=r"network unett is not known. Did you mean unet\?"):
        build_network(wrong, 1, 2)
