"""Which trained networks lie in a folder of nnU-Net's results?

Source: nnU-Net v2's layout. `Dataset004_X/TRAINER__PLANS__CONFIGURATION/fold_K/checkpoint_final.pth`, with plans.json
and dataset.json beside the folds. A model folder may be given, or a dataset's folder, of which one trainer and plans
are taken with all their configurations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoseg.data.splits import ALL, Fold
from autoseg.errors import UsageError, WorkspaceError
from autoseg.importing.nnunet_plans import DATASET, PLANS
from autoseg.serialization import did_you_mean

SEPARATOR = "__"  # TRAINER__PLANS__CONFIGURATION


@dataclass(frozen=True)
class ModelFolder:
    """One trained configuration.

    Attributes:
        root: the folder of its plans.json.
        checkpoints: one per fold, those of the cross-validation first.
    """

    root: Path
    checkpoints: Mapping[Fold, Path]

    @property
    def family(self) -> str:
        """Trainer and plans, as nnU-Net names the folder: `nnUNetTrainer__nnUNetPlans`."""
        return name_family(self.root)


def name_family(root: Path) -> str:
    """`TRAINER__PLANS` of a folder that nnU-Net named; the whole name of any other."""
    return root.resolve().name.rpartition(SEPARATOR)[0] or root.resolve().name


def is_model_folder(folder: Path) -> bool:
    """Whether a folder holds the plans and the dataset of a trained configuration."""
    return (folder / PLANS).is_file() and (folder / DATASET).is_file()


def open_model_folder(folder: Path, checkpoint_name: str) -> ModelFolder:
    """The folds of a model folder that have this checkpoint.

    Raises:
        WorkspaceError: the folder is none, or no fold has the checkpoint.
    """
    if not is_model_folder(folder):
        missing = [name for name in (PLANS, DATASET) if not (folder / name).is_file()]
        raise WorkspaceError(f"{folder}: is no trained model of nnU-Net v2: it has no {' and no '.join(missing)}.")
    folds = {path.name.removeprefix("fold_"): path / checkpoint_name for path in folder.glob("fold_*")}
    there = {name: path for name, path in folds.items() if path.is_file()}
    numbered: dict[Fold, Path] = {int(name): there[name] for name in sorted(there, key=_sort) if name.isdigit()}
    found = numbered | ({ALL: there[ALL]} if ALL in there else {})
    if not found:
        others = sorted({path.name for path in folder.glob("fold_*/*.pth")})
        instead = f" There is {', '.join(others)}: choose it by --checkpoint." if others else ""
        raise WorkspaceError(f"{folder}: no fold_* has a {checkpoint_name}.{instead}")
    return ModelFolder(folder, found)


def find_model_folders(
    folder: Path, checkpoint_name: str, *, family: str | None = None, preferred: Sequence[str] = ()
) -> list[ModelFolder]:
    """The model folders that a folder stands for: itself, or all of one trainer and plans in a dataset's results.

    Args:
        family: `TRAINER__PLANS` to take, where there are several.
        preferred: families to take unless one is named, e.g. that of the best configuration.

    Raises:
        WorkspaceError: there is no model, or there are several families and none is preferred.
        UsageError: the named family is not there.
    """
    if is_model_folder(folder):
        return [open_model_folder(folder, checkpoint_name)]
    if not folder.is_dir():
        raise WorkspaceError(f"{folder}: there is no such folder.")
    roots = [path for path in sorted(folder.iterdir()) if is_model_folder(path)]
    roots = [root for root in roots if any(root.glob(f"fold_*/{checkpoint_name}"))]
    families = sorted({name_family(root) for root in roots})
    if not roots:
        raise WorkspaceError(
            f"{folder}: holds no trained model of nnU-Net v2. Name a folder with {PLANS}, {DATASET} and "
            f"fold_*/{checkpoint_name}, or the folder of a dataset's results that such folders lie in."
        )
    chosen = _choose_family(folder, families, family, preferred)
    return [open_model_folder(root, checkpoint_name) for root in roots if name_family(root) == chosen]


def find_previous_folder(model: ModelFolder, configuration: str, named: Path | None) -> Path:
    """The model folder that a cascade builds on: the one that was named, or the sibling of that configuration.

    Raises:
        WorkspaceError: it is not there.
    """
    folder = named or model.root.resolve().parent / f"{model.family}{SEPARATOR}{configuration}"
    if not is_model_folder(folder):
        raise WorkspaceError(
            f"{model.root}: is a cascade and predicts from segmentations of {configuration}, but {folder} is no "
            "trained model. Name the folder of that model by --previous."
        )
    return folder


def _choose_family(folder: Path, families: Sequence[str], named: str | None, preferred: Sequence[str]) -> str:
    if named is not None:
        if named not in families:
            near = did_you_mean(named, families)
            raise UsageError(f"{folder}: has no models of {named}.{near} There are: {', '.join(families)}.")
        return named
    candidates = [family for family in preferred if family in families] or list(families)
    if len(candidates) > 1:
        raise WorkspaceError(
            f"{folder}: holds models of several trainers or plans: {', '.join(families)}. Choose by --family."
        )
    return candidates[0]


def _sort(name: str) -> tuple[int, str]:
    return (int(name), name) if name.isdigit() else (-1, name)
