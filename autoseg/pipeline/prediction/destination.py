"""Where do the files of a prediction go, and what may they not replace?"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoseg.data.dataset import Case
from autoseg.data.image_io import ENDINGS, LOSSY_ENDINGS, split_ending
from autoseg.data.labels import Labels
from autoseg.errors import UsageError, WorkspaceError

PROBABILITY, UNCERTAINTY = "probability.nii.gz", "uncertainty.nii.gz"


@dataclass(frozen=True)
class Extras:
    """What is written beside segmentations.

    Attributes:
        probabilities: of each label or region, an image.
        uncertainty: how undecided each voxel is, 0..1, an image.
    """

    probabilities: bool = False
    uncertainty: bool = False


@dataclass(frozen=True)
class Destination:
    """A folder, and how files are called there.

    Attributes:
        folder: it need not be there yet.
        ending: of segmentations.
        single: name of the one segmentation, where a person named a file; None names segmentations after their cases.
    """

    folder: Path
    ending: str
    single: str | None = None

    def name_of(self, case_id: str) -> str:
        """File name of a case's segmentation."""
        return self.single or f"{case_id}{self.ending}"

    def segmentation(self, case_id: str) -> Path:
        return self.folder / self.name_of(case_id)

    def uncertainty(self, case_id: str) -> Path:
        return self.folder / f"{self._stem_of(case_id)}.{UNCERTAINTY}"

    def probabilities(self, case_id: str, labels: Labels) -> list[Path]:
        """One image of probabilities per label or region; its name becomes part of a file name."""
        names = [re.sub(r"[^\w-]", "_", name) for name in labels.output_names]
        return [self.folder / f"{self._stem_of(case_id)}_{name}.{PROBABILITY}" for name in names]

    def list_files(self, case_id: str, extras: Extras, labels: Labels) -> list[Path]:
        """Every file that a predicted case has."""
        files = [self.segmentation(case_id)]
        if extras.uncertainty:
            files.append(self.uncertainty(case_id))
        return files + (self.probabilities(case_id, labels) if extras.probabilities else [])

    def _stem_of(self, case_id: str) -> str:
        return case_id if self.single is None else split_ending(self.single)[0]


def find_destination(output: Path, cases: Sequence[Case], ending: str) -> Destination:
    """A folder, or the name of a file for a single image.

    Args:
        output: as a person gave it; a path with an ending of images is a file, unless such a folder is there.
        cases: what is predicted.
        ending: of segmentations that nobody named.

    Raises:
        UsageError: several images go to one file, the file's format loses labels, or the folder is a file.
    """
    if not split_ending(output.name)[1] or output.is_dir():
        if output.exists() and not output.is_dir():
            raise UsageError(f"{output}: is a file, but no image. Name a folder, or a file that ends in {ENDINGS[0]}.")
        return Destination(output, ending)
    if len(cases) != 1:
        raise UsageError(f"{output}: is the name of one file, but there are {len(cases)} images. Name a folder.")
    if output.name.lower().endswith(LOSSY_ENDINGS):
        raise UsageError(f"{output}: JPEG changes label numbers. Name a file that ends in .nii.gz, .png or .tif.")
    return Destination(output.parent, split_ending(output.name)[1], output.name)


def refuse_overwriting(destination: Destination, cases: Sequence[Case], done: Container[str]) -> None:
    """Files that no earlier prediction wrote are not replaced: they may be the images, or a reference.

    Raises:
        WorkspaceError: such a file is there.
    """
    inputs = {path.resolve() for case in cases for path in case.images}
    for case in cases:
        path = destination.segmentation(case.id)
        if path.resolve() in inputs or (path.exists() and case.id not in done):
            raise WorkspaceError(f"{path}: is there already and was not written by this model. Choose another folder.")
