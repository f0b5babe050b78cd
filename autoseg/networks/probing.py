"""How fast does this device train? Measured with small real U-Nets, and solved for the speeds that planning uses.

A narrow and a wide network, a large and a small patch: enough different shares of operations, values and weights to
tell their speeds apart by least squares. What one iteration does is the caller's: training's own loss, optimiser and
averaging.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy.optimize import nnls
from torch import nn

from autoseg.networks.unet import UNet
from autoseg.planning.devices import Speed
from autoseg.planning.layers import NetworkSketch, sum_layers
from autoseg.planning.rules.blocks import decide_blocks
from autoseg.planning.rules.features import compute_features
from autoseg.planning.rules.topology import derive_topology
from autoseg.planning.throughput import GIGA, count_iteration_flops, count_iteration_values

Layout = Literal["channels_last", "contiguous"]

N_LABELS = 3
N_ROUNDS = 4  # the best of so many, after one that warms up
ENOUGH_S = 2.5  # one network is not timed for longer, however slow the device is; three rounds that count at least
FASTEST = 1e6  # billions per second, where a term is too small to be seen
SIGNIFICANT_DIGITS = 4


@dataclass(frozen=True)
class Sample:
    """A small training to be timed: which network, on what."""

    network: str
    width: int
    patch_size: tuple[int, ...]
    batch_size: int
    n_channels: int = 1

    @property
    def n_dimensions(self) -> int:
        return len(self.patch_size)

    @property
    def sketch(self) -> NetworkSketch:
        """What the network consists of."""
        topology = derive_topology([1.0] * self.n_dimensions, self.patch_size)
        n_stages = topology.n_stages
        features = compute_features(width=self.width, n_stages=n_stages, n_dimensions=self.n_dimensions)
        blocks = decide_blocks(network=self.network, n_stages=n_stages).value
        return NetworkSketch(self.network, topology, features, blocks, self.n_channels, N_LABELS)


SAMPLES: dict[str, tuple[Sample, ...]] = {
    "cpu": (
        Sample("unet", 8, (192, 192), 3),
        Sample("unet", 32, (64, 64), 4),
        Sample("residual_unet", 16, (96, 96), 4),
        Sample("unet", 16, (96, 96), 4),
        Sample("unet", 8, (32, 32), 4),
        Sample("unet", 8, (40, 40, 40), 2),
        Sample("unet", 32, (24, 24, 24), 2),
        Sample("residual_unet", 16, (24, 32, 32), 2),
        Sample("unet", 16, (32, 32, 24), 2),
        Sample("unet", 8, (16, 16, 16), 2),
    ),
    "gpu": (
        Sample("unet", 16, (512, 512), 4),
        Sample("unet", 64, (256, 256), 4),
        Sample("residual_unet", 32, (256, 256), 4),
        Sample("unet", 32, (256, 256), 4),
        Sample("unet", 16, (64, 64), 4),
        Sample("unet", 16, (96, 96, 96), 2),
        Sample("unet", 64, (64, 64, 64), 2),
        Sample("residual_unet", 32, (64, 64, 64), 2),
        Sample("unet", 32, (64, 64, 64), 2),
        Sample("unet", 16, (32, 32, 32), 2),
    ),
}
"""What is timed, by kind of device: five trainings in 2D and five in 3D, the narrow one on the largest patch first."""


@dataclass(frozen=True)
class Work:
    """One iteration in two halves.

    Attributes:
        descend: forward pass, loss and backward pass.
        renew: gradient clipping, optimiser and averaging.
    """

    descend: Callable[[], None]
    renew: Callable[[], None]


@dataclass(frozen=True)
class Timing:
    """Best seconds of the halves of an iteration, by the clock and by the processor."""

    descend_s: float
    renew_s: float
    descend_processor_s: float
    renew_processor_s: float


def build_sample(sample: Sample, *, seed: int = 0) -> UNet:
    """The network of a sample, with fresh weights."""
    sketch = sample.sketch
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return UNet(
            sketch.n_channels,
            sketch.n_labels,
            topology=sketch.topology,
            features=sketch.features,
            blocks=sketch.blocks,
            residual=sketch.is_residual,
        )


def lay_out(network: nn.Module, layout: Layout, n_dimensions: int) -> nn.Module:
    """The same network with weights in `channels_last` or `contiguous` memory, which activations follow."""
    last = {2: torch.channels_last, 3: torch.channels_last_3d}[n_dimensions]
    memory_format = last if layout == "channels_last" else torch.contiguous_format
    return network.to(memory_format=memory_format)  # type: ignore[call-overload, no-any-return]


def find_layout(network: nn.Module) -> Layout:
    """How the weights of a network lie in memory."""
    weight = max(network.parameters(), key=torch.numel)
    return "contiguous" if weight.is_contiguous() else "channels_last"


def time_work(work: Work, device: torch.device, *, n_rounds: int = N_ROUNDS) -> Timing:
    """Run an iteration a few times and take the best of each half; the first is not counted."""
    rounds: list[list[float]] = []
    began = time.perf_counter()
    while len(rounds) <= n_rounds and (len(rounds) < 4 or time.perf_counter() - began < ENOUGH_S):
        rounds.append([*_time(work.descend, device), *_time(work.renew, device)])
    descend_s, descend_processor_s, renew_s, renew_processor_s = np.min(rounds[1:], axis=0).tolist()
    return Timing(descend_s, renew_s, descend_processor_s, renew_processor_s)


def _time(run: Callable[[], None], device: torch.device) -> tuple[float, float]:
    """Seconds by the clock and by the processor, until the device has really finished."""
    began, processor_began = time.perf_counter(), time.process_time()
    run()
    synchronize(device)
    return time.perf_counter() - began, time.process_time() - processor_began


def synchronize(device: torch.device) -> None:
    """Wait until a GPU has done what it was given; a CPU has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def solve_speed(samples: Sequence[Sample], descend_s: Sequence[float], renew_s: Sequence[float]) -> Speed:
    """The speeds that explain the seconds best: non-negative least squares of relative errors.

    Descending is explained by operations, values and a constant; renewing by weights, of the largest network, where the
    rest of it does not show.

    Args:
        samples: at least three, of one number of dimensions.
        descend_s, renew_s: seconds of the halves of an iteration, per sample.
    """
    parts = np.array([_count_parts(sample) for sample in samples])
    seconds = np.asarray(descend_s, dtype=float)
    costs, _ = nnls(parts / seconds[:, None], np.ones(len(seconds)))
    n_parameters = [sum_layers(sample.sketch, sample.patch_size).n_parameters for sample in samples]
    largest = int(np.argmax(n_parameters))
    return Speed(
        gflops=_invert(costs[0]),
        gvalues=_invert(costs[1]),
        gparameters=_invert(renew_s[largest] * GIGA / n_parameters[largest]),
        overhead_s=_round(costs[2]),
    )


def _count_parts(sample: Sample) -> tuple[float, float, float]:
    """Billions of operations, billions of values, and one constant."""
    what = (sample.sketch, sample.patch_size, sample.batch_size)
    return count_iteration_flops(*what) / GIGA, count_iteration_values(*what) / GIGA, 1.0


def _invert(seconds_per_billion: float) -> float:
    return _round(min(1 / max(seconds_per_billion, 1 / FASTEST), FASTEST))


def _round(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
