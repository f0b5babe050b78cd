"""The public `Predictor`: arrays in, the segmentation of the command out."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import autoseg
from autoseg.data.geometry import Geometry
from autoseg.data.image_io import read_image, read_segmentation
from autoseg.errors import NumericalError, ResourceError, UsageError
from autoseg.pipeline.prediction import array_predictor, spending
from autoseg.pipeline.prediction.array_predictor import Predictor, arrange
from autoseg.pipeline.prediction.predicting import predict_images
from autoseg.pipeline.project import Project


@pytest.fixture(scope="module")
def predictor(trained: Project) -> Predictor:
    return autoseg.Predictor.from_workspace(trained.workspace.root, mirroring="none")


def test_it_gives_what_the_command_writes(predictor: Predictor, phantom: Path, tmp_path: Path) -> None:
    path = next((phantom / "imagesTs").iterdir())
    image, geometry = read_image([path])
    (result,) = predict_images(predictor.model, path, tmp_path)
    written = read_segmentation(tmp_path / result.file)[0]
    before = image.copy()
    np.testing.assert_array_equal(predictor(image, geometry.spacing), written)
    np.testing.assert_array_equal(predictor(image[0].astype(np.float64), geometry.spacing), written)
    np.testing.assert_array_equal(image, before)


def test_many_images_come_lazily_and_in_order(predictor: Predictor, phantom: Path) -> None:
    cases = [read_image([path]) for path in sorted((phantom / "imagesTr").iterdir())[:4]]
    given = [(image, geometry.spacing) for image, geometry in cases]
    for one, (image, spacing) in zip(predictor.predict_many(iter(given)), given, strict=True):
        np.testing.assert_array_equal(one, predictor(image, spacing))


def test_images_in_flight_are_those_that_were_planned_before_any_was_prepared(
    predictor: Predictor, phantom: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, geometry = read_image([next((phantom / "imagesTs").iterdir())])
    told: list[str] = []
    plan, prepare, run = array_predictor.plan_spending, array_predictor.prepare_case, array_predictor.overlap

    def decide(model, loads, *words, n_in_flight, **more):
        told.append(f"plan {n_in_flight}")
        return replace(plan(model, loads, *words, n_in_flight=n_in_flight, **more), n_in_flight=n_in_flight or 2)

    monkeypatch.setattr(array_predictor, "plan_spending", decide)
    monkeypatch.setattr(array_predictor, "prepare_case", lambda *words: told.append("prepare") or prepare(*words))
    monkeypatch.setattr(
        array_predictor,
        "overlap",
        lambda *words, n_in_flight: told.append(str(n_in_flight)) or run(*words, n_in_flight=1),
    )
    fresh = Predictor(predictor.model)
    assert len(list(fresh.predict_many([(image, geometry.spacing)] * 2))) == 2
    assert told == ["plan None", "2", "plan 2", "prepare", "prepare"]


def test_what_is_too_large_says_so_before_it_is_prepared(
    predictor: Predictor, phantom: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, geometry = read_image([next((phantom / "imagesTs").iterdir())])
    monkeypatch.setattr(array_predictor, "prepare_case", None)
    small = Predictor(predictor.model, memory_gb=0.1)
    with pytest.raises(ResourceError, match=r"the image: predicting 1 image .* needs at least"):
        small(image, geometry.spacing)
    with pytest.raises(ResourceError, match="needs at least"):
        next(small.predict_many([(image, geometry.spacing)]))


def test_a_folder_whose_files_take_memory_is_not_used(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    load = spending.measure_image(predictor.model, "a", Geometry((60, 60, 60), (1.0, 1.0, 1.0)), "float32")
    load = replace(load, passes=tuple(replace(one, sums=1e12) for one in load.passes))
    for kind in (False, True):
        monkeypatch.setattr(spending, "lies_in_memory", lambda _, kind=kind: kind)
        if kind:
            with pytest.raises(ResourceError, match="name a folder on a disk"):
                spending.plan_spending(predictor.model, [load], 8e9, Path("scratch"))
        else:
            monkeypatch.setattr(Path, "mkdir", lambda *_, **__: None)
            assert spending.plan_spending(predictor.model, [load], 8e9, Path("scratch")).resources.sums == "file"


def test_no_images_give_no_segmentations(predictor: Predictor) -> None:
    assert list(predictor.predict_many([])) == []


def test_threads_do_not_disturb_each_other(predictor: Predictor, phantom: Path) -> None:
    cases = [read_image([path]) for path in sorted((phantom / "imagesTr").iterdir())[:3]]
    alone = [predictor(image, geometry.spacing) for image, geometry in cases]
    together: dict[int, np.ndarray] = {}

    def call(number: int) -> None:
        image, geometry = cases[number % 3]
        together[number] = predictor(image, geometry.spacing)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(together[number], alone[number % 3]) for number in range(6))


def test_probabilities_sum_to_one_and_favour_the_segmentation(predictor: Predictor, phantom: Path) -> None:
    image, geometry = read_image([next((phantom / "imagesTs").iterdir())])
    probabilities = predictor.predict_probabilities(image, geometry.spacing)
    assert probabilities.shape == (len(predictor.labels.names), *image.shape[1:])
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, atol=1e-5)


def test_labels_are_in_the_numbers_of_the_dataset(predictor: Predictor, phantom: Path) -> None:
    image, geometry = read_image([next((phantom / "imagesTs").iterdir())])
    assert set(np.unique(predictor(image, geometry.spacing))) <= set(predictor.labels.values)


def test_a_picture_keeps_its_two_axes() -> None:
    volume, spacing, is_flat = arrange(np.ones((3, 20, 30)), (0.5, 0.7), n_channels=3)
    assert (volume.shape, spacing[1:], is_flat) == ((3, 1, 20, 30), (0.5, 0.7), True)
    volume, _, _ = arrange(np.ones((20, 30), dtype=np.uint8), (0.5, 0.7), n_channels=1)
    assert (volume.shape, volume.dtype) == ((1, 1, 20, 30), np.float32)


@pytest.mark.parametrize(
    ("shape", "spacing", "sentence"),
    [
        ((2, 9, 8, 7), (3.0, 1.0, 1.0), r"must be \(C, Z, Y, X\) with 1 channels"),
        ((9, 8), (3.0, 1.0, 1.0), r"shape \(9, 8\)"),
        ((9, 8, 7), (3.0, 1.0, 0.0), "finite and above 0"),
        ((9, 8, 7), (3.0,), "spacing has 1 values"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(shape: tuple[int, ...], spacing: tuple[float, ...], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        arrange(np.zeros(shape), spacing, n_channels=1)


def test_nan_is_refused() -> None:
    with pytest.raises(NumericalError, match="NaN"):
        arrange(np.full((4, 5, 6), np.nan), (3.0, 1.0, 1.0), n_channels=1)
