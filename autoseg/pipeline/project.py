"""A dataset and its workspace, opened together: what every verb works on."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from autoseg.data.dataset import Dataset
from autoseg.data.freshness import digest_listing
from autoseg.errors import UsageError, WorkspaceError
from autoseg.pipeline.reporting import Reporter
from autoseg.serialization import parse_record, read_json, write_json
from autoseg.workspace import Workspace, default_workspace

INSTALLED = "MANIFEST.json"  # sharing.names.MANIFEST: of a model that `autoseg install` unpacked
VARIANT_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"


@dataclass(frozen=True)
class Project:
    """A dataset, the workspace of its artifacts, and who is told about the work.

    Attributes:
        dataset: the dataset as it was read.
        listing: digest of the names, sizes and times of its files, to notice change without reading them.
        workspace: where artifacts lie.
        reporter: who is told.
    """

    dataset: Dataset
    listing: str
    workspace: Workspace
    reporter: Reporter = field(default_factory=Reporter)


def open_project(
    folder: Path, *, workspace: Path | None = None, variant: str | None = None, reporter: Reporter | None = None
) -> Project:
    """Read a dataset, or what was read of it before if none of its files changed since.

    Args:
        folder: the dataset's folder, in any layout that `data.layouts` knows.
        workspace: the folder for artifacts; `autoseg_workspace/<dataset name>` in the current folder by default.

        variant: name of a plan beside the first one, for another device.

    Raises:
        DatasetError: the folder is no dataset.
        UsageError: the variant's name is no name of a folder.
    """
    folder = Path(folder)
    if variant is not None and not re.fullmatch(VARIANT_NAME, variant):
        raise UsageError(
            f"--variant {variant}: a name is made of letters, digits, dots, - and _, and begins with a letter."
        )
    reporter = reporter or Reporter()
    name = folder.resolve().name
    place = Workspace(Path(workspace), variant) if workspace else default_workspace(name, variant)
    reporter.say(f"Workspace: {place.root}")
    if (place.root / INSTALLED).is_file():
        raise WorkspaceError(
            f"{place.root}: holds a model that was installed, which work on a dataset would overwrite. Predict with it "
            f"by `autoseg predict-ensemble {place.root}`, or choose another --workspace."
        )
    listing = digest_listing(folder, leave_out=place.root)
    known = _read_known(place, listing)
    if known is not None:
        return Project(known, listing, place, reporter)
    from autoseg.data.layouts import read_dataset  # loads SimpleITK, which a dataset that was read before does not need

    dataset = read_dataset(folder)
    for note in dataset.notes:
        reporter.say(note)
    write_json(place.dataset, {"listing": listing, "dataset": dataset})
    return Project(dataset, listing, place, reporter)


def _read_known(workspace: Workspace, listing: str) -> Dataset | None:
    if not workspace.dataset.is_file():
        return None
    content = read_json(workspace.dataset)
    if content.get("listing") != listing:
        return None
    return parse_record(Dataset, content["dataset"], where=str(workspace.dataset))


def read_model_dataset(workspace: Workspace) -> Dataset:
    """The dataset that a workspace's models were trained on, as it was read then; its files need not be there.

    Raises:
        WorkspaceError: the folder is no workspace.
    """
    if not workspace.dataset.is_file():
        raise WorkspaceError(f"{workspace.root}: is neither a workspace (no dataset.json of autoseg) nor a dataset.")
    content = read_json(workspace.dataset)
    return parse_record(Dataset, content.get("dataset"), where=str(workspace.dataset), error=WorkspaceError)
