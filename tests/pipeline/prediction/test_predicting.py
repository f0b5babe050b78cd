"""Predicting files: whatever is chosen for memory or files, the segmentation is the same."""

from __future__ import annotations

import json
import shutil
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoseg.data.image_io import read_image, read_segmentation, write_volume
from autoseg.errors import DatasetError, ResourceError, UsageError, WorkspaceError
from autoseg.pipeline.model import Model, load_model
from autoseg.pipeline.prediction import predicting, stages
from autoseg.pipeline.prediction.predicting import predict_images
from autoseg.pipeline.project import Project
from autoseg.prediction import passes
from autoseg.prediction.memory.budget import Resources
from autoseg.prediction.options import PredictionOptions


@pytest.fixture(scope="module")
def model(trained: Project) -> Model:
    return load_model(trained.workspace.root)


def spend(monkeypatch: pytest.MonkeyPatch, resources: Resources, n_in_flight: int) -> None:
    """Have the budget decide so."""
    decide = predicting.plan_spending
    monkeypatch.setattr(
        predicting, "plan_spending", lambda *a: replace(decide(*a), resources=resources, n_in_flight=n_in_flight)
    )


def test_a_tiny_budget_changes_no_voxel(
    model: Model, phantom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    three = tmp_path / "images"
    three.mkdir()
    for path in sorted((phantom / "imagesTr").iterdir())[:3]:
        shutil.copy(path, three)
    predict_images(model, three, tmp_path / "default", probabilities=True, uncertainty=True)
    spend(monkeypatch, Resources(1, "file", tmp_path, slab_bytes=20_000), n_in_flight=1)
    predict_images(model, three, tmp_path / "tiny", probabilities=True, uncertainty=True)
    written = sorted((tmp_path / "default").glob("*.nii.gz"))
    assert len(written) == 3 * (1 + 1 + 4)
    for path in written:
        other = tmp_path / "tiny" / path.name
        step = 0 if path.name.count(".") == 2 else 1.001 / 255  # windows seen one by one may round otherwise
        np.testing.assert_allclose(read_image([path])[0], read_image([other])[0], rtol=0, atol=step)


def test_the_manifest_says_who_predicted_how_and_what_it_took(model: Model, phantom: Path, tmp_path: Path) -> None:
    predict_images(model, phantom / "imagesTs", tmp_path, memory_bytes=4e9)
    said = json.loads((tmp_path / "predictions.json").read_text())
    assert {"autoseg", "torch", "numpy"} <= set(said["versions"])
    assert (said["options"]["mirroring"], said["device"], said["model"]) == ("all", "cpu", model.digest)
    assert said["budget"]["memory_gb"] == 4.0
    (case,) = said["cases"]
    assert case["runtime_s"] == pytest.approx(sum(case["seconds"].values()), abs=0.01)
    assert case["n_windows"] > case["n_skipped"] >= 0
    assert case["peak_memory_gb"] > 0.1


def test_a_folder_of_an_earlier_version_is_gone_on_with(model: Model, phantom: Path, tmp_path: Path) -> None:
    predict_images(model, phantom / "imagesTs", tmp_path)
    path = tmp_path / "predictions.json"
    said = json.loads(path.read_text())
    fields = ("case_id", "file", "source", "runtime_s", "volumes_ml", "warnings", "was_there")
    old = {"model": said["model"], "cases": [{name: said["cases"][0][name] for name in fields}]}
    path.write_text(json.dumps(old))
    assert predict_images(model, phantom / "imagesTs", tmp_path)[0].was_there


def test_a_single_image_goes_to_a_file_of_any_name(model: Model, phantom: Path, tmp_path: Path) -> None:
    image = next((phantom / "imagesTs").iterdir())
    (result,) = predict_images(model, image, tmp_path / "deep" / "mine.nrrd", uncertainty=True)
    assert result.file == "mine.nrrd"
    assert (tmp_path / "deep" / "mine.uncertainty.nii.gz").is_file()
    predict_images(model, image, tmp_path / "folder")
    mine, usual = (
        read_segmentation(tmp_path / "deep" / "mine.nrrd")[0],
        read_segmentation(next((tmp_path / "folder").glob("*.nii.gz")))[0],
    )
    np.testing.assert_array_equal(mine, usual)


def test_several_images_do_not_go_to_one_file(model: Model, phantom: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is the name of one file, but there are 6 images"):
        predict_images(model, phantom / "imagesTr", tmp_path / "one.nii.gz")
    with pytest.raises(UsageError, match="JPEG changes label numbers"):
        predict_images(model, next((phantom / "imagesTs").iterdir()), tmp_path / "one.jpg")


def test_a_damaged_image_ends_the_run_and_the_next_run_goes_on(model: Model, phantom: Path, tmp_path: Path) -> None:
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    first, second = sorted((phantom / "imagesTr").iterdir())[:2]
    shutil.copy(first, images / "a.nii.gz")
    whole, geometry = read_image([second])
    whole[0, 3, 4, 5] = np.nan
    write_volume(images / "b.nii.gz", whole[0], geometry)
    with pytest.raises(Exception, match=r"b.nii.gz: 1 of .* NaN"):
        predict_images(model, images, out)
    assert [path.name for path in out.glob("*.nii.gz")] == ["a.nii.gz"]
    assert list(out.rglob(".writing-*")) == []
    shutil.copy(second, images / "b.nii.gz")
    assert [result.was_there for result in predict_images(model, images, out)] == [True, False]


def test_every_label_of_every_case_has_a_row_of_confidence(model: Model, phantom: Path, tmp_path: Path) -> None:
    predict_images(model, phantom / "imagesTs", tmp_path)
    lines = (tmp_path / "confidence.csv").read_text().splitlines()
    assert lines[0].startswith("case,label,volume_ml,agreement")
    assert [line.split(",")[1] for line in lines[1:]] == [name for name, _ in model.labels.targets]


def test_progress_reaches_the_whole(model: Model, phantom: Path, tmp_path: Path) -> None:
    from contextlib import contextmanager

    from autoseg.pipeline.reporting import Reporter

    class Follower(Reporter):
        total, done = 0.0, [0.0]

        @contextmanager
        def follow(self, what: str, total: float) -> Any:
            self.total = total
            yield lambda done, note="": self.done.append(done)

    follower = Follower()
    predict_images(model, phantom / "imagesTs", tmp_path, reporter=follower)
    assert follower.done == sorted(follower.done)
    assert len(follower.done) > 3
    assert follower.done[-1] == pytest.approx(follower.total)


def test_an_image_in_a_subfolder_is_not_overlooked(model: Model, phantom: Path, tmp_path: Path) -> None:
    (tmp_path / "images" / "deeper").mkdir(parents=True)
    shutil.copy(next((phantom / "imagesTs").iterdir()), tmp_path / "images" / "deeper")
    with pytest.raises(DatasetError, match="holds no images, but deeper inside it does"):
        predict_images(model, tmp_path / "images", tmp_path / "out")


def find_two(phantom: Path) -> tuple[Path, Path]:
    first, second = sorted((phantom / "imagesTr").iterdir())[:2]
    return first, second


def test_a_name_holds_the_segmentation_of_its_own_image(model: Model, phantom: Path, tmp_path: Path) -> None:
    scan, other = find_two(phantom)
    predict_images(model, scan, tmp_path / "a.nii.gz")
    predict_images(model, other, tmp_path / "b.nii.gz")
    before = (tmp_path / "b.nii.gz").read_bytes()
    with pytest.raises(WorkspaceError, match=r"b.nii.gz: is there already and was not written for"):
        predict_images(model, scan, tmp_path / "b.nii.gz")
    assert (tmp_path / "b.nii.gz").read_bytes() == before
    (again,) = predict_images(model, scan, tmp_path / "c.nii.gz")
    assert (again.was_there, again.file, again.earlier) == (False, "c.nii.gz", ("a.nii.gz",))
    assert read_segmentation(tmp_path / "a.nii.gz")[0].tolist() == read_segmentation(tmp_path / "c.nii.gz")[0].tolist()


def test_an_uncertainty_of_an_earlier_image_goes_with_it(model: Model, phantom: Path, tmp_path: Path) -> None:
    first, second = find_two(phantom)
    image, out = tmp_path / "x.nii.gz", tmp_path / "out"
    shutil.copy(first, image)
    predict_images(model, image, out, uncertainty=True)
    assert predict_images(model, image, out)[0].was_there
    shutil.copy(second, image)
    predict_images(model, image, out)
    assert not (out / "x.uncertainty.nii.gz").exists()
    (again,) = predict_images(model, image, out, uncertainty=True)
    assert (again.was_there, again.extras) == (False, ("x.uncertainty.nii.gz",))
    assert (out / "x.uncertainty.nii.gz").is_file()


def test_a_run_that_ended_beside_its_extras_goes_on(
    model: Model, phantom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: object) -> None:
        raise KeyboardInterrupt

    image = next((phantom / "imagesTs").iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(stages, "write_segmentation", end)
        with pytest.raises(KeyboardInterrupt):
            predict_images(model, image, tmp_path, uncertainty=True, probabilities=True)
    assert len(list(tmp_path.glob("*.nii.gz"))) == 5
    (result,) = predict_images(model, image, tmp_path, uncertainty=True, probabilities=True)
    assert (result.was_there, len(result.extras)) == (False, 5)


def test_a_case_of_which_nothing_is_predicted_is_warned_about(
    model: Model, phantom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "apply_postprocessing", lambda segmentation, _: np.zeros_like(segmentation))
    (result,) = predict_images(model, phantom / "imagesTs", tmp_path)
    assert "nothing is predicted at all" in result.doubts[0]


def test_stages_ask_for_what_they_need(
    model: Model, phantom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}
    predict, restore = stages.predict_case, stages.restore
    monkeypatch.setattr(stages, "predict_case", lambda *a, **k: (asked.update(k), predict(*a, **k))[1])
    monkeypatch.setattr(stages, "restore", lambda *a, **k: (asked.update(k), restore(*a, **k))[1])
    alone = replace(model, predictors=tuple(replace(one, networks=one.networks[:1]) for one in model.predictors))
    predict_images(alone, phantom / "imagesTs", tmp_path / "alone")
    assert (asked["count_agreement"], asked["device"]) == (False, model.device)
    predict_images(model, phantom / "imagesTs", tmp_path / "all")
    assert asked["count_agreement"]


def test_an_image_is_gone_before_it_is_resampled(
    model: Model, phantom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images: list[weakref.ref[np.ndarray]] = []
    align, prepare = passes.align, passes.prepare

    def align_and_remember(image: np.ndarray, *rest: Any) -> Any:
        images.append(weakref.ref(image))
        return align(image, *rest)

    def look_and_prepare(*given: Any) -> Any:
        assert images[-1]() is None
        return prepare(*given)

    monkeypatch.setattr(passes, "align", align_and_remember)
    monkeypatch.setattr(passes, "prepare", look_and_prepare)
    predict_images(model, phantom / "imagesTs", tmp_path)
    assert images


def test_memory_that_runs_out_is_explained_in_the_words_of_a_prediction(
    model: Model, phantom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_out(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(stages, "predict_case", run_out)
    with pytest.raises(ResourceError, match="--memory"):
        predict_images(model, phantom / "imagesTs", tmp_path)


def test_the_folder_of_the_images_is_no_place_for_segmentations(trained: Project, phantom: Path) -> None:
    model = load_model(trained.workspace.root, configurations=["2d"], folds=[0])
    with pytest.raises(UsageError, match="holds the images; segmentations beside them would be taken for images"):
        predict_images(model, phantom / "imagesTs", phantom / "imagesTs")


def test_other_options_in_a_folder_are_named(trained: Project, phantom: Path, tmp_path: Path) -> None:
    workspace, images = trained.workspace.root, phantom / "imagesTs"
    predict_images(load_model(workspace, configurations=["2d"], folds=[0]), images, tmp_path)
    other = load_model(workspace, configurations=["2d"], folds=[0], options=PredictionOptions(step=0.7))
    with pytest.raises(WorkspaceError, match=r"other options \(step 0.5 instead of 0.7\)"):
        predict_images(other, images, tmp_path)
