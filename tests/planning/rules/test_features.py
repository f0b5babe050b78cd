from __future__ import annotations

from autoseg.planning.rules.features import compute_features, decide_features, decide_features_in_time


def choose(seconds: float, *, fits: int = 99, n_needed: int = 1300, widest: int = 32):
    """A device on which an iteration takes a millisecond per squared feature, and that holds widths up to `fits`."""
    return decide_features_in_time(
        widest=widest,
        n_stages=4,
        n_dimensions=3,
        n_needed=n_needed,
        count_iterations=lambda features: int(seconds / (features[0] ** 2 / 1000)),
        fits=lambda features: features[0] <= fits,
    )


def test_features_double_up_to_the_cap_of_their_dimensions() -> None:
    assert compute_features(width=32, n_stages=6, n_dimensions=3) == (32, 64, 128, 256, 320, 320)
    assert compute_features(width=32, n_stages=6, n_dimensions=2) == (32, 64, 128, 256, 512, 512)


def test_a_cpu_takes_the_widest_network_that_gets_enough_iterations() -> None:
    assert choose(100).value == (8, 16, 32, 64)
    decision = choose(200)
    assert decision.value[0] == 12
    assert "width 16 would get only 781" in decision.reason


def test_a_width_that_memory_does_not_hold_is_passed_over() -> None:
    decision = choose(10_000, fits=16)
    assert decision.value[0] == 16
    assert "more memory" in decision.reason


def test_the_narrowest_is_taken_and_said_where_time_is_too_short() -> None:
    decision = choose(10)
    assert decision.value[0] == 8
    assert "the time holds only about 156" in decision.reason


def test_the_narrowest_is_taken_and_memory_is_named_where_that_is_what_is_short() -> None:
    decision = choose(10_000, fits=4)
    assert decision.value[0] == 8
    assert decision.reason == "the narrowest, and still more memory than there is"


def test_a_width_beyond_the_widest_is_not_even_tried() -> None:
    assert choose(10_000, widest=12).value[0] == 12


def test_less_than_full_width_is_said() -> None:
    assert "as published" in decide_features(width=32, n_stages=3, n_dimensions=3).reason
    assert "memory holds no patch" in decide_features(width=16, n_stages=3, n_dimensions=3).reason
