"""How do several processes train one network, each on its part of every batch?

Started by `torchrun --nproc-per-node N -m autoseg train ...`, process r of n computes samples r, r + n, r + 2n, ... of
each batch, so that the batch, and what training means, is the same whatever n is. Sums that a loss is made of are
gathered over all processes (`gather_sum`): every process knows the loss of the whole batch, and the gradient of its
part of it. Added up over processes (`spread`) these are the gradient that one process would have found.
"""

from __future__ import annotations

import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn

T = TypeVar("T")

PATIENCE = timedelta(hours=24)  # the others wait while the first one plans, preprocesses or predicts


def is_distributed() -> bool:
    """Whether this process is one of several that train together."""
    return distributed.is_available() and distributed.is_initialized()


def get_rank() -> int:
    """The number of this process, 0 for the first or the only one."""
    return distributed.get_rank() if is_distributed() else 0


def count_processes() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if is_distributed() else 1


def count_local_processes() -> int:
    """How many of them run on this machine."""
    if not is_distributed():
        return 1
    machines: list[str] = gather_values([platform.node()])
    return machines.count(platform.node())


def is_first() -> bool:
    """Whether this process plans, writes and speaks for all."""
    return get_rank() == 0


@contextmanager
def joining() -> Iterator[None]:
    """Join the other processes, where torchrun started this one, until the block ends."""
    if not distributed.is_available() or not distributed.is_torchelastic_launched():
        yield
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, timeout=PATIENCE)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def gather_sum(part: Tensor) -> Tensor:
    """The sum of a tensor over all processes; its gradient is that of this process' part."""
    if not is_distributed():
        return part
    total = part.detach().clone()
    distributed.all_reduce(total)
    return part + (total - part.detach())


def spread(network: nn.Module) -> nn.Module:
    """The network to train with: its gradients are averaged over all processes while they are computed (torch's DDP).

    The average of n processes is a sum over n: a loss made of gathered sums is multiplied by `count_processes()`.
    """
    if not is_distributed():
        return network
    # Weights are channels-last on a CPU, and DDP says so once per process.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    return nn.parallel.DistributedDataParallel(network)


def share_first(value: T) -> T:
    """What the first process holds, in all of them. The value is plain data of the processes' own making."""
    if not is_distributed():
        return value
    box: list[T] = [value]
    distributed.broadcast_object_list(box, src=0)
    return box[0]


def agree(*numbers: float) -> tuple[float, ...]:
    """The largest of each number over all processes: a clock, or a wish that any of them may have."""
    if not is_distributed():
        return numbers
    values = torch.tensor(numbers, dtype=torch.float64)
    distributed.all_reduce(values, op=distributed.ReduceOp.MAX)
    return tuple(values.tolist())


def gather_values(values: list[T]) -> list[T]:
    """The lists of all processes, one after the other."""
    if not is_distributed():
        return values
    boxes: list[list[T]] = [[] for _ in range(count_processes())]
    distributed.all_gather_object(boxes, values)
    return [value for box in boxes for value in box]


@contextmanager
def first_alone() -> Iterator[None]:
    """The first process goes through the block before the others do, who then find its work done."""
    if not is_first():
        wait_for_all()
    yield
    if is_first():
        wait_for_all()


def wait_for_all() -> None:
    """Go on when every process is here."""
    if is_distributed():
        distributed.barrier()
