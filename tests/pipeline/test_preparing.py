"""What stands is used, what is stale is made anew, and what a person made is never lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoseg.data.splits import make_splits
from autoseg.errors import PlanError, UsageError
from autoseg.pipeline.planning import ensure_fingerprint, ensure_plan, merge_wishes, renew_plan
from autoseg.pipeline.preparing import describe_disk, ensure_preprocessed, estimate_stored_bytes, find_folds
from autoseg.pipeline.project import Project, open_project
from autoseg.planning.devices import DeviceFacts
from autoseg.planning.wishes import Wishes
from autoseg.preprocessing.store import open_case
from autoseg.serialization import write_json


@pytest.fixture
def project(phantom: Path, tmp_path: Path) -> Project:
    write_json(tmp_path / "device.json", DeviceFacts(device="cpu", memory_gb=8.0, n_threads=2, gflops=60.0))
    return open_project(phantom, workspace=tmp_path)


def test_a_new_length_replaces_an_old_one_and_keeps_the_rest() -> None:
    before = Wishes(gpu_memory_gb=4, n_epochs=10)
    assert merge_wishes(before, Wishes(train_time_s=60)) == Wishes(gpu_memory_gb=4, train_time_s=60)
    assert merge_wishes(before, None) == before


def test_wishes_survive_a_change_of_the_dataset(project: Project) -> None:
    plan = ensure_plan(project, Wishes(train_time_s=120))
    stale = plan.model_copy(update={"fingerprint_digest": "other"})
    write_json(project.workspace.plan, stale)  # JSON is YAML
    assert ensure_plan(project, Wishes()) == plan


def test_an_edited_plan_is_obeyed_and_never_lost(project: Project) -> None:
    ensure_plan(project, Wishes(train_time_s=120))
    path = project.workspace.plan
    text = path.read_text()
    start = text.index("    batch_size:", text.index("configurations:"))
    block = text[start : text.index("    network:", start)]
    path.write_text(text.replace(block, "    batch_size: 7\n", 1))
    assert ensure_plan(project, Wishes(train_time_s=600)).configurations["2d"].batch_size.value == 7
    renew_plan(project, Wishes())
    assert "batch_size: 7" in path.with_suffix(".old1.yaml").read_text()
    renew_plan(project, Wishes(train_time_s=90))
    assert "batch_size: 7" in path.with_suffix(".old1.yaml").read_text()


def test_a_broken_plan_is_named_and_can_be_replaced(project: Project) -> None:
    project.workspace.plan.write_text("autoseg_plan: 1\ndataset: x\n")
    with pytest.raises(PlanError, match="configurations is missing"):
        ensure_plan(project)
    assert renew_plan(project, Wishes()).configurations


def test_folds_are_every_one_of_the_cross_validation_unless_others_are_named() -> None:
    splits = make_splits("abcdef", 3)
    assert find_folds(splits, ()) == (0, 1, 2)
    assert find_folds(splits, ("2", "0", "2")) == (0, 2)
    assert find_folds(splits, ("all",)) == ("all",)
    assert find_folds(splits, ("all", "1")) == (1, "all")
    with pytest.raises(UsageError, match=r"--fold 3: the splits have folds 0 to 2\."):
        find_folds(splits, ("3",))
    with pytest.raises(UsageError, match=r"--fold every: expected a number, 0, 1, \.\.\., or all\."):
        find_folds(splits, ("every",))


def test_the_disk_that_is_said_is_about_what_is_used(trained: Project) -> None:
    plan = ensure_plan(trained)
    folders = ensure_preprocessed(trained, plan, ["2d", "3d_fullres"])
    fingerprint = ensure_fingerprint(trained)
    for name, folder in folders.items():
        used = sum(path.stat().st_size for path in folder.glob("*.b2nd"))
        said = estimate_stored_bytes(fingerprint, plan, name)
        assert 0.3 * said < used < 1.1 * said


def test_the_disk_that_is_used_is_said_beside_what_was_predicted(trained: Project) -> None:
    plan = ensure_plan(trained)
    folders = ensure_preprocessed(trained, plan, ["2d", "3d_fullres"])
    kept = {name: sum(path.stat().st_size for path in folder.iterdir()) / 1e9 for name, folder in folders.items()}
    predicted_gb = sum(plan.find_configuration(name).disk_gb.value for name in folders)
    said = f"take {sum(kept.values()):.3g} GB of disk; {predicted_gb:.3g} GB were predicted"
    assert said in describe_disk(plan, folders)
    twice = {"2d": folders["2d"], "3d_cascade": folders["2d"]}  # two names for one folder
    shared = plan.model_copy(update={"configurations": dict.fromkeys(twice, plan.find_configuration("2d"))})
    assert f"take {kept['2d']:.3g} GB" in describe_disk(shared, twice)


def test_an_edited_spacing_never_meets_old_data(trained: Project) -> None:
    plan = ensure_plan(trained)
    settings = plan.find_configuration("3d_fullres")
    coarse = settings.spacing_mm.model_copy(update={"value": (6.0, 2.4, 2.0)})
    edited = plan.model_copy(
        update={"configurations": {"3d_fullres": settings.model_copy(update={"spacing_mm": coarse})}}
    )
    old = ensure_preprocessed(trained, plan, ["3d_fullres"])["3d_fullres"]
    new = ensure_preprocessed(trained, edited, ["3d_fullres"])["3d_fullres"]
    case_id = trained.dataset.case_ids[0]
    assert new != old
    assert all(
        2 * a >= b - 2 for a, b in zip(open_case(new, case_id).shape, open_case(old, case_id).shape, strict=True)
    )
    assert open_case(new, case_id).shape < open_case(old, case_id).shape
