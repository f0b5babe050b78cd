"""From an archive to a workspace that predicts the same."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from autoseg.data.image_io import read_segmentation
from autoseg.data.splits import ALL
from autoseg.errors import WorkspaceError
from autoseg.networks.checkpoint import read_tensors, write_tensors
from autoseg.pipeline.model import load_model
from autoseg.pipeline.prediction.predicting import predict_images
from autoseg.pipeline.project import Project
from autoseg.pipeline.sharing.exporting import export_model
from autoseg.pipeline.sharing.installing import install_model
from autoseg.pipeline.sharing.trained import find_trained
from autoseg.prediction.options import PredictionOptions
from autoseg.sharing.manifest import Member
from autoseg.sharing.names import name_weights
from tests.sharing import conftest as models
from tests.sharing.archives import describe

QUICK = PredictionOptions(step=1.0, mirroring="none")

untrained, alone = models.untrained, models.alone


@pytest.fixture(scope="module")
def archive(untrained: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shared") / "model.zip"
    export_model(find_trained(untrained.workspace.root), path)
    return path


def change(archive: Path, target: Path, name: str, content: bytes) -> Path:
    """The archive with another member, and a manifest that fits it."""
    import json

    with ZipFile(archive) as stream:
        files = {each: stream.read(each) for each in stream.namelist() if each != "MANIFEST.json"}
    files[name] = content
    with ZipFile(target, "w") as stream:
        for each, bytes_ in files.items():
            stream.writestr(each, bytes_)
        stream.writestr("MANIFEST.json", json.dumps(describe(files)))
    return target


def test_it_predicts_the_same_bits(untrained: Project, phantom: Path, archive: Path, tmp_path: Path) -> None:
    installed = install_model(archive, tmp_path / "installed")
    for place, name in ((untrained.workspace.root, "a"), (installed.folder, "b")):
        (result,) = predict_images(load_model(place, options=QUICK), phantom / "imagesTs", tmp_path / name)
    one, other = (read_segmentation(tmp_path / name / result.file)[0] for name in "ab")
    assert np.unique(one).size > 1
    np.testing.assert_array_equal(one, other)


def test_a_model_of_all_cases_predicts(alone: Path, tmp_path: Path) -> None:
    (alone / "selection.yaml").unlink()
    export_model(find_trained(alone, folds=[ALL]), tmp_path / "m.zip")
    installed = install_model(tmp_path / "m.zip", tmp_path / "installed")
    model = load_model(installed.folder, folds=[ALL])
    assert [predictor.configuration for predictor in model.predictors] == ["2d"]


def test_installing_again_changes_nothing(archive: Path, tmp_path: Path) -> None:
    first = install_model(archive, tmp_path / "installed")
    times = {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")}
    assert install_model(archive, tmp_path / "installed").was_there
    assert times == {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")}


def test_an_empty_folder_is_taken(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "installed").mkdir()
    assert not install_model(archive, tmp_path / "installed").was_there


def test_a_folder_that_holds_something_is_left_alone(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(WorkspaceError, match="is there already and holds no installed model"):
        install_model(archive, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_another_model_is_left_alone(untrained: Project, archive: Path, tmp_path: Path) -> None:
    export_model(find_trained(untrained.workspace.root, configurations=["2d"]), tmp_path / "other.zip")
    install_model(tmp_path / "other.zip", tmp_path / "installed")
    with pytest.raises(WorkspaceError, match="holds another model"):
        install_model(archive, tmp_path / "installed")


def test_a_changed_installation_is_noticed(archive: Path, tmp_path: Path) -> None:
    installed = install_model(archive, tmp_path / "installed")
    (installed.folder / name_weights("2d", "0")).write_bytes(b"")
    with pytest.raises(WorkspaceError, match="was changed or removed since"):
        install_model(archive, tmp_path / "installed")


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        (name_weights("2d", "0"), b"\x80\x04pickle", "is damaged or no checkpoint"),
        ("plan.yaml", b"configurations: [", "plan.yaml"),
        ("dataset.json", b"[]", "is not as autoseg writes it"),
        ("selection.yaml", b"autoseg_selection: 1", "selection.yaml"),
    ],
)
def test_contents_that_do_not_predict_are_refused(
    archive: Path, tmp_path: Path, name: str, content: bytes, match: str
) -> None:
    path = change(archive, tmp_path / "bad.zip", name, content)
    with pytest.raises(WorkspaceError, match=match) as problem:
        install_model(path, tmp_path / "installed")
    assert "nothing was installed" in str(problem.value)
    assert [each.name for each in tmp_path.iterdir()] == ["bad.zip"]


def test_a_checkpoint_under_another_name_is_refused(archive: Path, tmp_path: Path) -> None:
    with ZipFile(archive) as stream:
        content = stream.read(name_weights("2d", "0"))
    path = change(archive, tmp_path / "bad.zip", name_weights("3d_cascade", "0"), content)
    with pytest.raises(WorkspaceError, match="is not the checkpoint of 3d_cascade, fold 0"):
        install_model(path, tmp_path / "installed")


def test_needs_are_read_from_what_runs_and_not_from_the_manifest(archive: Path, tmp_path: Path) -> None:
    with ZipFile(archive) as stream:
        stored = Path(stream.extract(name_weights("2d", "0"), tmp_path / "taken"))
    weights, content = read_tensors(stored)
    content["plan"]["configurations"]["2d"]["network"]["value"] = "os:abort"
    write_tensors(stored, weights, content)
    path = change(archive, tmp_path / "own.zip", name_weights("2d", "0"), stored.read_bytes())
    installed = install_model(path, tmp_path / "installed")
    assert (installed.manifest.needs, installed.needs) == ((), ("os:abort",))


def test_an_installed_model_is_exported_again(archive: Path, tmp_path: Path) -> None:
    installed = install_model(archive, tmp_path / "installed")
    again = export_model(find_trained(installed.folder), tmp_path / "model.zip")
    assert again.model == installed.manifest.model
    assert isinstance(again.members["metrics.json"], Member)


def test_the_default_folder_is_the_datasets_workspace(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert install_model(archive).folder == Path("autoseg_workspace/Phantom_installed")
