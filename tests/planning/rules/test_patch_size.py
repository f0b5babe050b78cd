from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from autoseg.planning.choices import Topology
from autoseg.planning.rules.patch_size import decide_patch_size, propose_patch, search_patch, shrink_patch
from autoseg.planning.rules.topology import derive_topology

ANISOTROPIC = {"spacing_mm": (2.0, 1.0, 0.5), "median_shape": (90.0, 300.0, 500.0)}


def keep_below(n_voxels: int):
    def find_limit(patch_size: tuple[int, ...], topology: Topology, larger: Sequence[int]) -> str | None:
        return "too many voxels" if math.prod(patch_size) > n_voxels else None

    return find_limit


def test_the_proposal_is_a_cube_in_mm_of_the_stated_volume() -> None:
    proposal = propose_patch((2.0, 1.0, 0.5), (1000, 1000, 1000))
    assert proposal == (128, 256, 512)


def test_the_proposal_is_clipped_to_the_median_case_which_may_have_halves() -> None:
    assert propose_patch((2.0, 1.0, 0.5), (90, 300.5, 500)) == (90, 256, 500)
    assert propose_patch((1.0, 1.0), (319.5, 200)) == (319.5, 200)


def test_without_a_limit_the_padded_proposal_is_taken() -> None:
    search = search_patch(**ANISOTROPIC, find_limit=lambda *tried: None)
    assert search.patch_size == search.start == (96, 256, 512)
    decision = decide_patch_size(search, median_shape=(90, 300, 500))
    assert decision.inputs["steps"] == 0
    assert "of 12,582,912 voxels" in decision.reason


def test_the_axis_that_covers_most_shrinks_by_the_strides_of_a_trial() -> None:
    topology = derive_topology((1, 1, 1), (64, 64, 128))
    smaller = shrink_patch((64, 64, 128), topology, spacing_mm=(1, 1, 1), median_shape=(200, 70, 300))
    assert smaller is not None
    assert smaller[0] == (64, 56, 128)  # 64 is a multiple of 16, but the trial of 48 needs only one of 8


def test_shrinking_ends_at_the_first_patch_that_breaks_nothing_and_says_why() -> None:
    search = search_patch(**ANISOTROPIC, find_limit=keep_below(500_000))
    assert math.prod(search.patch_size) <= 500_000 < math.prod(search.start)
    decision = decide_patch_size(search, median_shape=(90, 300, 500))
    assert "too many voxels" in decision.reason
    assert decision.inputs["steps"] == len(search.limits)


@pytest.mark.parametrize("size", [(90.0, 300.0, 500.0), (20.0, 40.0, 500.0)])
def test_in_plane_axes_stay_above_the_floor_even_if_the_limit_is_not_met(size: tuple[float, ...]) -> None:
    search = search_patch(spacing_mm=(2.0, 1.0, 0.5), median_shape=size, find_limit=keep_below(1))
    assert min(search.patch_size[1:]) >= 32
    assert search.unmet == "too many voxels"
    assert "although" in decide_patch_size(search, median_shape=size).reason


def test_without_a_floor_shrinking_still_ends() -> None:
    search = search_patch(**ANISOTROPIC, find_limit=keep_below(0), as_published=True)
    assert min(search.patch_size) >= 1


def test_the_voxels_of_all_larger_patches_are_told_to_the_limit() -> None:
    told: list[tuple[int, ...]] = []

    def find_limit(patch_size: tuple[int, ...], topology: Topology, larger: Sequence[int]) -> str | None:
        told.append((*larger, math.prod(patch_size)))
        return "too many voxels" if len(larger) < 3 else None

    search = search_patch(**ANISOTROPIC, find_limit=find_limit)
    assert told[-1] == (*search.larger, math.prod(search.patch_size))
    assert list(told[-1]) == sorted(told[-1], reverse=True)
