"""What do these images take, what is allowed, and how far along is their prediction?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoseg.data.dataset import Case
from autoseg.data.geometry import Geometry
from autoseg.data.image_io import read_header
from autoseg.pipeline.model import Model
from autoseg.pipeline.reporting import Advance
from autoseg.prediction.memory.budget import Allowance, Spending, decide_spending, declare_allowance
from autoseg.prediction.memory.case_load import CaseLoad, Speaker, count_voxel_bytes, measure_load
from autoseg.prediction.memory.spilled import lies_in_memory
from autoseg.prediction.passes import list_passes


def measure_image(model: Model, case_id: str, geometry: Geometry, dtype: str, *, compares: bool = True) -> CaseLoad:
    """What predicting an image holds; nothing but its header is needed.

    Args:
        compares: whether the folds' decisions are compared.
    """
    speakers = tuple(
        Speaker(one.plan, one.configuration, len(one.networks), one.options, compares)
        for one in list_passes(model.predictors)
    )
    return measure_load(case_id, geometry, count_voxel_bytes(dtype), speakers, model.device.type)


def measure_images(model: Model, cases: Sequence[Case]) -> list[CaseLoad]:
    """What predicting each case holds.

    Raises:
        DatasetError: the header of an image cannot be read.
    """
    headers = [read_header(case.images[0]) for case in cases]
    return [
        measure_image(model, case.id, header.geometry, header.dtype)
        for case, header in zip(cases, headers, strict=True)
    ]


def plan_spending(
    model: Model,
    loads: Sequence[CaseLoad],
    memory_bytes: float | None,
    scratch: Path,
    *,
    allowance: Allowance | None = None,
    n_in_flight: int | None = None,
) -> Spending:
    """How these cases are predicted within the memory.

    Args:
        memory_bytes: that may be held; None takes most of what is free.
        scratch: folder of temporary files; it is made if it is not there, and not used if its files take memory.
        allowance: that was declared before; `memory_bytes` then says nothing.
        n_in_flight: cases at once; None is at most as many as there are.

    Raises:
        ResourceError: not even the least fits.
    """
    allowance = allowance or declare_allowance(memory_bytes, model.device, weights=loads[0].weights)
    what = f"{len(loads)} image{'s' if len(loads) != 1 else ''} with {model.description}"
    what += f", {n_in_flight} at a time" if n_in_flight is not None and n_in_flight > 1 else ""
    folder = None if lies_in_memory(scratch) else scratch
    spending = decide_spending(loads, allowance, folder=folder, what=what, n_in_flight=n_in_flight)
    if spending.resources.sums == "file":
        scratch.mkdir(parents=True, exist_ok=True)
    return spending


@dataclass
class Following:
    """Progress over all windows of all cases, so that a single large case moves, too.

    Attributes:
        loads: of the cases, in their order.
        advance: is told the effort that was made.
        before: effort of the cases that are done.
    """

    loads: Sequence[CaseLoad]
    advance: Advance
    before: float = 0.0
    n_begun: int = 0

    def begin(self, case_id: str) -> Callable[[int, int, int], None]:
        """Follow the next case: what `passes.predict_case` calls for every batch of windows."""
        if self.n_begun:
            self.before += count_effort(self.loads[self.n_begun - 1])
        efforts = [one.effort for one in self.loads[self.n_begun].passes]
        self.n_begun += 1

        def follow(number: int, done: int, total: int) -> None:
            self.advance(self.before + sum(efforts[:number]) + efforts[number] * done / total, case_id)

        return follow


def count_effort(load: CaseLoad) -> float:
    """Of all passes over a case."""
    return sum(one.effort for one in load.passes)
