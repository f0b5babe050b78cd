"""From somebody's archive to a workspace that predicts: checked to the byte before anything is in place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from autoseg.errors import AutosegError, WorkspaceError
from autoseg.networks.checkpoint import read_content
from autoseg.pipeline.project import read_model_dataset
from autoseg.pipeline.selection import read_selection
from autoseg.pipeline.sharing.trained import AT_PREDICTION
from autoseg.planning.components_used import list_components
from autoseg.planning.plan import Plan
from autoseg.planning.plan_file import read_plan
from autoseg.serialization import parse_record, read_json, replacing
from autoseg.sharing.limits import Limits, require_space
from autoseg.sharing.manifest import Manifest, parse_manifest
from autoseg.sharing.names import CARD, FINGERPRINT, FOLDER_NAME, MANIFEST, WEIGHTS
from autoseg.sharing.unpacking import digest_bytes, opening_archive, unpack
from autoseg.workspace import Workspace, default_workspace

UNEXPECTED = (AttributeError, KeyError, TypeError, ValueError, RecursionError)  # of data in another form


@dataclass(frozen=True)
class Installed:
    """A model in its place.

    Attributes:
        folder: a workspace that `predict-ensemble` takes.
        manifest: what was in the archive.
        needs: dotted paths of components whose code was not; found in the plans that the networks obey.
        was_there: whether the folder held this model already.
    """

    folder: Path
    manifest: Manifest
    needs: tuple[str, ...]
    was_there: bool = False


def install_model(path: Path, folder: Path | None = None, *, limits: Limits | None = None) -> Installed:
    """Make a workspace of an archive.

    Args:
        path: an archive that `export_model` wrote.
        folder: for the workspace; `autoseg_workspace/<dataset name>` in the current folder by default.
        limits: how large the archive may be.

    Raises:
        WorkspaceError: the archive is damaged, foreign, of a newer format, or beyond the limits; or the folder holds
            something else. Nothing is in place then.
        ResourceError: the disk is too small.
    """
    with opening_archive(path, limits or Limits()) as (archive, manifest):
        folder = folder or _name_folder(path, manifest)
        if _is_there(folder, manifest):
            return Installed(folder, manifest, _check_contents(folder, manifest), was_there=True)
        with replacing(folder) as temporary:
            require_space(temporary.parent, manifest.total_bytes)
            unpack(path, archive, manifest, temporary)
            needs = _require_contents(path, temporary, manifest)
            if folder.is_dir():  # and empty, see `_is_there`: not every system replaces one
                folder.rmdir()
    return Installed(folder, manifest, needs)


def _name_folder(path: Path, manifest: Manifest) -> Path:
    """Beside the workspace that training on the dataset would have; its name came with the archive and may be none."""
    if not re.fullmatch(FOLDER_NAME, manifest.name):
        raise WorkspaceError(f"{path}: its dataset's name is no name for a folder. Name one with -o FOLDER.")
    return default_workspace(f"{manifest.name}_installed").root


def _is_there(folder: Path, manifest: Manifest) -> bool:
    """Whether a folder holds this very model; anything else in it is not touched."""
    if not folder.exists() and not folder.is_symlink():
        return False
    if folder.is_dir() and not any(folder.iterdir()):
        return False
    advice = "Choose another folder with -o FOLDER."
    stored = folder / MANIFEST
    if not stored.is_file():
        raise WorkspaceError(f"{folder}: is there already and holds no installed model. {advice}")
    if parse_manifest(read_json(stored), where=str(folder)).model != manifest.model:
        raise WorkspaceError(f"{folder}: holds another model. {advice}")
    for name, member in manifest.members.items():
        target = folder / name
        if name != CARD and not (target.is_file() and digest_bytes(target) == member.sha256):
            raise WorkspaceError(f"{folder}: holds this model, but {name} was changed or removed since. {advice}")
    return True


def _require_contents(path: Path, folder: Path, manifest: Manifest) -> tuple[str, ...]:
    try:
        return _check_contents(folder, manifest)
    except (AutosegError, *UNEXPECTED) as problem:
        is_ours = isinstance(problem, AutosegError)
        told = str(problem).splitlines()[0] if is_ours else f"{folder}: is not as autoseg writes it ({problem!r})."
        told = told.replace(str(folder), str(path))
        raise WorkspaceError(f"{told} The archive holds no model that predicts; nothing was installed.") from None


def _check_contents(folder: Path, manifest: Manifest) -> tuple[str, ...]:
    """The components that the plans of the checkpoints name, if everything that prediction reads can be read."""
    place = Workspace(folder)
    read_model_dataset(place)
    read_plan(place.plan)
    selection = read_selection(place)
    if FINGERPRINT in manifest.members:
        from autoseg.fingerprinting.fingerprint import Fingerprint

        parse_record(Fingerprint, read_json(place.fingerprint), where=str(place.fingerprint))
    needs: set[str] = set()
    for name in manifest.members:
        if found := WEIGHTS.fullmatch(name):
            needs |= _check_weights(folder / name, found["configuration"], found["fold"])
    missing = [name for name in (selection.configurations.value if selection else ()) if not place.find_runs(name)]
    if missing:
        raise WorkspaceError(f"{place.selection}: names {missing[0]}, which has no checkpoint.")
    return tuple(sorted(needs))


def _check_weights(path: Path, configuration: str, fold: str) -> set[str]:
    """Components that a checkpoint needs, if it is what its name says and all that it builds on is there."""
    content = read_content(path)
    if (content.get("configuration"), str(content.get("fold"))) != (configuration, fold):
        raise WorkspaceError(f"{path}: is not the checkpoint of {configuration}, fold {fold}, that its name says.")
    plan = parse_record(Plan, content.get("plan"), where=str(path), error=WorkspaceError)
    cascade = plan.find_configuration(configuration).cascade
    place = Workspace(path.parents[3])
    if cascade is not None and not place.find_folds(cascade.previous.value):
        raise WorkspaceError(f"{path}: builds on {cascade.previous.value}, which has no checkpoint.")
    named = list_components(plan, configuration)
    if any(not component.isprintable() for component in named.values()):
        raise WorkspaceError(f"{path}: names a component in signs that no module has.")
    return {component for key, component in named.items() if key.startswith(AT_PREDICTION)}
