from __future__ import annotations

from collections.abc import Callable

import pytest

from autoseg.decision import ruled
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.planning.grids import coarsen, count_stored_voxels, lay_grid, leave_first_axis
from autoseg.planning.pinning import NO_PINS, Pins

MakeFingerprint = Callable[..., Fingerprint]


@pytest.fixture
def fingerprint(make_fingerprint: MakeFingerprint) -> Fingerprint:
    """Twenty cases whose last axis is the coarsest."""
    return make_fingerprint(spacing_mm=(0.5, 0.8, 2.0), shape=(200, 180, 60))


def test_the_grid_runs_along_the_chosen_axes(fingerprint: Fingerprint) -> None:
    order, grid = lay_grid(fingerprint, NO_PINS, as_published=False)
    assert order.value == (2, 0, 1)
    assert (grid.spacing_mm.value, grid.median_shape) == ((2.0, 0.5, 0.8), (60, 200, 180))
    assert grid.stored_voxels == grid.dataset_voxels == 20 * 60 * 200 * 180
    assert grid.median_volume == (60, 200, 180)


def test_slices_leave_the_first_axis_out_but_are_stored_with_it(fingerprint: Fingerprint) -> None:
    order, full = lay_grid(fingerprint, NO_PINS, as_published=False)
    slices = leave_first_axis(fingerprint, order.value, full, NO_PINS)
    assert (slices.spacing_mm.value, slices.median_shape, slices.n_dimensions) == ((0.5, 0.8), (200, 180), 2)
    assert slices.median_volume == (60, 200, 180)
    assert slices.stored_voxels == full.stored_voxels


def test_slices_of_a_pinned_spacing_have_their_own_shape(fingerprint: Fingerprint) -> None:
    order, full = lay_grid(fingerprint, NO_PINS, as_published=False)
    slices = leave_first_axis(fingerprint, order.value, full, Pins({"spacing_mm": (1.0, 1.6)}))
    assert slices.median_shape == (100, 90)
    assert slices.stored_voxels == 20 * 60 * 100 * 90


def test_a_pinned_spacing_is_in_axis_order(fingerprint: Fingerprint) -> None:
    _, grid = lay_grid(fingerprint, Pins({"3d_fullres.spacing_mm": (4.0, 1.0, 0.8)}), as_published=False)
    assert grid.median_shape == (30, 100, 180)


def test_a_coarser_grid_counts_the_dataset_in_fractions_and_the_case_in_voxels(fingerprint: Fingerprint) -> None:
    order, full = lay_grid(fingerprint, NO_PINS, as_published=False)
    low = coarsen(fingerprint, order.value, full, ruled((2.0, 1.1, 1.1), "coarser"))
    assert low.median_shape == (60, 91, 131)
    assert low.dataset_voxels == pytest.approx(20 * 60 * (200 / 2.2) * (180 / 1.375))


def test_every_case_is_stored_at_its_own_size(make_fingerprint: MakeFingerprint) -> None:
    cases = [*make_fingerprint(shape=(3, 5, 7), n_cases=1).cases, *make_fingerprint(shape=(4, 6, 9), n_cases=1).cases]
    mixed = make_fingerprint(n_cases=2).model_copy(update={"cases": tuple(cases)})
    assert count_stored_voxels(mixed, (0, 1, 2), (3.0, 0.8, 0.8)) == 3 * 5 * 7 + 4 * 6 * 9
    assert count_stored_voxels(mixed, (0, 1, 2), (0.8, 0.8)) == 3 * 5 * 7 + 4 * 6 * 9
