"""Small datasets in every layout, anisotropic so that mixed-up axes fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoseg.data.geometry import FLAT_SPACING_MM, Geometry
from autoseg.data.image_io import write_segmentation, write_volume

GEOMETRY = Geometry((3, 5, 7), (7.5, 1.25, 0.5), origin=(-10.0, 20.0, 3.0))
PICTURE = Geometry((1, 5, 7), (FLAT_SPACING_MM, 1.0, 1.0), n_dimensions=2, has_spacing=False)
CASES = ("a", "b", "c", "d", "e")


class Builder:
    """Writes files of a dataset into a folder; each file differs from every other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rng = np.random.default_rng(0)

    def image(self, name: str, geometry: Geometry = GEOMETRY, values: np.ndarray | None = None) -> Path:
        path = self.folder / name
        if path.suffix == ".png":
            values = self.rng.integers(0, 255, size=geometry.shape) if values is None else values
            write_segmentation(path, values, geometry)
        else:
            write_volume(path, self.rng.normal(size=geometry.shape) if values is None else values, geometry)
        return path

    def segmentation(self, name: str, numbers: tuple[int, ...] = (0, 1, 2), geometry: Geometry = GEOMETRY) -> Path:
        values = np.resize(numbers, geometry.shape)
        write_segmentation(self.folder / name, values, geometry)
        return self.folder / name

    def json(self, **declared: Any) -> Path:
        (self.folder / "dataset.json").write_text(json.dumps(declared))
        return self.folder / "dataset.json"

    def nnunet(self, n_channels: int = 2, **declared: Any) -> Path:
        """Five cases of two channels and two labels, and one test case."""
        for case in CASES:
            self.segmentation(f"labelsTr/{case}.nii.gz")
            for channel in range(n_channels):
                self.image(f"imagesTr/{case}_{channel:04d}.nii.gz")
        for channel in range(n_channels):
            self.image(f"imagesTs/t_{channel:04d}.nii.gz")
        usual = {
            "channel_names": {"0": "CT", "1": "PET"},
            "labels": {"background": 0, "organ": 1, "lesion": 2},
            "numTraining": 5,
            "file_ending": ".nii.gz",
        }
        self.json(**{**usual, **declared})
        return self.folder

    def plain(self, numbers: tuple[int, ...] = (0, 255)) -> Path:
        """Five pictures with masks of the same name."""
        for case in CASES:
            self.image(f"images/{case}.png", PICTURE)
            self.segmentation(f"labels/{case}.png", numbers, PICTURE)
        return self.folder


@pytest.fixture
def build(tmp_path: Path) -> Builder:
    return Builder(tmp_path)


@pytest.fixture
def save_array(tmp_path: Path) -> Callable[[str, np.ndarray, bool], Path]:
    """Save an array as it is, with SimpleITK itself."""
    import SimpleITK as sitk  # noqa: N813

    def save(name: str, array: np.ndarray, has_components: bool = False) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(sitk.GetImageFromArray(array, isVector=has_components), str(path))
        return path

    return save
