"""Networks are built from the words of a plan, and only from known ones."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import nn

from autoseg.errors import PlanError
from autoseg.networks.build import NETWORKS, build_network, place_network
from autoseg.networks.methods import BASELINES, OWN
from autoseg.pipeline.planning import ensure_plan
from autoseg.pipeline.project import Project
from autoseg.planning.blueprint import NETWORKS as KNOWN_TO_PLANS
from autoseg.planning.plan import Configuration
from autoseg.planning.planner import replace_network


def test_plans_and_networks_know_the_same_names() -> None:
    assert set(NETWORKS) == set(KNOWN_TO_PLANS)


@pytest.mark.parametrize("configuration", ["2d", "3d_fullres"])
@pytest.mark.parametrize("network", [method.name for method in (*OWN, *BASELINES)])  # adapters: tests/networks/adapters
def test_every_network_takes_every_patch(planned: Project, configuration: str, network: str) -> None:
    settings = replace_network(ensure_plan(planned), configuration, network).configurations[configuration]
    built = place_network(build_network(settings, 2, 5), torch.device("cpu")).eval()
    with torch.inference_mode():
        assert built(torch.zeros(1, 2, *settings.patch_size.value)).shape == (1, 5, *settings.patch_size.value)


OWN = """
from torch import nn

class Tiny(nn.Module):
    def __init__(self, configuration, n_channels, n_outputs):
        super().__init__()
        convolution = nn.Conv3d if configuration.n_dimensions == 3 else nn.Conv2d
        self.only = convolution(n_channels, n_outputs, 1)

    def forward(self, image):
        logits = self.only(image)
        return [logits, logits[..., ::2]] if self.training else logits

def forget(configuration, n_channels, n_outputs):
    return "no network"
"""


def name_network(project: Project, path: str) -> Configuration:
    settings = ensure_plan(project).find_configuration("2d")
    return settings.model_copy(update={"network": settings.network.model_copy(update={"value": path})})


def test_a_network_of_ones_own_is_built_from_its_path(
    planned: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_nets_for_test.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    network = build_network(name_network(planned, "own_nets_for_test:Tiny"), 2, 5)
    assert network.eval()(torch.zeros(1, 2, 6, 4)).shape == (1, 5, 6, 4)
    assert [level.shape[-1] for level in network.train()(torch.zeros(1, 2, 6, 4))] == [4, 2]
    with pytest.raises(PlanError, match=r"network own_nets_for_test:forget: .* must return a torch.nn.Module, but"):
        build_network(name_network(planned, "own_nets_for_test:forget"), 2, 5)


def test_a_network_whose_code_is_missing_says_what_needs_it(planned: Project) -> None:
    with pytest.raises(PlanError, match=r"the plan and its checkpoints need: nowhere.nets:Mine: there is no module"):
        build_network(name_network(planned, "nowhere.nets:Mine"), 1, 2)


@pytest.mark.parametrize(
    ("n_dimensions", "layout", "is_last"),
    [(3, "auto", True), (3, "contiguous", False), (2, "auto", False), (2, "channels_last", True)],
)
def test_weights_lie_as_the_plan_says(
    n_dimensions: int, layout: Literal["auto", "channels_last", "contiguous"], is_last: bool
) -> None:
    convolution = (nn.Conv2d if n_dimensions == 2 else nn.Conv3d)(4, 6, 3)
    network = nn.Sequential(convolution.to(memory_format=torch.contiguous_format), nn.LeakyReLU())
    place_network(network, torch.device("cpu"), layout)
    last = torch.channels_last if n_dimensions == 2 else torch.channels_last_3d
    assert convolution.weight.is_contiguous(memory_format=last) == is_last
    assert convolution.weight.is_contiguous() != is_last


def test_an_unknown_network_is_named_with_its_neighbour(planned: Project) -> None:
    settings = ensure_plan(planned).find_configuration("2d")
    wrong = settings.model_copy(update={"network": settings.network.model_copy(update={"value": "unett"})})
    with pytest.raises(PlanError, match=r"network unett is not known. Did you mean unet\?"):
        build_network(wrong, 1, 2)


def test_a_network_of_slices_is_refused_for_volumes(planned: Project) -> None:
    settings = replace_network(ensure_plan(planned), "3d_fullres", "fpn@resnet50").configurations["3d_fullres"]
    with pytest.raises(PlanError, match=r"^network fpn@resnet50: is built in 2D, not in 3D"):
        build_network(settings, 1, 2)


def test_an_added_network_is_built_by_its_name(planned: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        NETWORKS, "mine", lambda configuration, n_channels, n_outputs: nn.Conv2d(n_channels, n_outputs, 1)
    )
    settings = ensure_plan(planned).find_configuration("2d")
    mine = settings.model_copy(update={"network": settings.network.model_copy(update={"value": "mine"})})
    assert isinstance(build_network(mine, 1, 2), nn.Conv2d)
