"""Where patches come from: the share of foreground, and positions inside the volume."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoseg.planning.blueprint import CASE_SAMPLINGS as PLANNED_SAMPLINGS
from autoseg.training.sampling import (
    CASE_SAMPLINGS,
    CasePool,
    compute_start_bounds,
    draw_case,
    draw_place,
    is_foreground_sample,
)

SHAPE = (9, 20, 33)
WINDOW = (4, 8, 16)
VOXEL = np.array([[5, 11, 17]], dtype=np.int32)
FACTS = {  # label 2 is in one case of three, and d has none; 0 and -1 are no labels
    "a": ((2, 10, 10), (0, 1)),
    "b": ((1, 10, 10), (-1, 1)),
    "c": ((5, 10, 10), (1, 2)),
    "d": ((2, 10, 10), (0,)),
}


def draw(seed: int, *, shape=SHAPE, locations=None, window=WINDOW, foreground=True):
    rng = np.random.default_rng(seed)
    return draw_place(rng, "case", shape, locations or {}, window, foreground=foreground)


def draw_cases(sampling, n=4000, *, foreground=False, facts=FACTS):
    rng, pool = np.random.default_rng(0), CasePool(tuple(facts), facts.get)
    return [draw_case(rng, pool, sampling=sampling, foreground=foreground) for _ in range(n)]


def measure_shares(drawn):
    cases = [case_id for case_id, _ in drawn]
    return {case_id: pytest.approx(cases.count(case_id) / len(cases), abs=0.03) for case_id in FACTS}


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("share", [0.0, 0.1, 1 / 3, 0.33, 0.5, 0.9, 1.0])
def test_the_realised_foreground_share_is_the_asked_one_at_every_batch_size(batch_size, share):
    samples = [is_foreground_sample(b * batch_size + j, share) for b in range(100) for j in range(batch_size)]
    assert abs(np.mean(samples) - share) <= 0.01


@given(st.integers(1, 400), st.floats(0, 1))
def test_the_share_of_the_first_samples_is_off_by_less_than_one_sample(n, share):
    assert abs(sum(is_foreground_sample(i, share) for i in range(n)) - n * share) < 1


def test_plans_know_the_ways_to_draw_cases():
    assert tuple(CASE_SAMPLINGS) == PLANNED_SAMPLINGS


def test_every_case_has_the_same_chance_and_nothing_is_read_for_it():
    pool = CasePool(("a", "b", "c"), lambda case_id: pytest.fail("uniform sampling needs to know nothing"))
    drawn = [draw_case(rng, pool)[0] for rng in [np.random.default_rng(0)] for _ in range(3000)]
    assert all(900 < drawn.count(case_id) < 1100 for case_id in "abc")


def test_by_size_every_voxel_has_the_same_chance():
    assert measure_shares(draw_cases("by_size")) == {"a": 0.2, "b": 0.1, "c": 0.5, "d": 0.2}


def test_by_rare_label_a_label_is_drawn_first_and_no_label_is_one_more():
    assert measure_shares(draw_cases("by_rare_label")) == {"a": 1 / 9, "b": 1 / 9, "c": 1 / 9 + 1 / 3, "d": 1 / 3}
    assert {label for _, label in draw_cases("by_rare_label")} == {None}


def test_by_rare_label_foreground_patches_get_the_label_that_was_drawn():
    drawn = draw_cases("by_rare_label", foreground=True)
    assert measure_shares(drawn) == {"a": 1 / 6, "b": 1 / 6, "c": 1 / 6 + 1 / 2, "d": 0.0}
    assert {label for case_id, label in drawn if case_id == "c"} == {1, 2}
    assert np.mean([label == 2 for _, label in drawn]) == pytest.approx(0.5, abs=0.03)


def test_by_rare_label_without_any_label_every_case_has_the_same_chance():
    facts = {case_id: (shape, (0,)) for case_id, (shape, _) in FACTS.items()}
    assert measure_shares(draw_cases("by_rare_label", foreground=True, facts=facts)) == dict.fromkeys(FACTS, 0.25)


def test_random_starts_cover_all_valid_positions_and_no_other():
    starts = np.array([draw(seed, foreground=False).start for seed in range(2000)])
    assert starts.min(axis=0).tolist() == [0, 0, 0]
    assert starts.max(axis=0).tolist() == [5, 12, 17]
    assert len(np.unique(starts[:, 1])) == 13


def test_a_volume_smaller_than_the_window_is_centred_in_it():
    assert compute_start_bounds(9, 16) == (-3, -3)
    start = draw(0, shape=(9, 20, 33), window=(16, 8, 40), foreground=False).start
    assert (start[0], start[2]) == (-3, -3)
    assert draw(0, shape=(9, 20, 33), locations={1: VOXEL}, window=(16, 8, 40)).start == (-3, 7, -3)


def test_a_foreground_patch_is_centred_on_a_voxel_of_its_label():
    place = draw(3, locations={2: VOXEL})
    assert (place.start, place.label) == ((5 - 2, 11 - 4, 17 - 8), 2)


@pytest.mark.parametrize(("voxel", "start"), [((0, 0, 0), (0, 0, 0)), ((8, 19, 32), (5, 12, 17))])
def test_a_centred_patch_is_moved_into_the_volume(voxel, start):
    assert draw(0, locations={1: np.array([voxel], dtype=np.int32)}).start == start


def test_labels_have_the_same_chance_whatever_their_size():
    locations = {1: np.repeat(VOXEL, 5000, axis=0), 4: VOXEL, 7: np.zeros((0, 3), dtype=np.int32)}
    labels = [draw(seed, locations=locations).label for seed in range(1000)]
    assert set(labels) == {1, 4}
    assert 440 < labels.count(4) < 560


def test_voxels_of_a_label_have_the_same_chance():
    voxels = np.array([[4, 10, z] for z in range(10, 14)], dtype=np.int32)
    starts = [draw(seed, locations={1: voxels}).start[2] for seed in range(1000)]
    assert all(200 < starts.count(z - 8) < 300 for z in range(10, 14))


def test_a_case_without_foreground_falls_back_to_a_random_place_and_says_so():
    place = draw(5, locations={})
    assert place.lacks_foreground
    assert place.label is None
    assert place.start == draw(5, foreground=False).start
    assert not draw(5, foreground=False).lacks_foreground


def test_a_slice_of_a_2d_network_is_the_slice_of_the_location():
    place = draw(0, locations={1: VOXEL}, window=(1, 8, 16))
    assert place.start == (5, 7, 9)
    slices = {draw(seed, window=(1, 8, 16), foreground=False).start[0] for seed in range(300)}
    assert slices == set(range(9))


def test_a_chosen_label_is_the_one_in_the_centre():
    locations = {1: VOXEL, 2: VOXEL - 1}
    rng = np.random.default_rng(0)
    places = [draw_place(rng, "c", SHAPE, locations, WINDOW, foreground=True, label=2) for _ in range(20)]
    assert {(place.label, place.start) for place in places} == {(2, (4 - 2, 10 - 4, 16 - 8))}


def test_a_sparse_case_is_never_shown_without_supervision():
    supervised = np.array([[3, 7, 11], [4, 9, 20]], dtype=np.int32)
    starts = {(1, 3, 3), (2, 5, 12)}
    places = [draw(seed, locations={0: supervised, 1: VOXEL}, foreground=False) for seed in range(30)]
    assert {(place.start, place.label, place.lacks_foreground) for place in places} == {(s, 0, False) for s in starts}
    assert draw(0, locations={0: supervised, 1: VOXEL}).label == 1
    assert draw(0, locations={0: supervised}).lacks_foreground
    assert draw(0, locations={0: supervised}).start in starts
