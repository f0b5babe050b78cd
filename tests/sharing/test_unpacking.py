"""Archives of strangers: what is wrong with them is one line, and nothing of them stays."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import pytest

from autoseg.errors import WorkspaceError
from autoseg.sharing.limits import Limits
from autoseg.sharing.names import MANIFEST
from autoseg.sharing.unpacking import opening_archive, unpack
from tests.sharing.archives import FILES, WEIGHTS, add, write_zip

LIMITS = Limits()


def take(path: Path, folder: Path, limits: Limits = LIMITS) -> None:
    with opening_archive(path, limits) as (archive, manifest):
        unpack(path, archive, manifest, folder)


def assert_refused(path: Path, match: str, limits: Limits = LIMITS) -> None:
    with pytest.raises(WorkspaceError, match=match) as problem:
        take(path, path.parent / "out", limits)
    assert "\n" not in str(problem.value)
    assert str(problem.value).startswith(str(path))


def test_a_right_archive_is_unpacked_to_the_byte(tmp_path: Path) -> None:
    take(write_zip(tmp_path / "m.zip"), tmp_path / "out")
    written = {p.relative_to(tmp_path / "out").as_posix(): p.read_bytes() for p in tmp_path.rglob("out/**/*.*")}
    assert written.pop(MANIFEST)
    assert written == FILES


@pytest.mark.parametrize("name", ["../evil.yaml", "/tmp/evil", "a\\b", "C:/x", "nul.json", "evil.pkl"])
def test_names_that_reach_out_are_refused(tmp_path: Path, name: str) -> None:
    assert_refused(add(write_zip(tmp_path / "m.zip"), name), "its member .* Nothing was installed")
    assert [path.name for path in tmp_path.iterdir()] == ["m.zip"]


def test_a_link_is_refused(tmp_path: Path) -> None:
    assert_refused(
        add(write_zip(tmp_path / "m.zip"), "metrics.json", b"/etc/passwd", attributes=0o120777 << 16), "is a link"
    )


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    assert_refused(add(write_zip(tmp_path / "m.zip"), "plan.yaml"), "is there twice")


def test_a_member_that_the_manifest_does_not_know_is_refused(tmp_path: Path) -> None:
    assert_refused(add(write_zip(tmp_path / "m.zip"), "metrics.json"), "in the archive, but not in its manifest")


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "m.zip", FILES | {WEIGHTS: b"\1" * 1000})
    other = write_zip(tmp_path / "n.zip")
    with_other_manifest = _replace_manifest(path, other)
    assert_refused(with_other_manifest, "is not what the manifest says")


def _replace_manifest(path: Path, other: Path) -> Path:
    """The members of one archive under the manifest of another."""
    from zipfile import ZipFile

    target = path.with_name("mixed.zip")
    with ZipFile(path) as members, ZipFile(other) as manifests, ZipFile(target, "w") as mixed:
        for entry in members.infolist():
            mixed.writestr(entry.filename, (manifests if entry.filename == MANIFEST else members).read(entry.filename))
    return target


def test_a_size_that_differs_is_found_before_anything_is_written(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "m.zip", FILES | {WEIGHTS: bytes(1001)})
    assert_refused(_replace_manifest(path, write_zip(tmp_path / "n.zip")), "has 1001 bytes, but the manifest says 1000")
    assert not (tmp_path / "out").exists()


def test_a_bomb_that_lies_about_its_size_ends_at_it(tmp_path: Path) -> None:
    """The directory and the manifest promise 1000 bytes; 50 MB would come."""
    path = tmp_path / "m.zip"
    bomb = bytes(50_000_000)
    write_zip(path, {name: content for name, content in FILES.items() if name != WEIGHTS})
    add(path, WEIGHTS, bomb, deflated=True)
    lied = path.read_bytes().replace(struct.pack("<I", len(bomb)), struct.pack("<I", 1000))
    path.write_bytes(lied)
    honest = write_zip(tmp_path / "n.zip")
    mixed = _with_raw_manifest(path, honest)
    assert_refused(mixed, "is not what the manifest says|damaged")
    assert sum(p.stat().st_size for p in tmp_path.rglob("out/**/*.*") if p.is_file()) < 10_000


def _with_raw_manifest(path: Path, other: Path) -> Path:
    """Give the archive the other's manifest without reading its members."""
    from zipfile import ZipFile

    target = path.with_name("bomb.zip")
    target.write_bytes(path.read_bytes())
    with ZipFile(target, "a") as archive, ZipFile(other) as manifests:
        archive.filelist = [entry for entry in archive.filelist if entry.filename != MANIFEST]
        archive.NameToInfo.pop(MANIFEST)
        archive.writestr(MANIFEST, manifests.read(MANIFEST))
    return target


