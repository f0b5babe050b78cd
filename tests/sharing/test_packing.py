"""Writing archives."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import pytest

from autoseg.errors import WorkspaceError
from autoseg.sharing.manifest import Manifest, Member, digest_model, parse_manifest
from autoseg.sharing.packing import Entry, write_archive
from tests.sharing.archives import FILES, WEIGHTS


def entry(name: str, content: bytes) -> Entry:
    return name, lambda target: target.write_bytes(content) and None


def describe(members: dict[str, Member]) -> Manifest:
    return Manifest(autoseg="0", name="D", model=digest_model(members), members=members)


def test_equal_files_make_equal_archives(tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        write_archive(tmp_path / name, [entry(*item) for item in FILES.items()], describe)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_weights_are_stored_and_texts_are_deflated(tmp_path: Path) -> None:
    write_archive(tmp_path / "a.zip", [entry(*item) for item in FILES.items()], describe)
    with ZipFile(tmp_path / "a.zip") as archive:
        assert archive.getinfo(WEIGHTS).compress_type == ZIP_STORED
        assert archive.getinfo("plan.yaml").compress_type == ZIP_DEFLATED
        assert archive.testzip() is None


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail(target: Path) -> None:
        raise WorkspaceError("the second member cannot be read")

    with pytest.raises(WorkspaceError, match="second member"):
        write_archive(tmp_path / "a.zip", [entry("README.md", b"x"), ("plan.yaml", fail)], describe)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"precious")
    with pytest.raises(WorkspaceError, match="is there already"):
        write_archive(tmp_path / "a.zip", [], describe)
    assert (tmp_path / "a.zip").read_bytes() == b"precious"


def test_the_card_is_no_part_of_the_models_digest() -> None:
    one, two = Member(sha256="0" * 64, size=1), Member(sha256="1" * 64, size=1)
    assert digest_model({"README.md": one, "plan.yaml": one}) == digest_model({"README.md": two, "plan.yaml": one})
    assert digest_model({"plan.yaml": one}) != digest_model({"plan.yaml": two})


def test_a_manifest_is_read_as_it_was_written() -> None:
    manifest = describe({"plan.yaml": Member(sha256="0" * 64, size=1)})
    assert parse_manifest(manifest.model_dump(), where="m.zip") == manifest
