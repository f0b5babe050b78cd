"""Preprocessing many cases: only what is missing, for several configurations at once, and a dead worker is named."""

from __future__ import annotations

import math
import os
import signal
import tracemalloc
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK

from autoseg.data.dataset import Case, Dataset
from autoseg.data.labels import Labels
from autoseg.decision import fixed
from autoseg.errors import ResourceError
from autoseg.planning.choices import Resampling
from autoseg.planning.plan import ChannelPlan, Configuration, Plan
from autoseg.preprocessing import preprocessing_cases as room
from autoseg.preprocessing.preprocessing_cases import choose_n_workers, estimate_case_bytes, preprocess_cases
from autoseg.preprocessing.store import ENDINGS, open_case


def make_configuration(*spacing_mm: float) -> Configuration:
    return Configuration.model_construct(
        n_dimensions=len(spacing_mm),
        spacing_mm=fixed(spacing_mm, "test"),
        resampling=fixed(Resampling(), "test"),
        patch_size=fixed((8,) * len(spacing_mm), "test"),
    )


def make_plan() -> Plan:
    channel = ChannelPlan(
        channel="mr", scheme=fixed("zscore", "test"), inside_mask=fixed(False, "test"), intensities=fixed(None, "test")
    )
    return Plan.model_construct(
        channels=("mr",),
        labels=Labels(names=("background", "organ"), values=(0, 1)),
        axis_order=fixed((0, 1, 2), "test"),
        normalization=(channel,),
        configurations={"2d": make_configuration(1.0, 2.0), "3d_fullres": make_configuration(1.5, 1.0, 1.0)},
    )


def write_volume(path: Path, array: np.ndarray) -> Path:
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing((1.0, 1.0, 3.0))
    SimpleITK.WriteImage(image, str(path))
    return path


@dataclass
class Work:
    dataset: Dataset
    plan: Plan
    folders: dict[str, Path]

    def run(self, **options) -> int:
        return preprocess_cases(self.dataset, self.plan, self.folders, **options)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    cases = []
    for number in range(4):
        image = np.random.default_rng(number).normal(size=(4, 10, 12)).astype(np.float32) + 9
        images = (write_volume(tmp_path / f"case_{number}_0000.nii.gz", image),)
        mask = write_volume(tmp_path / f"case_{number}.nii.gz", (image > 9).astype(np.uint8))
        cases.append(Case(id=f"case_{number}", images=images, segmentation=mask))
    plan = make_plan()
    dataset = Dataset(
        name="d", folder=tmp_path, layout="plain", channels=("mr",), labels=plan.labels, cases=tuple(cases)
    )
    return Work(dataset, plan, {name: tmp_path / "out" / name for name in plan.configurations})


def test_every_case_is_stored_for_every_configuration(work):
    steps = []
    assert work.run(n_workers=1, on_progress=lambda *step: steps.append(step)) == 4
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert open_case(work.folders["2d"], "case_3").shape == (4, 10, 6)
    assert open_case(work.folders["3d_fullres"], "case_3").shape == (8, 10, 12)


def test_a_case_is_decoded_once_for_all_configurations(work, monkeypatch):
    read, decoded = room.read_case, []
    monkeypatch.setattr(room, "read_case", lambda case, **rest: decoded.append(case.id) or read(case, **rest))
    work.run(n_workers=1)
    assert decoded == ["case_0", "case_1", "case_2", "case_3"]


def test_a_second_run_does_nothing_and_a_changed_case_is_done_anew(work):
    work.run(n_workers=1)
    assert work.run(n_workers=1) == 0
    write_volume(work.dataset.cases[2].images[0], np.full((4, 10, 12), 2, dtype=np.float32))
    assert work.run(n_workers=1) == 1


def test_known_digests_spare_reading_the_files(work, monkeypatch):
    sources = {case.id: {"image": "1", "segmentation": "2"} for case in work.dataset.cases}
    monkeypatch.setattr(room, "digest_file", lambda path: 1 / 0)
    assert work.run(n_workers=1, sources=sources) == 4
    assert work.run(n_workers=1, sources=sources) == 0