def test_what_unpacks_to_too_much_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "m.zip")
    assert_refused(path, r"unpacks to .* but at most 1e-06 GB .*--max-size", Limits(total_gb=1e-6))
    assert_refused(path, "has 5 members, but at most 4 .*--max-members 5", Limits(n_members=4))
    take(path, tmp_path / "raised", Limits(total_gb=2e-6, n_members=5))


def test_a_text_as_large_as_weights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoseg.sharing.limits.MOST_TEXT_BYTES", 3)
    assert_refused(write_zip(tmp_path / "m.zip"), "README.md has 4 bytes, but a text of a model has at most 3")


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\3\4" + bytes(50)])
def test_what_is_no_zip_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.zip").write_bytes(content)
    assert_refused(tmp_path / "m.zip", "is no zip archive, or a damaged one")


def test_half_an_archive_is_one_line(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "m.zip")
    path.write_bytes(path.read_bytes()[:900])
    assert_refused(path, "damaged")


def test_a_flipped_bit_is_one_line(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "m.zip")
    spoilt = bytearray(path.read_bytes())
    spoilt[spoilt.index(b"a: 1")] ^= 1
    path.write_bytes(bytes(spoilt))
    assert_refused(path, "damaged one .Bad CRC-32")


def test_a_foreign_zip_is_called_foreign(tmp_path: Path) -> None:
    from zipfile import ZipFile

    with ZipFile(tmp_path / "m.zip", "w") as archive:
        archive.writestr("holiday/beach.jpg", b"x")
    assert_refused(tmp_path / "m.zip", "is no model of autoseg: it has no MANIFEST.json")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"autoseg_model": 2, "unheard_of": True}, "is a model of format 2, .*Update autoseg"),
        ({"autoseg_model": None}, "is no model of autoseg"),
        ({"model": "0" * 12}, "its manifest contradicts itself"),
        ({"licence": "\x1b[2J"}, "printable"),
        ({"members": {"plan.yaml": {"sha256": "x", "size": -1}}}, "MANIFEST.json"),
    ],
)
def test_manifests_that_cannot_be_believed(tmp_path: Path, changes: dict[str, object], match: str) -> None:
    with pytest.raises(WorkspaceError, match=match):
        take(write_zip(tmp_path / "m.zip", **changes), tmp_path / "out")


def test_a_model_without_weights_is_none(tmp_path: Path) -> None:
    assert_refused(
        write_zip(tmp_path / "m.zip", {n: c for n, c in FILES.items() if n != WEIGHTS}), "a checkpoint is missing"
    )


def test_a_failure_of_ours_is_not_blamed_on_the_archive(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ours"), opening_archive(write_zip(tmp_path / "m.zip"), LIMITS):
        raise ValueError("ours")


def test_digests_are_those_of_sha256(tmp_path: Path) -> None:
    with opening_archive(write_zip(tmp_path / "m.zip"), LIMITS) as (_, manifest):
        assert manifest.members["README.md"].sha256 == hashlib.sha256(b"card").hexdigest()
