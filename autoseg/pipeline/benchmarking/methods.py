"""Which methods does a person name? Networks, floors, networks of one's own, and predictions from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoseg.components import is_dotted
from autoseg.errors import UsageError
from autoseg.evaluation.benchmark import Kind
from autoseg.networks.methods import METHODS, find_method
from autoseg.planning.network_names import find_fault
from autoseg.serialization import did_you_mean

FLOORS = {
    "threshold": "the interval of intensities with the best Dice for each label, voxel by voxel",
    "mean_shape": "the average of the training masks, without a look at the image",
}
DEFAULT_METHODS = ("unet", "residual_unet", "mean_shape")


@dataclass(frozen=True)
class Contender:
    """A method as it was asked for.

    Attributes:
        name: of the method.
        kind: what it is.
        source: the paper that it follows, what it does, or the folder of predictions.
        differs: from the paper, in a sentence; empty where nothing does.
        folder: of predictions from elsewhere.
    """

    name: str
    kind: Kind
    source: str
    differs: str = ""
    folder: Path | None = None

    @property
    def file_name(self) -> str:
        """The name as a folder may have it."""
        return re.sub(r"[^A-Za-z0-9_.-]", "_", self.name)


def parse_methods(names: Sequence[str], predictions: Mapping[str, Path]) -> tuple[Contender, ...]:
    """Methods of these names, each once, in their order, and the predictions after them.

    Args:
        names: one or several of them each, separated by commas.
        predictions: folder of the segmentations by another system, by its name.

    Raises:
        UsageError: a name that nothing has, or two methods of one name; or no method at all.
    """
    wanted = list(dict.fromkeys(word.strip() for name in names for word in name.split(",") if word.strip()))
    if not wanted and not predictions:
        raise UsageError(f"--methods: names no method. Known: {_list_known()}.")
    if twice := sorted(set(wanted) & set(predictions)):
        raise UsageError(f"--predictions {twice[0]}=...: is the name of a method already. Choose another name.")
    for name, folder in predictions.items():
        if not folder.is_dir():
            raise UsageError(f"--predictions {name}={folder}: there is no such folder.")
    outside = (Contender(name, "predictions", str(folder), folder=folder) for name, folder in predictions.items())
    return (*(_find_contender(name) for name in wanted), *outside)


def parse_predictions(words: Sequence[str]) -> dict[str, Path]:
    """Folders by name, of `name=FOLDER`. Raises UsageError for anything else, or a name that comes twice."""
    found: dict[str, Path] = {}
    for word in words:
        name, mark, folder = word.partition("=")
        if not (name.strip() and mark and folder.strip()):
            raise UsageError(f"--predictions {word}: expected name=FOLDER, for example nnunet=predictions/nnunet.")
        if name.strip() in found:
            raise UsageError(f"--predictions {word}: {name.strip()} is named twice. Give each folder its own name.")
        found[name.strip()] = Path(folder.strip())
    return found


def _find_contender(name: str) -> Contender:
    if name in FLOORS:
        return Contender(name, "floor", FLOORS[name])
    if is_dotted(name):
        return Contender(name, "network", f"a network of one's own, {name}")
    method = find_method(name)
    if method is None or find_fault(name):
        raise UsageError(f"--methods: {_describe_fault(name)}")
    return Contender(name, "network", method.paper, method.differs)


def _describe_fault(name: str) -> str:
    network = name.partition("@")[0]
    if network in METHODS:
        return f"{name} {find_fault(name)}"
    return f"{name} is not known.{did_you_mean(name, (*METHODS, *FLOORS))} There are {_list_known()}."


def _list_known() -> str:
    own = [name for name, method in METHODS.items() if not _needs_extra(method.builder.__module__)]
    adapted = [name for name in METHODS if name not in own]
    return (
        f"networks: {', '.join(own)}; through extras: {', '.join(adapted)}; floors: {', '.join(FLOORS)}; and "
        "package.module:Name, a network of your own"
    )


def _needs_extra(module: str) -> bool:
    return ".adapters." in module
