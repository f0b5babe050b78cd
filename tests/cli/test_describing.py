from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

Run = Callable[..., int]


@pytest.mark.parametrize("kind", ["plan", "dataset", "fingerprint"])
def test_the_schema_of_every_kind_of_file_is_printed(kind: str, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("schema", kind) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["description"]


def test_a_schema_is_written_and_says_how_editors_find_it(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("schema", "plan", "--output", tmp_path / "plan.schema.json") == 0
    assert "# yaml-language-server: $schema=plan.schema.json" in capsys.readouterr().out
    assert json.loads((tmp_path / "plan.schema.json").read_text())["title"] == "Plan"


def test_an_unknown_kind_is_told_the_nearest(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("schema", "plna") == 2
    assert "Did you mean plan?" in capsys.readouterr().err


def test_warnings_are_explained(phantom: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", phantom, "warnings", "--workspace", tmp_path) == 0
    assert capsys.readouterr().out.rstrip().endswith(f"warnings about {phantom.name}.")
    assert run("explain", phantom, "warnings", "--workspace", tmp_path, "--json") == 0
    assert isinstance(json.loads(capsys.readouterr().out), list)


def test_options_need_no_dataset(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", "--options") == 0
    shown = capsys.readouterr().out
    assert "CONFIGURATION.patch_size" in shown
    assert "autoseg plan DATASET --set 3d_fullres.dropout=0.1" in shown


def test_options_of_one_key_tell_its_names_and_what_they_take(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", "--options", "loss.terms") == 0
    shown = capsys.readouterr().out
    assert "gamma = 2, at least 0" in shown
    assert "package.module:Name" in shown
    assert run("explain", "--options", "loss.terms", "--json") == 0
    (option,) = json.loads(capsys.readouterr().out)
    names = {named["name"]: named["parameters"] for named in option["names"]}
    assert names["focal"]["gamma"]["default"] == 2


def test_nothing_to_explain_is_one_clear_line(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain") == 2
    assert "Give a DATASET, or --options" in capsys.readouterr().err
    assert run("explain", "--options", "optimiser") == 2
    assert "Did you mean optimizer" in capsys.readouterr().err
