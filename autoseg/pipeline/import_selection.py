"""Which of the imported configurations predict, and what is done to their result?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autoseg.data.labels import Labels
from autoseg.data.splits import ALL, Fold
from autoseg.decision import Decision, found
from autoseg.errors import WorkspaceError
from autoseg.importing.nnunet_selection import Best, Components, find_postprocessing
from autoseg.pipeline.import_sources import Source
from autoseg.pipeline.selection import NOTHING_TO_CALIBRATE, Selection
from autoseg.planning.plan import Plan
from autoseg.postprocessing.deciding import Postprocessing, Step
from autoseg.serialization import digest, digest_file

LEFT_OUT = "nothing is done to segmentations, as `nnUNetv2_predict` does nothing to them"


def select_imported(
    sources: Mapping[str, Source], plan: Plan, labels: Labels, best: Best | None, *, postprocessing: bool
) -> Selection:
    """Which configurations predict together, and what is done to their result.

    Args:
        sources: by autoseg's name.
        plan: of all of them.
        labels: of the dataset.
        best: what nnU-Net found best, None where it was not asked.
        postprocessing: whether what nnU-Net decided is done.
    """
    chosen = _choose(sources, plan, best)
    roots = [sources[name].folder.root for name in chosen.value]
    folds = [set(sources[name].folder.checkpoints) for name in chosen.value]
    common = sorted(fold for fold in set.intersection(*folds) if fold != ALL)
    components = find_postprocessing(roots, common, labels)
    if components.steps and not postprocessing:
        components = Components(
            (), f"{LEFT_OUT}; {components.place} decided otherwise, which --postprocessing takes over"
        )
    steps = tuple(Step(labels=labels) for labels in components.steps)
    dice = {} if best is None or best.dice is None else {" + ".join(chosen.value): round(best.dice, 5)}
    return Selection(
        basis=digest([digest_file(path) for source in sources.values() for path in source.folder.checkpoints.values()]),
        folds=tuple(int(fold) for fold in common),
        configurations=chosen,
        postprocessing=found(Postprocessing(steps=steps), components.note),
        confidence=NOTHING_TO_CALIBRATE,
        validation_dice=dice,
    )


def _choose(sources: Mapping[str, Source], plan: Plan, best: Best | None) -> Decision[tuple[str, ...]]:
    names = {source.folder.root.resolve().name: name for name, source in sources.items()}
    if best is not None and best.folders and set(best.folders) <= set(names):
        reason = "nnU-Net's best in cross-validation, as its inference_information.json says"
        return found(tuple(names[folder] for folder in best.folders), reason)
    asked = [name for name, source in sources.items() if source.is_asked_for]
    if len(asked) == 1:
        return found((asked[0],), "the one configuration that was imported")
    first = plan.first_choice if plan.first_choice in asked else asked[0]
    others = ", ".join(name for name in asked if name != first)
    return found((first,), f"nnU-Net's folder does not say which is best; {others} can be chosen by --configuration")


def find_folds_to_name(sources: Mapping[str, Source], names: Sequence[str]) -> tuple[Fold, ...]:
    """The folds that prediction must be told of: none, or `all` where a configuration has no other.

    Raises:
        WorkspaceError: no choice of folds has all of them.
    """
    folds = {name: set(sources[name].folder.checkpoints) for name in names}
    if all(its - {ALL} for its in folds.values()):
        return ()
    without = [name for name, its in folds.items() if ALL not in its]
    if without:
        other = next(name for name, its in folds.items() if its == {ALL})
        raise WorkspaceError(
            f"{other} has no fold but the one of all cases, and {without[0]} has none of all cases, so that they "
            "cannot predict together. Import them one by one, from their own folders."
        )
    return (ALL,)
