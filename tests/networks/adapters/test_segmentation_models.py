"""Networks of segmentation_models_pytorch take every plan in 2D, with any encoder, and download nothing."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from autoseg.errors import PlanError, UsageError
from autoseg.networks.adapters.libraries import explaining_absence
from autoseg.networks.adapters.segmentation_models import METHODS, find_method
from autoseg.networks.build import build_network

PUBLISHED = {"fpn": "FPN", "deeplabv3_plus": "DeepLabV3Plus"}


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("name", "patch_size"),
    [("fpn", (20, 96)), ("fpn", (32, 32)), ("deeplabv3_plus@resnet18", (48, 40)), ("fpn@tu-resnet18", (48, 40))],
)
def test_any_patch_is_answered_in_its_shape_and_every_weight_learns(
    name: str, patch_size: tuple[int, ...], configure: Any, smp: ModuleType
) -> None:
    method = find_method(name)
    assert method is not None
    network = method.builder(configure((1.0, 1.2), patch_size), 2, 3).train()
    answer = network(torch.randn(2, 2, *patch_size))
    assert answer.shape == (2, 3, *patch_size)
    answer.square().mean().backward()
    assert [key for key, weight in network.named_parameters() if weight.grad is None] == []


@pytest.mark.parametrize("name", sorted(METHODS))
def test_the_network_is_the_librarys_own(name: str, configure: Any, smp: ModuleType) -> None:
    theirs = getattr(smp, PUBLISHED[name])(encoder_weights=None, in_channels=3, classes=4)
    assert count(METHODS[name].builder(configure((1.0, 1.0), (64, 64)), 3, 4)) == count(theirs)


def test_nothing_is_downloaded(configure: Any, smp: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something was looked for on the network")

    monkeypatch.setattr("segmentation_models_pytorch.encoders.hf_hub_download", refuse)
    monkeypatch.setattr("socket.socket.connect", refuse)
    assert count(METHODS["fpn"].builder(configure((1.0, 1.0), (64, 64)), 1, 2)) > 0


def test_a_name_carries_its_encoder() -> None:
    method = find_method("deeplabv3_plus@resnet50")
    assert method is not None
    assert (method.name, method.n_dimensions) == ("deeplabv3_plus@resnet50", (2,))
    assert "encoder resnet50" in method.differs
    assert find_method("unet") is None
    assert find_method("fpn") is METHODS["fpn"]


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("fpn@resnet43", {}, r"network fpn: there is no encoder 'resnet43'. Did you mean resnet34"),
        ("fpn@tu-nothing", {}, r"network fpn: does not take the encoder tu-nothing: "),
        (
            "deeplabv3_plus",
            {"batch_size": 1},
            r"network deeplabv3_plus: .* but batch_size is 1\. Plan with more memory",
        ),
    ],
)
def test_what_it_cannot_be_is_one_line(
    name: str, values: dict[str, Any], expected: str, configure: Any, smp: ModuleType
) -> None:
    method = find_method(name)
    assert method is not None
    with pytest.raises(PlanError, match=expected) as caught:
        method.builder(configure((1.0, 1.0), (64, 64), **values), 1, 2)
    assert "\n" not in str(caught.value)


def test_a_volume_is_refused_before_the_library_is_looked_for(configure: Any) -> None:
    settings = configure((1.0, 1.0, 1.0), (16, 16, 16), network="fpn")
    with pytest.raises(PlanError, match="network fpn: is built in 2D, not in 3D"):
        build_network(settings, 1, 2)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_without_the_library_one_line_says_what_to_install(
    name: str, configure: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(UsageError, match=rf'Network {name} needs segmentation_mod.*: pip install "autoseg\[smp\]"\.$'):
        METHODS[name].builder(configure((1.0, 1.0), (48, 40)), 1, 2)


def test_a_library_that_lacks_another_names_it() -> None:
    absent = ModuleNotFoundError("No module named 'timm'", name="timm")
    with (
        pytest.raises(UsageError, match=r"which is not installed \(timm is missing\): pip"),
        explaining_absence("fpn", library="segmentation_models_pytorch", extra="smp"),
    ):
        raise absent


def test_a_torchvision_of_another_build_is_one_line_with_the_way_out() -> None:
    with (
        pytest.raises(UsageError, match=r"built for torch .* --no-deps torchvision --index-url https"),
        explaining_absence("fpn", library="segmentation_models_pytorch", extra="smp"),
    ):
        raise RuntimeError("operator torchvision::nms does not exist")
