"""What may leave the house."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoseg.decision import Decision, found
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.pipeline.prediction.unusual import find_unusual
from autoseg.pipeline.project import Project
from autoseg.serialization import Record, dump_json, parse_record, read_json
from autoseg.sharing.stripping import strip_dataset, strip_fingerprint, strip_reasons, strip_training


class Chosen(Record):
    """A record with a reason."""

    size: Decision[int]


def test_a_dataset_keeps_what_predicting_needs(untrained: Project) -> None:
    stripped = strip_dataset(untrained.dataset)
    assert (stripped.labels, stripped.channels) == (untrained.dataset.labels, untrained.dataset.channels)
    assert "phantom_" not in dump_json(stripped)
    assert str(untrained.dataset.folder.parent) not in dump_json(stripped)


def test_a_fingerprint_names_no_case_and_judges_as_before(untrained: Project) -> None:
    from autoseg.data.case import read_case

    place = untrained.workspace.fingerprint
    whole = parse_record(Fingerprint, read_json(place), where=str(place))
    stripped = strip_fingerprint(whole)
    assert "phantom_" not in dump_json(stripped)
    assert not any(case.label_voxels or case.label_centres or case.files for case in stripped.cases)
    loaded = read_case(untrained.dataset.cases[0], labels=untrained.dataset.labels, n_channels=1)
    loaded.image[...] *= 50
    assert find_unusual(loaded, stripped) == find_unusual(loaded, whole) != ()


def test_the_order_of_cases_says_nothing(untrained: Project) -> None:
    place = untrained.workspace.fingerprint
    whole = parse_record(Fingerprint, read_json(place), where=str(place))
    turned = whole.model_copy(update={"cases": whole.cases[::-1]})
    assert strip_fingerprint(turned) == strip_fingerprint(whole)


def test_a_training_keeps_numbers_in_place_of_ids() -> None:
    facts = {
        "seed": 4,
        "train_ids": ["a", "b"],
        "validation_ids": ["c"],
        "pretrained": "/home/x",
        "annotated": {"a": 1},
    }
    stripped = strip_training(facts)
    assert stripped == {"seed": 4, "n_train": 2, "n_validation": 1, "train_ids": [], "validation_ids": []}
    assert strip_training({**stripped, "n_train": 2, "n_validation": 1})["n_train"] == 2


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("as /data/st johns/results/post.json decided", "as post.json decided"),
        ("as results/John/post.json decided", "as post.json decided"),
        ("as C:\\data\\john\\post.json decided", "as post.json decided"),
        ("the ratio is 0.5/0.7, in voxels/second and/or mm", "the ratio is 0.5/0.7, in voxels/second and/or mm"),
    ],
)
def test_reasons_name_no_folder(reason: str, told: str) -> None:
    stripped = strip_reasons(Chosen(size=found(3, reason)), [Path("/data/st johns")])
    assert stripped == Chosen(size=found(3, told))
