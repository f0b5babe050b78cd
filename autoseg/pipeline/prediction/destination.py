"""Where do the files of a prediction go, and what may they not replace?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from autoseg.data.dataset import Case
from autoseg.data.image_io import ENDINGS, LOSSY_ENDINGS, split_ending
from autoseg.data.labels import Labels
from autoseg.data.probability_reading import PROBABILITY, name_outputs
from autoseg.errors import UsageError, WorkspaceError
from autoseg.pipeline.prediction.confidence_file import is_confidence
from autoseg.pipeline.prediction.manifest import CONFIDENCE_FILE, Predicted

UNCERTAINTY = "uncertainty.nii.gz"
LOCK = ".predicting.lock"


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
        names = name_outputs(labels.output_names)
        return [self.folder / f"{self._stem_of(case_id)}_{name}.{PROBABILITY}" for name in names]

    def list_extras(self, case_id: str, extras: Extras, labels: Labels) -> list[Path]:
        """Every image that is written beside a segmentation."""
        files = [self.uncertainty(case_id)] if extras.uncertainty else []
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


def refuse_overwriting(
    destination: Destination, cases: Sequence[Case], extras: Extras, labels: Labels, known: Mapping[str, Predicted]
) -> None:
    """Files that no earlier prediction of a case wrote are not replaced: images, a reference, or another case's.

    Args:
        known: what the folder's manifest says of its cases.

    Raises:
        WorkspaceError: such a file is there.
        UsageError: two images of this run have one name.
    """
    inputs = {path.resolve() for case in cases for path in case.images}
    owners: dict[str, str] = {}
    for case in cases:
        listed = set(known[case.id].files if case.id in known else ())
        listed -= {
            name for other in known.values() if other.source and other.case_id != case.id for name in other.files
        }
        paths = [destination.segmentation(case.id), *destination.list_extras(case.id, extras, labels)]
        for path in paths:
            if path.resolve() in inputs or (path.exists() and path.name not in listed):
                raise WorkspaceError(
                    f"{path}: is there already and was not written for {case.id} by this model. "
                    "Choose another folder or name."
                )
            if path.name.lower() in owners:
                raise UsageError(
                    f"{path}: would be written twice, for {owners[path.name.lower()]} and for {case.id}. Rename an "
                    "image, or predict it into a folder of its own."
                )
            owners[path.name.lower()] = case.id
    _refuse_foreign_table(destination.folder / CONFIDENCE_FILE)


def _refuse_foreign_table(path: Path) -> None:
    if path.exists() and not is_confidence(path):
        raise WorkspaceError(f"{path}: is there already and was not written by autoseg. Choose another folder.")


@contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Refuse a second process that predicts into a folder; the lock ends with the process, however that ends.

    Raises:
        WorkspaceError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / LOCK).acquire(timeout=0):
            yield
    except Timeout:
        raise WorkspaceError(
            f"{folder}: another process is predicting into this folder. Wait for it, or choose another folder."
        ) from None
