"""Which files a prediction may write, and which belong to someone else."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoseg.data.dataset import Case
from autoseg.data.labels import Labels
from autoseg.errors import UsageError, WorkspaceError
from autoseg.pipeline.prediction.destination import Destination, Extras, holding, name_outputs, refuse_overwriting
from autoseg.pipeline.prediction.manifest import Predicted

LABELS = Labels(names=("background", "c", "b_c"), values=(0, 1, 2))
ALL = Extras(probabilities=True, uncertainty=True)


def list_cases(*names: str) -> list[Case]:
    return [Case(id=name, images=(Path("elsewhere") / f"{name}.nii.gz",)) for name in names]


def check(folder: Path, cases: list[Case], *known: Predicted, extras: Extras = ALL, single: str | None = None) -> None:
    destination = Destination(folder, ".nii.gz", single)
    refuse_overwriting(destination, cases, extras, LABELS, {case.case_id: case for case in known})


@pytest.mark.parametrize("name", ["x.nii.gz", "x.uncertainty.nii.gz", "x_b_c.probability.nii.gz"])
def test_every_file_of_someone_else_is_kept(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    own = Predicted(case_id="x", file="other.nii.gz", source="s")
    with pytest.raises(WorkspaceError, match=f"{name}: is there already"):
        check(tmp_path, list_cases("x"), own)
    check(tmp_path, list_cases("x"), own.model_copy(update={"extras": (name,)}))


def test_a_file_of_another_case_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "b.nii.gz").touch()
    of_y, mine = Predicted(case_id="y", file="b.nii.gz", source="s"), Predicted(case_id="x", file="b.nii.gz")
    for known in ((of_y,), (of_y, mine)):
        with pytest.raises(WorkspaceError, match="was not written for x"):
            check(tmp_path, list_cases("x"), *known, single="b.nii.gz")
    check(tmp_path, list_cases("y"), of_y, mine, single="b.nii.gz")


def test_an_image_is_never_replaced(tmp_path: Path) -> None:
    case = Case(id="x", images=(tmp_path / "x.nii.gz",))
    (tmp_path / "x.nii.gz").touch()
    with pytest.raises(WorkspaceError, match="is there already"):
        check(tmp_path, [case], Predicted(case_id="x", file="x.nii.gz", source="s"))


def test_a_table_of_someone_else_is_refused_beforehand(tmp_path: Path) -> None:
    table = tmp_path / "confidence.csv"
    table.write_text("patient,trust\n1,low\n")
    with pytest.raises(WorkspaceError, match=r"confidence.csv: is there already"):
        check(tmp_path, list_cases("x"))
    table.write_text("case,label,volume_ml\nx,c,1\n")
    check(tmp_path, list_cases("x"))


def test_two_cases_with_one_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a_b_c.probability.nii.gz: would be written twice, for a and for a_b"):
        check(tmp_path, list_cases("a", "a_b"))
    check(tmp_path, list_cases("a", "a_b"), extras=Extras(uncertainty=True))


def test_labels_that_look_alike_in_a_file_name_are_numbered() -> None:
    names = ["background", "lung left", "lung_left", "LUNG-left", "Liver", "liver"]
    assert name_outputs(names) == ["background", "lung_left_1", "lung_left_2", "LUNG-left", "Liver_4", "liver_5"]


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    with (
        holding(tmp_path / "out"),
        pytest.raises(WorkspaceError, match="another process is predicting"),
        holding(tmp_path / "out"),
    ):
        raise AssertionError
    with holding(tmp_path / "out"):
        pass
