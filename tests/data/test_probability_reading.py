"""Are the files found that prediction writes, and do they hold the same numbers whichever way they are read?"""

from __future__ import annotations

import gzip
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autoseg.data import probability_reading
from autoseg.data.geometry import Geometry
from autoseg.data.image_io import read_image, write_volume
from autoseg.data.labels import Labels, Region
from autoseg.data.nifti_writing import write_nifti
from autoseg.data.probability_reading import find_probabilities, read_probabilities
from autoseg.errors import DatasetError
from autoseg.pipeline.prediction import destination
from autoseg.prediction.restoring.probability_files import ProbabilityFiles
from autoseg.preprocessing.preprocess import Placement

GEOMETRY = Geometry((14, 12, 33), (3.0, 0.8, 0.5), (1.0, -2.0, 3.5), (0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0))
BOX = (slice(1, 12), slice(2, 11), slice(5, 29))
NAMES = ("background", "lung left", "lung_left", "Tumor")
LABELS = Labels(names=NAMES, values=(0, 1, 2, 3))
REGIONS = LABELS.model_copy(
    update={"regions": (Region(name="lungs", labels=(1, 2), paints=1), Region(name="Tumor", labels=(3,), paints=3))}
)


def write_as_predicted(folder: Path, labels: Labels) -> np.ndarray:
    """Let prediction write random probabilities of a case, and return those that should be read (K, Z, Y, X)."""
    paths = destination.Destination(folder, ".nii.gz").probabilities("case.7", labels)
    box = tuple((side.start, side.stop) for side in BOX)
    placement = Placement(original_shape=GEOMETRY.shape, box=box, axis_order=(0, 1, 2), network_shape=(11, 9, 24))
    inside = np.random.default_rng(5).random((labels.n_outputs, 11, 9, 24), dtype=np.float32)
    with ProbabilityFiles(paths, GEOMETRY, placement, are_regions=bool(labels.regions)) as sink:
        for half in (slice(0, 5), slice(5, 11)):
            sink.write((half, slice(None), slice(None)), inside[:, half])
    whole = np.zeros((labels.n_outputs, *GEOMETRY.shape))
    whole[0] = 0 if labels.regions else 1
    whole[(slice(None), *BOX)] = inside
    return whole


def read_whole(path: Path, geometry: Geometry = GEOMETRY) -> np.ndarray:
    slabs = list(read_probabilities(path, geometry))
    assert [rows.start for rows, _ in slabs] == [0, *(rows.stop for rows, _ in slabs[:-1])]
    return np.concatenate([values for _, values in slabs])


@pytest.mark.parametrize("slab_voxels", [1, 12 * 33 * 5, 2**20])
@pytest.mark.parametrize("labels", [LABELS, REGIONS])
def test_what_prediction_wrote_is_read(tmp_path: Path, monkeypatch, labels: Labels, slab_voxels: int) -> None:
    monkeypatch.setattr(probability_reading, "SLAB_VOXELS", slab_voxels)
    written = dict(zip(labels.output_names, write_as_predicted(tmp_path, labels), strict=True))
    files = find_probabilities(tmp_path, "case.7", labels)
    assert list(files) == [name for name, _ in labels.targets]
    for name, path in files.items():
        found = read_whole(path)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, written[name], atol=1 / 510 + 1e-6)
        np.testing.assert_allclose(found, read_image([path])[0][0], atol=1e-6)
        assert found.min() >= 0
        assert found.max() <= 1


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    write_as_predicted(tmp_path, LABELS)
    find_probabilities(tmp_path, "case.7", LABELS)["Tumor"].unlink()
    with pytest.raises(DatasetError, match=r"case\.7_Tumor\.probability\.nii\.gz: there is no such file, but .*--prob"):
        find_probabilities(tmp_path, "case.7", LABELS)
    with pytest.raises(DatasetError, match=re.escape("case.8_lung_left_1.probability.nii.gz: there is no such file (")):
        find_probabilities(tmp_path, "case.8", LABELS)


def test_floats_and_plain_files_are_probabilities_too(tmp_path: Path) -> None:
    volume = np.random.default_rng(0).random(GEOMETRY.shape, dtype=np.float32)
    write_volume(tmp_path / "p.nii.gz", volume, GEOMETRY)
    (tmp_path / "p.nii").write_bytes(gzip.decompress((tmp_path / "p.nii.gz").read_bytes()))
    for name in ("p.nii.gz", "p.nii"):
        np.testing.assert_array_equal(read_whole(tmp_path / name), volume)


def test_a_picture_is_read(tmp_path: Path) -> None:
    geometry = Geometry((1, 9, 13), (999.0, 0.5, 0.7), n_dimensions=2)
    stored = np.random.default_rng(0).integers(0, 256, geometry.shape).astype(np.uint8)
    write_nifti(tmp_path / "p.nii.gz", stored, geometry, slope=1 / 255)
    np.testing.assert_allclose(read_whole(tmp_path / "p.nii.gz", geometry), stored / 255, atol=1e-6)


@pytest.mark.parametrize("value", [1.01, -0.01, np.nan])
def test_what_lies_outside_of_0_to_1_is_no_probability(tmp_path: Path, value: float) -> None:
    volume = np.full(GEOMETRY.shape, 0.5, dtype=np.float32)
    volume[13, 3, 4] = value
    write_volume(tmp_path / "p.nii.gz", volume, GEOMETRY)
    with pytest.raises(DatasetError, match=r"p\.nii\.gz: holds numbers from .* probabilities lie in 0\.\.1"):
        read_whole(tmp_path / "p.nii.gz")


def test_another_grid_and_another_format_are_errors(tmp_path: Path) -> None:
    volume = np.zeros(GEOMETRY.shape, dtype=np.float32)
    for name in ("p.nii.gz", "p.nrrd"):
        write_volume(tmp_path / name, volume, GEOMETRY)
    with pytest.raises(DatasetError, match="does not lie on the reference: spacing"):
        read_whole(tmp_path / "p.nii.gz", replace(GEOMETRY, spacing=(3.0, 0.8, 0.6)))
    with pytest.raises(DatasetError, match=r"p\.nrrd: probabilities are a NIfTI file"):
        read_whole(tmp_path / "p.nrrd")


def test_a_wrong_checksum_is_damage(tmp_path: Path) -> None:
    """In the last bytes of a file that is too large for ITK to reach them with the header."""
    geometry, path = replace(GEOMETRY, shape=(40, 80, 90)), tmp_path / "p.nii.gz"
    write_volume(path, np.random.default_rng(0).random(geometry.shape, dtype=np.float32), geometry)
    content = bytearray(path.read_bytes())
    content[-6] ^= 1
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"p\.nii\.gz: is damaged \(CRC"):
        read_whole(path, geometry)
