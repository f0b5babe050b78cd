"""`autoseg import-nnunet`: a table for a person, JSON for a machine, one line for a mistake."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Run
from tests.importing.conftest import make_plans, make_settings, write_folder


def write_image(path: Path) -> None:
    import SimpleITK

    path.parent.mkdir(exist_ok=True)
    image = SimpleITK.GetImageFromArray(np.random.default_rng(0).normal(size=(4, 20, 24)).astype(np.float32))
    image.SetSpacing((1.5, 1.0, 4.0))
    SimpleITK.WriteImage(image, str(path))


def test_folds_are_listed(tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_folder(tmp_path, make_plans({"2d": make_settings(2)}), "2d", folds=("0", "3"))
    assert run("import-nnunet", folder, "-o", tmp_path / "model") == 0
    assert "0, 3" in capsys.readouterr().out


def test_json_says_what_predicts(tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_folder(tmp_path, make_plans({"2d": make_settings(2)}), "2d")
    assert run("import-nnunet", folder, "-o", tmp_path / "model", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["folds"] == {"2d": [0]}
    assert shown["selection"]["configurations"]["value"] == ["2d"]


def test_the_printed_command_predicts(tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a model of all cases, which is never taken unasked."""
    import shlex

    folder = write_folder(tmp_path, make_plans({"2d": make_settings(2)}), "2d", folds=("all",))
    for channel in (0, 1):
        write_image(tmp_path / "images" / f"a_{channel:04}.nii.gz")
    assert run("import-nnunet", folder, "-o", tmp_path / "my model") == 0
    command = capsys.readouterr().out.replace("\n", " ").partition("Predict with: ")[2]
    words = {"IMAGES": str(tmp_path / "images"), "PREDICTIONS": str(tmp_path / "out")}
    assert run(*(words.get(word, word) for word in shlex.split(command)[1:]), "--device", "cpu") == 0
    assert (tmp_path / "out" / "a.nii.gz").is_file()


def test_a_mistake_is_one_line(tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("import-nnunet", tmp_path, "-o", tmp_path / "model") == 2
    assert "holds no trained model of nnU-Net v2" in capsys.readouterr().err
