"""A named collection of cases: which files belong together and what their labels mean.

`Dataset` is the value; `layouts` reads it from a folder as it comes. Nothing here opens an image.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from autoseg.data.labels import Labels
from autoseg.errors import UsageError
from autoseg.serialization import Record, did_you_mean


class Case(Record):
    """The files of one subject.

    Attributes:
        id: unique name, taken from the file name.
        images: one file per channel, or one file that holds all channels.
        segmentation: the reference, where there is one.
        annotated: names of the labels or regions that its reference marks wherever they are; None for all. Voxels of
            the others are background there, and say nothing about them.
    """

    id: str
    images: tuple[Path, ...]
    segmentation: Path | None = None
    annotated: tuple[str, ...] | None = None


class Dataset(Record):
    """A dataset as it was read.

    Attributes:
        name: name of the folder.
        folder: where it lies.
        layout: `nnunet`, `decathlon` or `plain`.
        channels: name of each channel, in the order of the image's first axis.
        labels: names and numbers of the labels.
        cases: cases with a reference segmentation, sorted by id.
        test_cases: cases without one, sorted by id.
        file_ending: ending of the segmentation files, e.g. `.nii.gz`; predictions are written with it.
        notes: what had to be assumed or mapped while reading, one sentence each.
        incomplete: what is wrong with the files of cases that had to be left out, by case id.
        n_cases_declared: the number of cases that dataset.json announces.
    """

    name: str
    folder: Path
    layout: str
    channels: tuple[str, ...]
    labels: Labels
    cases: tuple[Case, ...]
    test_cases: tuple[Case, ...] = ()
    file_ending: str = ".nii.gz"
    notes: tuple[str, ...] = ()
    incomplete: dict[str, str] = {}
    n_cases_declared: int | None = None

    @property
    def case_ids(self) -> tuple[str, ...]:
        return tuple(case.id for case in self.cases)

    def find_case(self, case_id: str) -> Case:
        """Look a case up by its id. Raises UsageError for an unknown one."""
        for case in self.cases + self.test_cases:
            if case.id == case_id:
                return case
        raise UsageError(f"{self.folder}: there is no case {case_id}.{did_you_mean(case_id, self.case_ids)}")


def name_cases(case_ids: Iterable[str], *, shown: int = 5) -> str:
    """List cases in a message; a long list ends in the number of those left out."""
    ids = list(case_ids)
    rest = f" and {len(ids) - shown} more" if len(ids) > shown else ""
    return ", ".join(ids[:shown]) + rest
