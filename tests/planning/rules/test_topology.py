from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from autoseg.planning.rules.topology import decide_topology, derive_topology, pad_to_divisor

SPACINGS = st.lists(st.floats(0.2, 8), min_size=2, max_size=3)


def test_an_isotropic_patch_is_halved_alike_until_less_than_eight_voxels_remain() -> None:
    topology = derive_topology((1, 1, 1), (40, 56, 40))
    assert topology.divisor == (8, 8, 8)
    assert topology.strides[0] == (1, 1, 1)


def test_a_coarse_axis_waits_until_the_others_have_caught_up() -> None:
    topology = derive_topology((3.6, 0.625, 0.625), (20, 320, 256))
    assert topology.strides[1:4] == ((1, 2, 2), (1, 2, 2), (2, 2, 2))
    assert topology.kernel_sizes[:3] == ((1, 3, 3), (1, 3, 3), (3, 3, 3))


def test_a_single_axis_needs_twelve_voxels_to_be_halved() -> None:
    assert derive_topology((1, 1), (6, 22)).divisor == (1, 2)
    assert derive_topology((1, 1), (6, 24)).divisor == (1, 4)


def test_a_tiny_patch_still_has_two_stages() -> None:
    assert derive_topology((1, 1, 1), (1, 6, 5)).strides == ((1, 1, 1), (1, 2, 2))
    assert derive_topology((1, 1, 1), (1, 6, 5), n_least=1).strides == ((1, 1, 1),)


def test_the_bottom_always_convolves_in_all_directions() -> None:
    assert derive_topology((9, 1, 1), (4, 16, 16)).kernel_sizes[-1] == (3, 3, 3)


def test_the_reason_counts_halvings_and_flat_kernels() -> None:
    patch = (20, 320, 256)
    decision = decide_topology(derive_topology((3.6, 0.625, 0.625), patch), patch_size=patch)
    assert decision.inputs == {"halvings": [2, 6, 6], "bottom": [5, 5, 4]}
    assert "kernels are 1" in decision.reason


@given(SPACINGS, st.data())
def test_padding_a_patch_to_its_strides_does_not_change_them(spacing: list[float], data: st.DataObject) -> None:
    patch = data.draw(st.lists(st.integers(1, 300), min_size=len(spacing), max_size=len(spacing)))
    topology = derive_topology(spacing, patch)
    padded = pad_to_divisor(patch, topology.divisor)
    assert derive_topology(spacing, padded) == topology
    assert not np.any(np.array(padded) % np.array(topology.divisor))
    assert np.all(np.array(padded) >= patch)
