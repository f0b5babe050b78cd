"""What the README shows runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autoseg.cli.app import app
from autoseg.pipeline.project import Project

README = Path(__file__).resolve().parents[1] / "README.md"


def test_the_python_snippet_runs(
    trained: Project, phantom: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    (snippet,) = (block for block in blocks if "import autoseg" in block)
    places = {
        "DATASET": phantom,
        "WORKSPACE": trained.workspace.root,
        "NEW_IMAGES": phantom / "imagesTs",
        "PREDICTIONS": tmp_path,
    }
    for word, path in places.items():
        snippet = snippet.replace(f'"{word}"', repr(str(path)))
    exec(compile(snippet, str(README), "exec"), {})
    assert len(list(tmp_path.glob("*.nii.gz"))) == 1
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_every_command_is_in_the_table() -> None:
    shown = set(re.findall(r"^\| `autoseg ([a-z-]+)", README.read_text(), re.MULTILINE))
    assert shown == {command.name for command in app.registered_commands}


def test_every_picture_and_file_it_links_to_is_there() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text())
    assert links
    assert [link for link in links if not (README.parent / link).exists()] == []
