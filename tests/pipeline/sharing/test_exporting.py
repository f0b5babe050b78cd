"""From a workspace to an archive, and what goes along."""

from __future__ import annotations

import shutil
from pathlib import Path
from zipfile import ZipFile

import pytest
import torch

from autoseg.data.splits import ALL
from autoseg.errors import UsageError, WorkspaceError
from autoseg.networks.checkpoint import read_content, read_tensors
from autoseg.pipeline.project import Project
from autoseg.pipeline.selection import Selection
from autoseg.pipeline.sharing.exporting import Words, export_model, phrase_prediction
from autoseg.pipeline.sharing.trained import find_trained
from autoseg.serialization import dump_json, parse_record, parse_yaml
from autoseg.sharing.names import name_weights
from tests.sharing import conftest as models

untrained, alone = models.untrained, models.alone


def read_all(path: Path) -> dict[str, bytes]:
    with ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_all_folds_that_predict_go_along(untrained: Project, tmp_path: Path) -> None:
    manifest = export_model(find_trained(untrained.workspace.root), tmp_path / "m.zip")
    weights = {name for name in manifest.members if name.startswith("trained/")}
    wanted = ("2d", "3d_lowres", "3d_cascade")  # the cascade was selected, and not what it builds on
    assert weights == {name_weights(name, str(fold)) for name in wanted for fold in (0, 1)}


def test_nothing_names_a_case_or_a_folder(untrained: Project, tmp_path: Path) -> None:
    """Weights are not compressed, so that their headers are searched as well."""
    export_model(find_trained(untrained.workspace.root), tmp_path / "m.zip")
    home = str(untrained.dataset.folder.parent)
    for name, content in read_all(tmp_path / "m.zip").items():
        found = [word for word in (*untrained.dataset.case_ids, home, str(Path.home())) if word.encode() in content]
        assert not found, f"{name} names {found}"


def test_weights_are_the_same(untrained: Project, tmp_path: Path) -> None:
    export_model(find_trained(untrained.workspace.root), tmp_path / "m.zip")
    with ZipFile(tmp_path / "m.zip") as archive:
        shared = Path(archive.extract(name_weights("3d_cascade", "1"), tmp_path))
    (before, _), (after, content) = (
        read_tensors(untrained.workspace.run("3d_cascade", 1).checkpoint),
        read_tensors(shared),
    )
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert (content["facts"]["n_train"], content["facts"]["train_ids"]) == (4, [])


def test_equal_workspaces_make_equal_archives(untrained: Project, alone: Path, tmp_path: Path) -> None:
    for source, name in ((untrained.workspace.root, "a.zip"), (alone, "b.zip")):
        export_model(find_trained(source), tmp_path / name)
    one, other = (read_all(tmp_path / name) for name in ("a.zip", "b.zip"))
    assert {name for name in one if one[name] != other[name]} <= {"README.md", "MANIFEST.json"}  # name the file


def test_other_configurations_are_selected_in_the_archive(untrained: Project, tmp_path: Path) -> None:
    trained = find_trained(untrained.workspace.root, configurations=["2d"], folds=[1])
    manifest = export_model(trained, tmp_path / "m.zip")
    assert [name for name in manifest.members if name.startswith("trained/")] == [name_weights("2d", "1")]
    selection = parse_record(
        Selection, parse_yaml(read_all(tmp_path / "m.zip")["selection.yaml"].decode(), where="m.zip"), where="m.zip"
    )
    assert selection.configurations.value == ("2d",)
    assert selection.postprocessing.value.steps == ()  # it was chosen for the ensemble


def test_a_model_of_all_cases_without_a_selection(alone: Path, tmp_path: Path) -> None:
    (alone / "selection.yaml").unlink()
    manifest = export_model(find_trained(alone, folds=[ALL]), tmp_path / "m.zip")
    assert [name for name in manifest.members if name.startswith("trained/")] == [name_weights("2d", "all")]
    assert manifest.folds == ("all",)
    told = read_all(tmp_path / "m.zip")["selection.yaml"].decode()
    assert "no cross-validation came with this model" in " ".join(told.split()), "nobody can select again there"
    assert "--fold all -i IMAGES" in read_all(tmp_path / "m.zip")["README.md"].decode()


def test_nothing_selected_says_what_to_do(alone: Path) -> None:
    (alone / "selection.yaml").unlink()
    with pytest.raises(WorkspaceError, match=r"Run `autoseg select` first, or name a --configuration"):
        find_trained(alone)


def test_the_card_tells_what_a_person_and_the_workspace_say(untrained: Project, tmp_path: Path) -> None:
    words = Words(licence="CC-BY-4.0", author="A Person", note="Only\nfor phantoms.")
    manifest = export_model(find_trained(untrained.workspace.root), tmp_path / "m.zip", words)
    card = read_all(tmp_path / "m.zip")["README.md"].decode()
    for told in ("Licence: CC-BY-4.0", "A Person", "Only for phantoms.", "| cases | 6 |", "0.8500 ± 0.0577"):
        assert told in card
    assert (manifest.licence, manifest.note) == ("CC-BY-4.0", "Only for phantoms.")


def test_own_components_are_named(alone: Path, tmp_path: Path) -> None:
    plan = alone / "trained" / "2d" / "fold_0" / "checkpoint.safetensors"
    weights, content = read_tensors(plan)
    from autoseg.networks.checkpoint import write_tensors

    content["plan"]["configurations"]["2d"]["network"]["value"] = "my_package.nets:MyNet"
    write_tensors(plan, weights, content)
    manifest = export_model(find_trained(alone, configurations=["2d"], folds=[0]), tmp_path / "m.zip")
    assert manifest.needs == ("my_package.nets:MyNet",)
    assert "my_package.nets:MyNet" in read_all(tmp_path / "m.zip")["README.md"].decode()


def test_a_failure_leaves_no_archive(alone: Path, tmp_path: Path) -> None:
    trained = find_trained(alone)
    shutil.rmtree(alone / "trained" / "3d_cascade" / "fold_1")
    with pytest.raises(WorkspaceError, match="there is no such checkpoint"):
        export_model(trained, tmp_path / "m.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["workspace"]


def test_an_archive_ends_in_zip(untrained: Project, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"whose name ends in .zip"):
        export_model(find_trained(untrained.workspace.root), tmp_path / "model")


def test_headers_say_what_was_trained(untrained: Project) -> None:
    trained = find_trained(untrained.workspace.root)
    named = [(one.configuration, one.fold) for one in trained.trainings]
    contents = [read_content(path) for path in trained.checkpoints]
    assert named == [(content["configuration"], content["fold"]) for content in contents]
    assert "pretrained" not in dump_json(trained.trainings[0].facts)


def test_the_command_can_be_copied() -> None:
    assert phrase_prediction("my model", ["all"]) == (
        "autoseg predict-ensemble 'my model' --fold all -i IMAGES -o PREDICTIONS"
    )
