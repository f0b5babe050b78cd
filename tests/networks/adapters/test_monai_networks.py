"""MONAI's networks take every plan, answer in its shape, learn, and have the size of the library's own."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import nn

from autoseg.errors import PlanError, UsageError
from autoseg.networks.adapters.monai_networks import METHODS
from autoseg.networks.build import build_network
from autoseg.planning.choices import Loss, Topology

SHAPES = [((1.0, 1.0), (48, 40)), ((1.0, 1.0, 1.0), (16, 24, 16)), ((4.0, 1.0, 0.9), (6, 48, 32))]
SMALL = ["segresnet", "swin_unetr", "dynunet"]


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def list_levels(answer: Any) -> list[torch.Tensor]:
    return answer if isinstance(answer, list) else [answer]


@pytest.mark.parametrize(
    ("name", "spacing_mm", "patch_size"),
    [(name, *shape) for name in SMALL for shape in SHAPES if (name, shape) != ("swin_unetr", SHAPES[1])],  # it is slow
)
def test_any_patch_is_answered_in_its_shape_and_every_weight_learns(
    name: str, spacing_mm: tuple[float, ...], patch_size: tuple[int, ...], configure: Any, monai_nets: ModuleType
) -> None:
    network = METHODS[name].builder(configure(spacing_mm, patch_size), 2, 3)
    levels = list_levels(network.train()(torch.randn(1, 2, *patch_size)))
    assert levels[0].shape == (1, 3, *patch_size)
    sum(level.square().mean() for level in levels).backward()
    assert [key for key, weight in network.named_parameters() if weight.grad is None] == []
    with torch.no_grad():
        assert network.eval()(torch.zeros(1, 2, *patch_size)).shape == (1, 3, *patch_size)


def test_a_vision_transformer_learns_from_a_flat_patch_and_from_a_smaller_one(
    configure: Any, monai_nets: ModuleType
) -> None:
    with torch.device("meta"):  # 85 million weights whatever the plan, of which shapes are enough
        network = METHODS["unetr"].builder(configure((4.0, 1.0, 1.0), (6, 40, 32)), 1, 2).train()
        answer, smaller = network(torch.zeros(1, 1, 6, 40, 32)), network(torch.zeros(1, 1, 6, 24, 16))
    answer.square().mean().backward()
    assert (answer.shape, smaller.shape) == ((1, 2, 6, 40, 32), (1, 2, 6, 24, 16))  # the latter of a patch schedule
    unused = [key for key, weight in network.named_parameters() if weight.grad is None]
    assert all("norm_cross_attn" in key for key in unused)  # which the library has, and its UNETR never calls


@pytest.mark.parametrize("name", SMALL)
def test_a_checkpoint_holds_every_weight_once(name: str, configure: Any, monai_nets: ModuleType) -> None:
    network = METHODS[name].builder(configure((1.0, 1.0), (48, 40)), 1, 2)
    tensors = network.state_dict()
    assert len(save(tensors)) >= sum(4 * tensor.numel() for tensor in tensors.values())  # it refuses shared memory


def test_supervision_runs_from_fine_to_coarse_as_in_the_own_network(configure: Any, monai_nets: ModuleType) -> None:
    settings = configure((4.0, 1.0, 0.9), (6, 48, 32))
    own = build_network(settings.model_copy(update={"network": set_name(settings, "unet")}), 2, 3).train()
    image = torch.randn(2, 2, 6, 48, 32)
    levels = METHODS["dynunet"].builder(settings, 2, 3).train()(image)
    assert [level.shape for level in levels] == [level.shape for level in own(image)]
    assert len(levels) > 1
    alone = configure((4.0, 1.0, 0.9), (6, 48, 32), loss=Loss(terms={"soft_dice": 1.0}, deep_supervision=False))
    assert isinstance(METHODS["dynunet"].builder(alone, 2, 3).train()(image), torch.Tensor)


def set_name(settings: Any, name: str) -> Any:
    return settings.network.model_copy(update={"value": name})


def test_dynunet_is_the_own_unet_but_for_its_biases(configure: Any, monai_nets: ModuleType) -> None:
    settings = configure((1.0, 1.1, 0.9), (16, 48, 32))
    own = build_network(settings.model_copy(update={"network": set_name(settings, "unet")}), 2, 3)
    convolutions = [one for one in own.modules() if isinstance(one, nn.Conv3d | nn.ConvTranspose3d)]
    heads = [one for one in convolutions if one.out_channels == 3]
    biases = sum(one.out_channels for one in convolutions if one not in heads)
    assert count(METHODS["dynunet"].builder(settings, 2, 3)) == count(own) - biases


def test_dynunet_of_two_stages_is_refused_in_one_line(configure: Any, monai_nets: ModuleType) -> None:
    flat = Topology(strides=((1, 1), (2, 2)), kernel_sizes=((3, 3), (3, 3)))
    with pytest.raises(PlanError, match="network dynunet: needs 3 stages or more, but topology has 2"):
        METHODS["dynunet"].builder(configure((1.0, 1.0), (8, 8), topology=flat, features=(8, 16)), 1, 2)


def test_published_configurations_have_their_published_size(configure: Any, monai_nets: ModuleType) -> None:
    """Swin UNETR: 61.98 million (arXiv 2201.01266); UNETR: 92.58 (arXiv 2103.10504), beside norms that nobody calls."""
    swin = configure((1.0,) * 3, (128, 128, 128), features=(48, 96, 192, 384, 768, 768))
    unetr = configure((1.0,) * 3, (96, 96, 96), width=16)
    with torch.device("meta"):
        vit = METHODS["unetr"].builder(unetr, 1, 14)
        same = monai_nets.UNETR(1, 14, (96, 96, 96))
    assert count(vit) == count(same)
    assert count(METHODS["swin_unetr"].builder(swin, 4, 3)) == pytest.approx(61.98e6, rel=0.005)
    idle = sum(weight.numel() for key, weight in vit.named_parameters() if "norm_cross_attn" in key)
    assert count(vit) - idle == pytest.approx(92.58e6, rel=0.005)


def test_four_stages_of_segresnet_are_the_published_ones(configure: Any, monai_nets: ModuleType) -> None:
    topology = Topology(strides=((1, 1, 1), *[(2, 2, 2)] * 3), kernel_sizes=((3, 3, 3),) * 4)
    settings = configure((1.0,) * 3, (32, 32, 32), topology=topology, features=(32, 64, 128, 256))
    with torch.device("meta"):
        ours, theirs = METHODS["segresnet"].builder(settings, 4, 3), monai_nets.SegResNet(3, 32, 4, 3)
    assert count(ours) == count(theirs)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_without_the_library_one_line_says_what_to_install(
    name: str, configure: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("monai", "monai.networks"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=rf'^Network {name} needs monai, .*: pip install "autoseg\[monai\]"\.$'):
        METHODS[name].builder(configure((1.0, 1.0), (48, 40)), 1, 2)
