"""What did nnU-Net's cross-validation decide, and what of it is taken over?

Source: `inference_information.json` beside a dataset's model folders (`nnUNetv2_find_best_configuration`), which names
the best configuration or pair, and `postprocessing.json` beside its validation. The same is written as
`postprocessing.pkl`, which is never read: a pickle can run code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoseg.data.labels import Labels
from autoseg.data.splits import Fold
from autoseg.errors import AutosegError, WorkspaceError
from autoseg.importing.nnunet_folder import SEPARATOR
from autoseg.serialization import read_json

INFORMATION, POSTPROCESSING = "inference_information.json", "postprocessing.json"
KEEP_LARGEST = "remove_all_but_largest_component_from_segmentation"


@dataclass(frozen=True)
class Best:
    """The best configuration or pair of a dataset.

    Attributes:
        folders: names of their model folders.
        dice: mean foreground Dice in the cross-validation, None where the file does not tell.
    """

    folders: tuple[str, ...]
    dice: float | None

    @property
    def families(self) -> tuple[str, ...]:
        """Trainer and plans of each."""
        return tuple(dict.fromkeys(name.rpartition(SEPARATOR)[0] for name in self.folders))


@dataclass(frozen=True)
class Components:
    """Which labels keep only their largest component, step by step, and what is to be said about it.

    Attributes:
        steps: labels 1, 2, ... of each step, taken together.
        note: where they come from, or why there are none.
        place: the file that decided, by its name and its folder's.
    """

    steps: tuple[tuple[int, ...], ...]
    note: str
    place: str = ""


def read_best(folder: Path) -> Best | None:
    """What `nnUNetv2_find_best_configuration` found in a dataset's results; None where it was not run.

    Raises:
        WorkspaceError: the file is not nnU-Net's.
    """
    path = folder / INFORMATION
    if not path.is_file():
        return None
    try:
        found = read_json(path)["best_model_or_ensemble"]
        named = [
            SEPARATOR.join(one[key] for key in ("trainer", "plans_identifier", "configuration"))
            for one in found["selected_model_or_models"]
        ]
        dice = found.get("result_on_crossval_pre_pp")
    except (KeyError, TypeError, AttributeError) as problem:
        raise WorkspaceError(
            f"{path}: is not as nnU-Net writes it ({problem!r}). Make it anew, or remove it."
        ) from None
    return Best(tuple(named), None if dice is None else float(dice))


def find_postprocessing(roots: Sequence[Path], folds: Sequence[Fold], labels: Labels) -> Components:
    """The postprocessing that goes with the selected model folders and their folds.

    Args:
        roots: one model folder, or the two of an ensemble.
        folds: that were imported.

    Raises:
        AutosegError: a postprocessing.json is not JSON.
    """
    places = [path for path in _list_places(roots, folds) if path.is_dir()]
    for place in places:
        if (place / POSTPROCESSING).is_file():
            return _translate(place / POSTPROCESSING, labels)
    pickles = [place / "postprocessing.pkl" for place in places if (place / "postprocessing.pkl").is_file()]
    if pickles:
        told = f"{_name(pickles[0])} was not taken over: a pickle may run code, and {POSTPROCESSING} is missing"
        return Components((), told)
    return Components((), "nothing is done to segmentations: nnU-Net's folder holds no decision for these folds")


def _list_places(roots: Sequence[Path], folds: Sequence[Fold]) -> list[Path]:
    """Where nnU-Net writes it: beside the pooled validation of the folds, or of the ensemble."""
    joined = "_".join(map(str, folds))
    if len(roots) == 1:
        return [roots[0] / f"crossval_results_folds_{joined}", roots[0]]
    names = "___".join(root.resolve().name for root in roots)
    return [roots[0].resolve().parent / "ensembles" / f"ensemble___{names}___{joined}"]


def _name(path: Path) -> str:
    """A file with its folder, and without what lies above: notes travel with a model."""
    return f"{path.resolve().parent.name}/{path.name}"


def _translate(path: Path, labels: Labels) -> Components:
    content, place = read_json(path), _name(path)
    try:
        named, options = content["postprocessing_fns"], content["postprocessing_kwargs"]
        steps = [_translate_step(name, its, labels) for name, its in zip(named, options, strict=True)]
    except (KeyError, TypeError, ValueError, AutosegError) as problem:
        return Components((), f"{place} was not taken over: {problem}", place)
    if not steps:
        return Components((), f"nothing is done to segmentations, as {place} decided", place)
    return Components(tuple(steps), f"as {place} decided; `nnUNetv2_predict` leaves it to a command of its own", place)


def _translate_step(name: str, options: Mapping[str, Any], labels: Labels) -> tuple[int, ...]:
    if name != KEEP_LARGEST or options.get("background_label", 0) != 0:
        raise AutosegError(f"{name} with {dict(options)} is none of autoseg's steps")
    numbers = {int(number) for number in _flatten(options["labels_or_regions"])}
    unknown = numbers - set(labels.values)
    if unknown:
        raise AutosegError(f"it names {sorted(unknown)}, which no label has")
    return tuple(sorted(labels.values.index(number) for number in numbers))


def _flatten(value: Any) -> list[Any]:
    """A label, a region, or a list of both: their voxels are taken together."""
    return [one for part in value for one in _flatten(part)] if isinstance(value, list | tuple) else [value]
