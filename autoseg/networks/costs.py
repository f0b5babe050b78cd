"""What does a network cost: values, floating point operations, memory?

Counted and not estimated: the network runs forward and backward on torch's meta device, where tensors have shapes but
no values, so that it takes neither memory nor much time, whatever the patch. A multiply-add counts two operations.
Operations are counted by `torch.utils.flop_counter`: convolutions, transposed ones, matrix products and attention;
normalisations, activations, pooling and interpolation count nothing there, and so nowhere here.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from autoseg.errors import PlanError

META = torch.device("meta")
SMALLEST_BATCH = 2  # a batch normalisation of pooled features takes no fewer in training
COUNTED_NAMESPACES = ("aten", "prim", "prims")  # an operation of another library is one that nobody counts
UNCOUNTED = (  # products of torch that its counter does not know
    *("mv", "addmv", "dot", "vdot", "addr", "_cdist_forward", "_fft_c2c", "_fft_r2c", "_fft_c2r"),
    *("grid_sampler_2d", "grid_sampler_3d", "_thnn_fused_lstm_cell", "_thnn_fused_gru_cell"),
    *("_native_multi_head_attention", "_transformer_encoder_layer_fwd"),
    *("_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_fused_attention_overrideable"),
)

Build = Callable[[], nn.Module]


@dataclass(frozen=True)
class NetworkCosts:
    """What a network costs, per patch; weights apart.

    Attributes:
        n_parameters: learned values.
        flops_per_patch: floating point operations of one forward pass, as in prediction.
        kept_bytes: that autograd keeps between the two in float32, input included, parameters and buffers left out.
        kept_blocks: the same, by piece of memory.
        peak_bytes: that live at the busiest moment of the two, gradients of the weights included.
        output_shapes: (K, *level) of the logits in training, finest first.
        uncounted: operations that work was done by and nobody counted; empty where all is counted.
    """

    n_parameters: int
    flops_per_patch: int
    kept_bytes: int
    kept_blocks: tuple[int, ...]
    peak_bytes: int
    output_shapes: tuple[tuple[int, ...], ...]
    uncounted: tuple[str, ...] = ()


def measure_costs(
    network: nn.Module | Build, *, patch_size: Sequence[int], n_channels: int, batch_size: int = 1
) -> NetworkCosts:
    """Count what a network costs, without computing it.

    Args:
        network: (B, C, *patch) -> logits, in training perhaps a list of them; or what builds it, which then takes no
            memory either. The network itself stays untouched, and so does torch's generator.
        patch_size: voxels per axis, in axis order.
        n_channels: C.
        batch_size: patches in a batch of training. What is shared by a batch is shared out among them; memory is
            measured for two at least.

    Raises:
        PlanError: the network asks for values in order to decide what to compute, or fails.
    """
    with _explaining_failure():
        there = _copy_to_meta(network) if isinstance(network, nn.Module) else _build_on_meta(network)
        flops, uncounted = _count_forward(there, (1, n_channels, *patch_size))
        training = _Training(there, (max(batch_size, SMALLEST_BATCH), n_channels, *patch_size))
    return NetworkCosts(
        n_parameters=sum(parameter.numel() for parameter in there.parameters()),
        flops_per_patch=flops,
        kept_bytes=round(sum(training.kept_blocks) / training.batch_size),
        kept_blocks=tuple(round(size / training.batch_size) for size in training.kept_blocks),
        peak_bytes=round(training.peak_bytes / training.batch_size),
        output_shapes=training.output_shapes,
        uncounted=tuple(sorted(uncounted | training.uncounted)),
    )


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts bytes of the storages that operations make while they live, and names operations that nobody counts."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.uncounted: set[str] = set()
        self.peak_bytes = self._now = 0
        self._living: dict[int, tuple[Any, int]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        namespace, _, name = func._overloadpacket._qualified_op_name.partition("::")
        if namespace not in COUNTED_NAMESPACES or name in UNCOUNTED:
            self.uncounted.add(f"{namespace}::{name}")
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._meet(tensor.untyped_storage())
        self.peak_bytes = max(self.peak_bytes, self._now)
        return result

    def _meet(self, storage: torch.UntypedStorage) -> None:
        place = storage._cdata
        if place not in self._living:
            self._living[place] = weakref.ref(storage, lambda _: self._part(place)), storage.nbytes()
            self._now += storage.nbytes()

    def _part(self, place: int) -> None:
        self._now -= self._living.pop(place)[1]


class _Training:
    """What a forward and a backward pass in training cost, for a whole batch."""

    def __init__(self, network: nn.Module, shape: tuple[int, ...]) -> None:
        self.batch_size = shape[0]
        kept: dict[int, torch.UntypedStorage] = {}

        def keep(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            kept[storage._cdata] = storage  # held, so that no other takes its place
            return tensor

        own = {each.untyped_storage()._cdata for each in (*network.parameters(), *network.buffers())}
        network.train()
        with _Watch() as watch:
            image = torch.zeros(shape, device=META)
            with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
                levels = _list_levels(network(image))
            self.kept_blocks = [storage.nbytes() for place, storage in kept.items() if place not in own]
            kept.clear()
            torch.autograd.backward(levels, [torch.ones_like(level) for level in levels])
        self.peak_bytes = watch.peak_bytes
        self.uncounted = watch.uncounted
        self.output_shapes = tuple(tuple(level.shape[1:]) for level in levels)


def _count_forward(network: nn.Module, shape: tuple[int, ...]) -> tuple[int, set[str]]:
    network.eval()
    with torch.no_grad(), _Watch() as watch, FlopCounterMode(display=False) as counter:
        network(torch.zeros(shape, device=META))
    return counter.get_total_flops(), watch.uncounted


def _list_levels(answer: Tensor | Sequence[Tensor]) -> list[Tensor]:
    return [answer] if isinstance(answer, Tensor) else list(answer)


def _copy_to_meta(network: nn.Module) -> nn.Module:
    """The same network without values; its weights are not copied on the way."""
    memo: dict[int, Any] = {id(each): each.detach().to(META) for each in network.buffers()}
    memo |= {id(each): nn.Parameter(each.detach().to(META), each.requires_grad) for each in network.parameters()}
    return copy.deepcopy(network, memo)


def _build_on_meta(build: Build) -> nn.Module:
    """Build a network without values; where its code asks for some, build it as it is and let go of them."""
    try:
        with torch.random.fork_rng(devices=[]), META:
            network = build()
    except (RuntimeError, NotImplementedError):
        with torch.random.fork_rng(devices=[]):
            network = build()
    return _copy_to_meta(network)  # some weights have values nevertheless: torch.Tensor(...) asks for no device


@contextmanager
def _explaining_failure() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, NotImplementedError, TypeError, ValueError) as problem:
        first = (str(problem).splitlines() or [""])[0]
        raise PlanError(
            f"The network's costs cannot be counted without values: {type(problem).__name__}: {first}"
        ) from problem
