"""Does a case load in array order, and do its files have to fit together?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoseg.data.case import read_case
from autoseg.data.dataset import Case
from autoseg.data.image_io import read_header
from autoseg.data.labels import IGNORED, Labels
from autoseg.errors import DatasetError

LABELS = Labels(names=("background", "a"), values=(0, 2), ignore_value=1)


def test_a_case_is_image_segmentation_and_geometry(build: Any) -> None:
    images = (build.image("a_0000.nii.gz"), build.image("a_0001.nii.gz"))
    case = Case(id="a", images=images, segmentation=build.segmentation("a.nii.gz"))
    loaded = read_case(case, labels=LABELS, n_channels=2)
    assert (loaded.image.shape, loaded.image.dtype) == ((2, 3, 5, 7), np.float32)
    assert loaded.segmentation is not None
    assert loaded.segmentation.dtype == np.int16
    np.testing.assert_array_equal(loaded.segmentation.ravel()[:3], [0, IGNORED, 1])
    assert (loaded.geometry.spacing, loaded.dtype) == ((7.5, 1.25, 0.5), "float32")


def test_a_case_without_reference_has_none(build: Any) -> None:
    case = Case(id="a", images=(build.image("a.nii.gz"),))
    assert read_case(case, labels=LABELS, n_channels=1).segmentation is None


def test_missing_channels_are_said(build: Any) -> None:
    case = Case(id="a", images=(build.image("a.nii.gz"),))
    with pytest.raises(DatasetError, match=r"a: expected 3 channels, but a\.nii\.gz holds 1\."):
        read_case(case, labels=LABELS, n_channels=3)


def test_a_segmentation_on_another_grid_is_refused(build: Any) -> None:
    image = build.image("a_0000.nii.gz")
    flipped = replace(read_header(image).geometry, direction=(-1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    case = Case(id="a", images=(image,), segmentation=build.segmentation("a.nii.gz", geometry=flipped))
    with pytest.raises(
        DatasetError, match=r"a\.nii\.gz: .* grid of its image a_0000\.nii\.gz, but differs in direction"
    ):
        read_case(case, labels=LABELS, n_channels=1)


def test_real_thick_slices_have_the_coarse_axis_first(shared_data: Path) -> None:
    folder = shared_data / "spinal_cord_anisotropic"
    case = Case(
        id="t2s",
        images=(folder / "t2s_uncropped.nii.gz",),
        segmentation=folder / "t2s_uncropped_gmseg_manual.nii.gz",
    )
    loaded = read_case(case, labels=Labels(names=("background", "grey_matter"), values=(0, 1)), n_channels=1)
    assert loaded.image.shape == (1, 11, 320, 320)
    assert loaded.geometry.spacing == pytest.approx((7.5, 0.5, 0.5))


def test_a_real_case_with_many_labels(shared_data: Path) -> None:
    folder = shared_data / "many_labels_ct"
    labels = Labels(names=("background", *(f"organ_{i}" for i in range(1, 118))), values=tuple(range(118)))
    case = Case(id="ct", images=(folder / "example_ct_sm.nii.gz",), segmentation=folder / "example_seg.nii.gz")
    loaded = read_case(case, labels=labels, n_channels=1)
    assert loaded.segmentation is not None
    assert len(np.unique(loaded.segmentation[loaded.segmentation > 0])) == 41
