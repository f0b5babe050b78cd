"""Fingerprints and devices to plan from, anisotropic so that a mix-up of axes shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from autoseg.data.labels import Labels
from autoseg.fingerprinting.fingerprint import CaseFacts, Fingerprint, Intensities
from autoseg.planning.devices import DeviceFacts
from autoseg.planning.plan import Plan
from autoseg.planning.planner import make_plan

HOUNSFIELD = Intensities(
    mean=80.5, std=35.25, min=-400.0, max=900.0, median=84.0, percentile_00_5=-30.0, percentile_99_5=190.0
)
MakeFingerprint = Callable[..., Fingerprint]


def build_fingerprint(
    spacing_mm: Sequence[float] = (3.0, 0.8, 0.8),
    shape: Sequence[int] = (60, 200, 180),
    n_cases: int = 20,
    channels: Sequence[str] = ("CT",),
    n_labels: int = 3,
    **facts: object,
) -> Fingerprint:
    return Fingerprint(
        dataset="Anisotropic",
        channels=tuple(channels),
        labels=Labels(names=("background", *"abcdefgh"[: n_labels - 1]), values=tuple(range(n_labels))),
        intensities=tuple(HOUNSFIELD for _ in channels),
        cases=tuple(
            CaseFacts(id=f"case_{index:02}", spacing_mm=spacing_mm, shape_after_cropping=shape, **facts)
            for index in range(n_cases)
        ),
    )


@pytest.fixture(scope="session")
def make_fingerprint() -> MakeFingerprint:
    return build_fingerprint


@pytest.fixture(scope="session")
def cpu() -> DeviceFacts:
    """Two cores, as measured."""
    return DeviceFacts(device="cpu", memory_gb=22.0, n_threads=2, gflops=170.0)


@pytest.fixture(scope="session")
def gpu() -> DeviceFacts:
    return DeviceFacts(device="cuda", memory_gb=24.0, n_threads=8)


@pytest.fixture(scope="session")
def cpu_plan(cpu: DeviceFacts) -> Plan:
    return make_plan(build_fingerprint(), cpu)