def test_workers_store_what_one_process_stores(work, tmp_path):
    work.run(n_workers=1)
    alone = open_case(work.folders["3d_fullres"], "case_1").read_image()
    work.folders = {"3d_fullres": tmp_path / "again"}
    assert work.run(n_workers=2) == 4
    np.testing.assert_allclose(open_case(tmp_path / "again", "case_1").read_image(), alone, atol=1e-5)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_killed_worker_ends_in_one_line_with_its_case(work, monkeypatch, number):
    """As the kernel kills what takes too much memory: in the middle of a case, half of which is written."""
    write_case = room.write_case

    def die_in_the_middle(folder, case_id, prepared, **rest):
        if (case_id, folder.name) == ("case_1", "3d_fullres"):
            (folder / ".writing-x").mkdir(parents=True)
            (folder / ".writing-x" / "case_1.image.b2nd").touch()
            os.kill(os.getpid(), number)
        write_case(folder, case_id, prepared, **rest)

    def preprocess(job):  # runs in the worker, whose own module nobody has changed
        room.write_case = die_in_the_middle
        room.preprocess_case(job)

    monkeypatch.setattr(room, "preprocess_case", preprocess)
    with pytest.raises(ResourceError, match=r"case case_1: its worker process died.*finished cases are kept") as told:
        work.run(n_workers=2)
    assert "\n" not in str(told.value)
    assert not list(work.folders["3d_fullres"].glob(".writing*"))
    monkeypatch.undo()
    assert 1 <= work.run(n_workers=1) <= 3  # what the others were at is kept, of all or of some cases
    assert open_case(work.folders["3d_fullres"], "case_1").shape == (8, 10, 12)


def test_a_worker_that_died_between_two_cases_is_told_with_the_next(work):
    class Dead:
        def submit(self, *_):
            raise BrokenExecutor

    job = room.CaseJob(work.dataset.cases[2], "", {}, work.plan)
    with pytest.raises(ResourceError, match="case case_2: its worker process died"):
        room._submit(Dead(), job)


def test_one_changed_case_redoes_one_case(work):
    work.run(n_workers=1)
    before = {path: path.stat().st_mtime_ns for path in work.folders["2d"].iterdir()}
    write_volume(work.dataset.cases[2].segmentation, np.ones((4, 10, 12), dtype=np.uint8))
    assert work.run(n_workers=1) == 1
    changed = {path.name for path, when in before.items() if path.stat().st_mtime_ns != when}
    assert changed == {f"case_2{ending}" for ending in ENDINGS}


@pytest.mark.parametrize("scheme", ["zscore", "percentile_clip", "robust", "histogram_equalization", "clahe"])
def test_the_memory_of_a_case_is_bounded_by_its_estimate(work, tmp_path, scheme):
    image = write_volume(tmp_path / "large_0000.nii.gz", np.random.default_rng(0).normal(size=(40, 90, 100)))
    mask = write_volume(tmp_path / "large.nii.gz", np.ones((40, 90, 100), dtype=np.uint8))
    channel = work.plan.normalization[0].model_copy(
        update={"scheme": fixed(scheme, ""), "inside_mask": fixed(True, "")}
    )
    plan = work.plan.model_copy(update={"normalization": (channel,)})
    job = room.CaseJob(Case(id="large", images=(image,), segmentation=mask), "", work.folders, plan)
    work.run(n_workers=1)  # loads what stays loaded
    tracemalloc.start()
    room.preprocess_case(job)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    need_bytes = estimate_case_bytes(job.case, plan)
    assert 0.25 * need_bytes < peak_bytes < need_bytes


def test_memory_that_runs_out_is_told_with_the_case(work, monkeypatch):
    def run_out(job):
        raise MemoryError

    monkeypatch.setattr(room, "preprocess_case", run_out)
    with pytest.raises(ResourceError, match="case case_0: memory ran out"):
        work.run(n_workers=1)


def test_workers_are_as_many_as_memory_cores_and_cases_bear(work, monkeypatch):
    cases = work.dataset.cases * 4
    need = estimate_case_bytes(cases[0], work.plan)
    assert need == 36 * 8 * 10 * 12
    n_voxels = len(cases) * sum(math.prod(shape) for shape in room.list_grids(cases[0], work.plan))
    monkeypatch.setattr(room, "VOXELS_PER_WORKER", n_voxels // 3)
    monkeypatch.setattr(room, "count_cores", lambda: 3)
    for free_cases, expected in [(100, 3), (3.5, 2), (0.1, 1)]:
        monkeypatch.setattr(room, "measure_free_memory_bytes", lambda free=free_cases: free * need)
        assert choose_n_workers(cases, work.plan) == expected
    monkeypatch.setattr(room, "VOXELS_PER_WORKER", n_voxels // 2 + 1)
    assert choose_n_workers(cases, work.plan) == 1
    assert choose_n_workers([], SimpleNamespace()) == 1


@pytest.mark.parametrize(("died", "alive"), [("case_1", "case_1.2"), ("case[1]", "case1"), ("case_1", "case_10")])
def test_what_a_killed_worker_was_writing_is_removed_and_nothing_else(tmp_path, died, alive):
    for number, name in enumerate((died, alive)):
        (tmp_path / f".writing-{number}").mkdir()
        (tmp_path / f".writing-{number}" / f"{name}.image.b2nd").touch()
    case = Case(id=died, images=(), segmentation=None)
    room._remove_traces(room.CaseJob(case, "", {"2d": tmp_path}, make_plan()))
    assert [path.name for path in tmp_path.glob(".writing-*/*")] == [f"{alive}.image.b2nd"]
