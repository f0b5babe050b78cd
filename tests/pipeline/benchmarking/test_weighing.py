"""What cannot be compared says so before anything is trained."""

from __future__ import annotations

import pytest

from autoseg.pipeline.benchmarking.entering import enter
from autoseg.pipeline.benchmarking.grounds import CommonGround
from autoseg.pipeline.benchmarking.methods import parse_methods

OWN = "tests.pipeline.benchmarking.own_networks"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("make_coarse", "answers a patch with logits of shape"),
        ("make_careless", "answers a patch in prediction with a list, but must with one tensor"),
        (
            "make_shrinking",
            "answers a patch in prediction with logits of shape (4, 8, 16, 15), but must with (4, 8, 16",
        ),
    ],
)
def test_a_network_must_answer_in_the_patchs_shape_in_training_and_in_prediction(
    ground: CommonGround, name: str, words: str
) -> None:
    (contender,) = parse_methods([f"{OWN}:{name}"], {})
    failure = enter(ground, contender).failure
    assert failure is not None
    assert words in failure
