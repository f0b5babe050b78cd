"""Walks through the busiest moments end where the live tensors of the real networks do."""

from __future__ import annotations

import math
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from autoseg.networks.build import place_network
from autoseg.networks.unet import UNet
from autoseg.planning import peaks
from autoseg.planning.choices import Blocks, Loss, Topology
from autoseg.planning.layers import NetworkSketch
from autoseg.planning.memory import count_kept_bytes
from autoseg.planning.peaks import Arithmetic, peak_of_backward, peak_of_forward, peak_of_loss
from autoseg.planning.rules.blocks import decide_blocks
from autoseg.planning.rules.topology import derive_topology
from autoseg.training.losses import Target, compute_loss

CPU = Arithmetic()
LOSS = Loss(terms={"cross_entropy": 1.0, "soft_dice": 1.0})
CASES = [
    (network, spacing_mm, patch_size)
    for network in ("unet", "residual_unet")
    for spacing_mm, patch_size in [
        ((1.0, 1.0), (96, 64)),
        ((1.0, 1.0, 1.0), (32, 24, 16)),
        ((4.0, 1.0, 0.9), (10, 48, 32)),
        ((1.0, 1.0, 3.0), (16, 16, 24)),
    ]
]


class Living(TorchDispatchMode):
    """Counts the bytes of all storages that operations make, while they live."""

    def __init__(self) -> None:
        super().__init__()
        self.living: dict[int, tuple[Any, int]] = {}
        self.now = self.peak = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self._meet(tensor.untyped_storage())
        self.peak = max(self.peak, self.now)
        return result

    def _meet(self, storage: torch.UntypedStorage) -> None:
        place = storage._cdata
        if place not in self.living:
            self.living[place] = weakref.ref(storage, lambda _: self._part(place)), storage.nbytes()
            self.now += storage.nbytes()

    def _part(self, place: int) -> None:
        self.now -= self.living.pop(place)[1]


def make_sketch(network: str, spacing_mm: tuple[float, ...], patch_size: tuple[int, ...]) -> NetworkSketch:
    topology = derive_topology(spacing_mm, patch_size)
    features = tuple(min(8 * 2**stage, 24) for stage in range(topology.n_stages))
    blocks = decide_blocks(network=network, n_stages=len(features)).value
    return NetworkSketch(network, topology, features, blocks, 3, 4)


