"""`evaluate` as a person runs it: what it prints, what it writes, and how mistakes end."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from autoseg.cli.comparing import MOST_TABLES
from autoseg.data.geometry import Geometry
from autoseg.data.image_io import write_segmentation

Run = Callable[..., int]
GEOMETRY = Geometry(shape=(4, 10, 24), spacing=(4.0, 2.0, 0.5))


def draw(shift: int, n_labels: int) -> np.ndarray:
    segmentation = np.zeros(GEOMETRY.shape, np.uint8)
    for label in range(1, n_labels + 1):
        segmentation[1:3, label, 2 + shift : 18 + shift] = label
    return segmentation


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """References of `a` and `b`, a shifted prediction of `a`, and none of `b`."""
    return write(tmp_path, 2)


def write(folder: Path, n_labels: int) -> tuple[Path, Path]:
    names = {"background": 0, **{f"organ{label}": label for label in range(1, n_labels + 1)}}
    (folder / "dataset.json").write_text(json.dumps({"labels": names}))
    reference, predicted = folder / "labelsTs", folder / "predicted"
    for case_id in "ab":
        write_segmentation(reference / f"{case_id}.nii.gz", draw(0, n_labels), GEOMETRY)
    write_segmentation(predicted / "a.nii.gz", draw(4, n_labels), GEOMETRY)
    return reference, predicted


def test_a_table_per_label_and_not_a_line_per_case(
    folders: tuple[Path, Path], run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("evaluate", *folders) == 0
    text = capsys.readouterr().out
    assert "Per case" not in text
    for said in ("organ1", "organ2", "Dice ↑", "HD95 [mm] ↓", "NSD 2 mm ↑", "low", "worst case"):
        assert said in text
    assert "Missing predictions, which score as misses: b." in text
    assert run("evaluate", *folders, "--per-case") == 0
    assert "Per case and label" in capsys.readouterr().out


def test_many_labels_are_a_row_each(tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("evaluate", *write(tmp_path, MOST_TABLES + 1)) == 0
    text = capsys.readouterr().out
    assert "Per label, over cases" in text
    assert "HD95 [mm]" not in text


def test_a_folder_gets_json_csv_and_text(
    folders: tuple[Path, Path], tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("evaluate", *folders, "-o", tmp_path / "out", "--tolerance", 3, "--label-tolerance", "organ2=0.5") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.csv", "report.json", "report.md"]
    summary = json.loads((tmp_path / "out" / "report.json").read_text())["summary"]
    assert summary["organ1"]["nsd_3mm"]["mean"] == pytest.approx(0.5)
    assert "nsd_0.5mm" in summary["organ2"]
    with (tmp_path / "out" / "report.csv").open(newline="", encoding="utf-8") as stream:
        missing = {row["case"]: row["is_missing"] for row in csv.DictReader(stream)}
    assert missing == {"a": "0", "b": "1"}


def test_json_holds_the_options_and_only_the_wanted_cases(
    folders: tuple[Path, Path], run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("evaluate", *folders, "--json", "--cases", "a", "--metrics", "surface", "--jobs", 1) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["n_cases"], report["options"]["groups"]) == (1, ["overlap", "surface"])
    assert report["cases"][0]["labels"]["organ1"]["hd95"] == pytest.approx(2.0)
    assert "lesion_f1" not in report["cases"][0]["labels"]["organ1"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--metrics", "surfase"), "Did you mean surface?"),
        (("--tubular", "orgn1"), "Did you mean organ1?"),
        (("--label-tolerance", "orgn1=2"), "Did you mean organ1?"),
        (("--label-tolerance", "organ1"), "expected the name of a label and mm"),
        (("--label-tolerance", "organ1=wide"), "a tolerance is a number of mm above 0"),
        (("--tolerance", "0"), "a tolerance is a number of mm above 0"),
        (("--cases", "a,z"), "has no reference segmentation for z"),
        (("-o", "scores.xlsx"), "a report is written as"),
        (("--probabilities", "nowhere"), "there is no such file"),
        (("--metrics", ""), "--metrics names nothing"),
        (("--metrics", "overlap", "--min-lesion-volume", "3"), "leaves lesions out"),
        (("--metrics", "surface,calibration"), "calibration is measured with --probabilities only"),
        (("--boundary-width", "0"), "a width is a number of mm above 0"),
        (("--lesion-iou", "1.5"), "above 0 and at most 1"),
    ],
)
def test_mistakes_are_one_clear_line(
    folders: tuple[Path, Path], run: Run, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert run("evaluate", *folders, *words) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told


def test_boundary_width_and_lesion_overlap_stand_in_the_report(
    folders: tuple[Path, Path], run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """The shifted box overlaps by three fifths: enough to be found by default, and not where 0.7 is asked for."""
    words = ("--json", "--cases", "a", "--boundary-width", "1.5", "--lesion-iou")
    found = []
    for iou in ("0.1", "0.7"):
        assert run("evaluate", *folders, *words, iou) == 0
        report = json.loads(capsys.readouterr().out)
        found.append(report["summary"]["organ1"]["lesion_f1"]["mean"])
        assert report["options"]["boundary_width"] == 1.5
        assert "within 1.5 mm of its surface" in report["definition"]
        assert f"intersection over union of at least {iou}" in report["definition"]
    assert found == [1, 0]


def test_a_least_volume_where_none_is_known_is_warned_of_once(
    tmp_path: Path, folders: tuple[Path, Path], run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    flat = Geometry((1, 10, 24), (999.0, 1.0, 1.0), n_dimensions=2, has_spacing=False)
    for name in "ab":
        write_segmentation(tmp_path / "pictures" / f"{name}.png", draw(0, 1)[1:2], flat)
    pictures = tmp_path / "pictures"
    assert run("evaluate", pictures, pictures, "--min-lesion-volume", "3") == 0
    assert capsys.readouterr().err.count("without spacing no volume is known") == 1
    assert run("evaluate", *folders, "--min-lesion-volume", "0.001") == 0
    assert "no volume is known" not in capsys.readouterr().err
