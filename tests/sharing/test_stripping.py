"""What may leave the house."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoseg.decision import Decision, found
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.pipeline.prediction.unusual import find_unusual
from autoseg.pipeline.project import Project
from autoseg.planning.plan_file import read_plan
from autoseg.serialization import Record, dump_json, parse_record, read_json
from autoseg.sharing.stripping import strip_dataset, strip_fingerprint, strip_reasons, strip_training

PLANS = Path(__file__).resolve().parents[2] / "plans"


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
        ("as ../My Data/Hans Mueller/x/post.json decided; and more", "as post.json decided; and more"),
        ("as /home/Hans Mueller/x y/post.json decided", "as post.json decided"),
        ("as C:\\My Data\\Hans Mueller\\post.json decided", "as post.json decided"),
        ("found in ../My Data/Hans Mueller, as asked", "found in a folder, as asked"),
        ("found in /home/Hans Mueller; 5 / 3 mm", "found in a folder; 5 / 3 mm"),
        ("found in /data/st johns, as asked", "found in a folder, as asked"),
        ("a patch of the liver, as in liver/plan.yaml", "a patch of the liver, as in plan.yaml"),
        ("in voxels/second, as a/b.json says", "in b.json says"),
    ],
)
def test_reasons_name_no_folder(reason: str, told: str) -> None:
    stripped = strip_reasons(Chosen(size=found(3, reason)), [Path("/data/st johns"), Path("liver")])
    assert stripped == Chosen(size=found(3, told))


@pytest.mark.parametrize("path", sorted(PLANS.glob("*.yaml")), ids=lambda path: path.name)
def test_sentences_without_folders_stay(path: Path) -> None:
    plan = read_plan(path)
    assert dump_json(strip_reasons(plan, [])) == dump_json(plan).replace("benchmarks/LOG.md", "LOG.md")


def test_a_workspace_that_is_called_like_a_label_takes_no_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`autoseg export liver liver.zip`."""
    monkeypatch.chdir(tmp_path)
    whole = Chosen(size=found(3, f"keeps the liver, for {tmp_path}/liver says so, and {tmp_path}/liver2 too"))
    stripped = strip_reasons(whole, [Path("liver")])
    assert stripped.size.reason == "keeps the liver, for a folder says so, and a folder"
