"""Convolutions by name: the same values as torch's own choice, and untouched outside."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import nn
from torch.nn.functional import conv3d

from autoseg.prediction.windows import fast_convolutions
from autoseg.prediction.windows.fast_convolutions import FastConvolutions


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv3d(2, 4, 3, padding=1),
        nn.Conv3d(2, 4, (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1), bias=False),
        nn.Conv3d(2, 4, 3, padding="same"),
        nn.Conv3d(2, 4, 3, padding=2, dilation=2, groups=2),
        nn.Conv3d(2, 4, 3, padding=2, dilation=2, groups=2).double(),
        nn.Conv3d(2, 4, 3, padding_mode="circular", padding=1),
    ],
)
def test_values_are_those_without_it(layer):
    image = torch.randn(1, 2, 5, 8, 6, generator=torch.Generator().manual_seed(0)).to(layer.weight.dtype)
    with torch.inference_mode():
        expected = layer(image)
        with FastConvolutions():
            torch.testing.assert_close(layer(image), expected, atol=1e-5, rtol=1e-5)


def test_it_ends_where_it_is_left():
    layer, image = nn.Conv3d(1, 1, 3), torch.randn(1, 1, 3, 3, 3, requires_grad=True)
    with FastConvolutions(), torch.inference_mode():
        layer(image.detach())
    layer(image).sum().backward()
    assert image.grad is not None


def test_a_gradient_that_is_wanted_is_there_inside_too():
    layer, image = nn.Conv3d(1, 1, 3), torch.randn(1, 1, 3, 3, 3, requires_grad=True)
    with FastConvolutions():
        layer(image).sum().backward()
    assert image.grad is not None


def test_what_onednn_refuses_goes_torchs_own_way(monkeypatch):
    def refuse(*_: object) -> None:
        raise RuntimeError("could not create a primitive")

    layer, image = nn.Conv3d(1, 2, 3), torch.randn(1, 1, 4, 5, 6)
    with torch.inference_mode():
        expected = layer(image)
        monkeypatch.setattr(fast_convolutions, "_convolve", refuse)
        with FastConvolutions():
            torch.testing.assert_close(layer(image), expected)
            assert conv3d(image, layer.weight, None, 2, 1).shape == (1, 2, 2, 3, 3)
            with pytest.raises(RuntimeError, match="channels"):
                layer(torch.randn(1, 3, 4, 5, 6))


def test_a_tensor_of_another_kind_is_left_to_its_own_kind():
    class Counted(torch.Tensor):
        pass

    with torch.inference_mode(), FastConvolutions():
        assert type(nn.Conv3d(1, 1, 3)(torch.randn(1, 1, 3, 3, 3).as_subclass(Counted))) is Counted


def test_a_compiled_network_computes_what_it_computed():
    layer, image = nn.Conv3d(1, 2, 3, padding=1).eval(), torch.randn(1, 1, 4, 5, 6)
    compiled = torch.compile(layer, backend="eager")
    with torch.inference_mode():
        expected = layer(image)
        with FastConvolutions():
            torch.testing.assert_close(compiled(image), expected)


def test_other_threads_go_their_own_way(monkeypatch):
    calls = []
    monkeypatch.setattr(fast_convolutions, "_convolve", lambda *args: calls.append(1) or conv3d(*args))
    layer, image = nn.Conv3d(1, 1, 3), torch.randn(1, 1, 3, 3, 3)

    def convolve() -> None:
        with torch.inference_mode():
            layer(image)

    with FastConvolutions():
        other = threading.Thread(target=convolve)
        other.start()
        other.join()
        assert calls == []
        convolve()
    assert calls == [1]