def fit(sketch: NetworkSketch, patch_size: tuple[int, ...]) -> tuple[int, ...]:
    """The next smaller patch that the strides divide."""
    return tuple(size // step * step for size, step in zip(patch_size, sketch.topology.divisor, strict=True))


def build(sketch: NetworkSketch) -> Any:
    words: dict[str, Any] = {"topology": sketch.topology, "features": sketch.features, "blocks": sketch.blocks}
    unet = UNet(sketch.n_channels, sketch.n_labels, residual=sketch.is_residual, **words)
    return place_network(unet, torch.device("cpu"))


@pytest.fixture
def bare_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what kernels take for themselves: no operation shows it."""
    monkeypatch.setattr(Arithmetic, "copies_for_convolution", lambda *_: False)
    monkeypatch.setattr(peaks, "_gradient_buffer", lambda *_: 0)


@pytest.mark.usefixtures("bare_kernels")
@pytest.mark.parametrize(("network", "spacing_mm", "patch_size"), CASES)
def test_a_forward_pass_lives_on_what_is_counted(
    network: str, spacing_mm: tuple[float, ...], patch_size: tuple[int, ...]
) -> None:
    sketch = make_sketch(network, spacing_mm, patch_size)
    patch_size = fit(sketch, patch_size)
    unet, image = build(sketch).eval(), torch.zeros(1, 3, *patch_size)
    with torch.inference_mode(), Living() as living:
        unet(image)
    assert peak_of_forward(sketch, patch_size, CPU) == pytest.approx(living.peak, rel=0.001)


@pytest.mark.usefixtures("bare_kernels")
@pytest.mark.parametrize(("network", "spacing_mm", "patch_size"), CASES)
def test_a_training_step_lives_on_what_is_counted(
    network: str, spacing_mm: tuple[float, ...], patch_size: tuple[int, ...]
) -> None:
    sketch = make_sketch(network, spacing_mm, patch_size)
    patch_size = fit(sketch, patch_size)
    unet, image = build(sketch).train(), torch.zeros(2, 3, *patch_size)
    target = Target(torch.ones(2, *patch_size, dtype=torch.int64))
    compute_loss(unet(image), target, LOSS, batch_dice=False)[0].backward()  # from now on gradients add in place
    with Living() as living:
        levels = unet(image)
        before = living.now
        loss, _ = compute_loss(levels, target, LOSS, batch_dice=False)
        at_loss, living.peak = living.peak, 0
        loss.backward()
    shapes = [sketch.stage_shapes(patch_size)[stage] for stage in sketch.supervised_stages]
    kept = count_kept_bytes(sketch, patch_size, 2, CPU) - image.nbytes + sum(4 * level.numel() for level in levels)
    assert before == pytest.approx(kept, rel=0.02)
    assert at_loss - before == pytest.approx(2 * peak_of_loss(4, shapes, CPU), rel=0.01)
    assert kept + 2 * peak_of_backward(sketch, patch_size, CPU) == pytest.approx(living.peak, rel=0.05)


def test_many_labels_make_the_loss_the_busiest_moment() -> None:
    logits = torch.zeros(1, 30, 6, 16, 12, requires_grad=True)
    target = Target(torch.ones(1, 6, 16, 12, dtype=torch.int64))
    with Living() as living:
        compute_loss(logits * 1, target, LOSS, batch_dice=True)
    assert living.peak - logits.nbytes == pytest.approx(peak_of_loss(30, [(6, 16, 12)], CPU), rel=0.1)


def test_bfloat16_holds_less_at_once_but_widens_the_logits() -> None:
    sketch = make_sketch("unet", (4.0, 1.0, 0.9), (10, 48, 32))
    full, mixed = (Arithmetic("cuda", precision) for precision in ("float32", "bfloat16"))
    assert peak_of_backward(sketch, (10, 48, 32), mixed) <= peak_of_backward(sketch, (10, 48, 32), full)
    voxels = math.prod((10, 48, 32))
    labels = sketch.n_labels
    more = peak_of_loss(labels, [(10, 48, 32)], mixed) - peak_of_loss(labels, [(10, 48, 32)], full)
    assert more == 4 * labels * voxels  # logits in float32 beside those in bfloat16


@pytest.mark.usefixtures("bare_kernels")
@pytest.mark.parametrize("network", ["unet", "residual_unet"])
@pytest.mark.parametrize("n_blocks", [1, 3])
def test_without_a_decoder_the_encoder_is_the_busiest(network: str, n_blocks: int) -> None:
    topology = Topology(strides=((1, 1, 1),), kernel_sizes=((1, 3, 3),))
    sketch = NetworkSketch(network, topology, (8,), Blocks(encoder=(n_blocks,), decoder=()), 3, 4)
    unet, image = build(sketch).eval(), torch.zeros(1, 3, 4, 9, 7)
    with torch.inference_mode(), Living() as living:
        unet(image)
    assert peak_of_forward(sketch, (4, 9, 7), CPU) == pytest.approx(living.peak, rel=0.001)


def test_gradients_of_coarser_heads_wait_for_the_finest() -> None:
    sketch = make_sketch("unet", (1.0, 1.0, 1.0), (32, 32, 32))
    supervised, alone = (
        peak_of_backward(replace(sketch, deep_supervision=each), (32, 32, 32), CPU) for each in (True, False)
    )
    assert supervised - alone == 4 * 16 * 16**3  # one level between the finest and the coarsest, in float32
