"""Is nnU-Net's own fingerprint understood?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autoseg.errors import AutosegError
from autoseg.fingerprinting.fingerprint_file import read_fingerprint
from autoseg.serialization import read_json, write_json

STATISTICS = {
    "max": 900.0,
    "mean": 80.5,
    "median": 84.0,
    "min": -400.0,
    "percentile_00_5": -30.0,
    "percentile_99_5": 190.0,
    "std": 35.25,
}
FINGERPRINT = {
    "spacings": [[3.0, 0.8, 0.8], [5.0, 0.7, 0.7]],
    "shapes_after_crop": [[60, 200, 180], [40, 220, 190]],
    "foreground_intensity_properties_per_channel": {"0": STATISTICS},
    "median_relative_size_after_cropping": 0.8,
}
INTENSITIES = "foreground_intensity_properties_per_channel"
DATASET = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 1, "ignore": 2}, "numTraining": 2}


def read(folder: Path, *, dataset: Any = DATASET, **changes: Any) -> Any:
    write_json(folder / "dataset.json", dataset)
    write_json(folder / "dataset_fingerprint.json", {**FINGERPRINT, **changes})
    return read_fingerprint(folder / "dataset_fingerprint.json")


def test_its_facts_are_those_of_the_two_files(tmp_path: Path) -> None:
    fingerprint = read(tmp_path)
    assert fingerprint.dataset == tmp_path.name
    assert (fingerprint.channels, fingerprint.labels.names) == (("CT",), ("background", "liver"))
    assert fingerprint.labels.ignore_value == 2
    assert fingerprint.spacings_mm.tolist() == FINGERPRINT["spacings"]
    assert fingerprint.shapes_after_cropping.tolist() == FINGERPRINT["shapes_after_crop"]
    assert fingerprint.intensities[0].model_dump() == STATISTICS
    assert fingerprint.median_share_after_cropping == 0.8
    assert fingerprint.warnings == ()


def test_channels_are_taken_by_number_and_the_old_key_is_known(tmp_path: Path) -> None:
    dataset = {**DATASET, "channel_names": {"0": "PET", "1": "CT"}}
    both = {"1": STATISTICS, "0": {**STATISTICS, "mean": 1.0}}
    properties = {"foreground_intensity_properties_per_channel": both}
    assert [one.mean for one in read(tmp_path, dataset=dataset, **properties).intensities] == [1.0, 80.5]
    write_json(tmp_path / "old.json", {**FINGERPRINT, "foreground_intensities_per_channel": {"0": STATISTICS}})
    old = read_json(tmp_path / "old.json")
    del old["foreground_intensity_properties_per_channel"]
    write_json(tmp_path / "old.json", old)
    write_json(tmp_path / "elsewhere.json", DATASET)
    assert read_fingerprint(tmp_path / "old.json", tmp_path / "elsewhere.json").intensities[0].std == 35.25


def test_another_number_of_cases_than_declared_is_a_warning(tmp_path: Path) -> None:
    (warning,) = read(tmp_path, dataset={**DATASET, "numTraining": 131}).warnings
    assert warning.kind == "n_cases"
    assert "131 training cases (numTraining), but the fingerprint has 2" in warning.message


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"spacings": [[1, 1, 1]]}, "has 1 spacings, but 2 shapes_after_crop"),
        ({"spacings": []}, "spacings must list the cases"),
        ({INTENSITIES: {"0": None}}, f"{INTENSITIES}.0 must hold the statistics of a channel by name, but is 'None'"),
        (
            {INTENSITIES: {"0": [1, 2]}},
            f"{INTENSITIES}.0 must hold the statistics of a channel by name, but is '[1, 2]'",
        ),
        ({"dataset": {"channel_names": {"0": "CT"}}}, "dataset.json: declares no labels"),
        ({"dataset": {**DATASET, "channel_names": {"0": "CT", "1": "PET"}}}, "the 2 channels of dataset.json 0 to 1"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(AutosegError) as problem:
        read(tmp_path, **changes)
    assert words in str(problem.value)
    assert "\n" not in str(problem.value)


def test_without_dataset_json_one_line_says_what_is_missing(tmp_path: Path) -> None:
    write_json(tmp_path / "dataset_fingerprint.json", FINGERPRINT)
    with pytest.raises(AutosegError, match=r"names neither channels nor labels.*there is no .*dataset\.json"):
        read_fingerprint(tmp_path / "dataset_fingerprint.json")


def test_a_real_one_is_read(shared_data: Path) -> None:
    folder = shared_data / "nnunet_models" / "nnUNetTrainer__nnUNetPlansSmallPlain__3d_fullres"
    fingerprint = read_fingerprint(folder / "dataset_fingerprint.json")
    assert (fingerprint.n_cases, fingerprint.channels, fingerprint.labels.n_labels) == (208, ("MRI",), 3)
    assert fingerprint.warnings == ()
