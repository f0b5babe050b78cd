"""A trained ensemble, found in a workspace and loaded once: selected configurations with all their trained folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from autoseg.data.dataset import Dataset
from autoseg.data.labels import Labels
from autoseg.data.splits import ALL, Fold
from autoseg.errors import WorkspaceError
from autoseg.evaluation.calibrating import Calibration
from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.networks.device import choose_device
from autoseg.pipeline.locating import choose_folds_before, find_checkpoints, find_selection, find_trained_on_all
from autoseg.pipeline.reporting import Reporter
from autoseg.pipeline.selection import read_scores
from autoseg.postprocessing.deciding import Postprocessing
from autoseg.prediction.configuration_predictor import ConfigurationPredictor, load_predictor, put_before
from autoseg.prediction.options import PredictionOptions
from autoseg.serialization import digest, digest_file, parse_record, read_json, to_plain
from autoseg.workspace import Workspace

LOW_SHARE = 0.1  # of the cross-validation's cases; a Dice that is expected below theirs is worth a warning


@dataclass(frozen=True)
class Model:
    """A trained ensemble, loaded.

    Attributes:
        labels, channels, file_ending: of the dataset that it was trained on.
        predictors: one per configuration, each holding its folds, and of a cascade the predictor before it.
        postprocessing: what is done to the segmentation.
        fingerprint: of the training cases, to notice unusual input.
        digest: names the weights and the options.
        calibration: from a prediction's certainty to its Dice; None where the cross-validation does not tell.
        calibration_note: what about these networks and options is not as it was made; empty where nothing is.
        low_dice: of each label, the Dice that one in ten cases of the cross-validation did not reach.
    """

    labels: Labels
    channels: tuple[str, ...]
    file_ending: str
    predictors: tuple[ConfigurationPredictor, ...]
    postprocessing: Postprocessing
    fingerprint: Fingerprint | None
    digest: str
    calibration: Calibration | None = None
    calibration_note: str = ""
    low_dice: Mapping[str, float] = field(default_factory=dict)

    @property
    def description(self) -> str:
        """Which networks predict, in words."""
        return " + ".join(predictor.description for predictor in self.predictors)

    @property
    def calibration_digest(self) -> str:
        """Names the calibration, which may change where `digest` and the segmentations stay; empty without one."""
        return "" if self.calibration is None else digest(self.calibration)

    @property
    def device(self) -> torch.device:
        return self.predictors[0].device


def load_model(
    source: Path,
    *,
    workspace: Path | None = None,
    variant: str | None = None,
    configurations: Sequence[str] = (),
    folds: Sequence[Fold] = (),
    device: str = "auto",
    options: PredictionOptions | None = None,
    reporter: Reporter | None = None,
) -> Model:
    """Load the selected ensemble of a dataset, or of a workspace whose dataset need not be there any more.

    With a cascade, all trained folds of the low-resolution configuration that it builds on are loaded as well.

    Args:
        source: a dataset, or a workspace.
        variant: name of a plan beside the first one.
        configurations: other than the selected ones, if given; then a workspace needs no selection.
        folds: other than every trained one of the cross-validation; `all` is the model that was trained on all cases,
            of the configurations and with the postprocessing that the cross-validation selected, if there was one.

    Raises:
        WorkspaceError: nothing is trained yet, or a checkpoint is missing.
    """
    reporter = reporter or Reporter()
    place, dataset, selection = find_selection(source, workspace, variant, folds, reporter, device)
    if selection is None and not configurations and ALL not in folds:
        raise WorkspaceError(
            f"{source}: has no selection.yaml. Run `autoseg select DATASET --workspace {source}` first, or name a "
            "--configuration."
        )
    selected = () if selection is None else selection.configurations.value
    names = tuple(configurations) or selected or find_trained_on_all(place, dataset)
    if selection is None:
        reporter.say(
            f"{place.selection}: is not there, so {' + '.join(names)} predicts and nothing is done to the "
            "segmentations afterwards."
        )
    loader = _Loader(place, dataset, choose_device(device), options or PredictionOptions())
    predictors = tuple(loader.load(name, folds) for name in names)
    postprocessing = Postprocessing()
    if selection is not None and set(names) == set(selected):
        postprocessing = selection.postprocessing.value
    content = [digest_file(path) for name in names for path in loader.list_files(name, folds)]
    calibration = None if selection is None else selection.find_calibration(names)
    return Model(
        labels=predictors[0].plan.labels,
        channels=predictors[0].plan.channels,
        file_ending=dataset.file_ending,
        predictors=predictors,
        postprocessing=postprocessing,
        fingerprint=_read_fingerprint(place),
        digest=digest([content, postprocessing, options or PredictionOptions()]),
        calibration=calibration,
        calibration_note="" if calibration is None else _compare_options(loader, calibration, predictors, folds),
        low_dice={} if calibration is None else _find_low_dice(place, predictors),
    )


@dataclass(frozen=True)
class _Loader:
    """Loads each configuration's folds once, whoever asks for them.

    Attributes:
        loaded: by the checkpoints.
    """

    place: Workspace
    dataset: Dataset
    device: torch.device
    options: PredictionOptions
    loaded: dict[tuple[Path, ...], ConfigurationPredictor] = field(default_factory=dict)

    def load(self, configuration: str, folds: Sequence[Fold]) -> ConfigurationPredictor:
        """A configuration's predictor, with the one before it in a cascade, of which all folds are taken."""
        paths = tuple(find_checkpoints(self.place, self.dataset, configuration, folds))
        if paths not in self.loaded:
            predictor = load_predictor(paths, device=self.device, options=self.options)
            cascade = predictor.settings.cascade
            if cascade is not None:
                name = cascade.previous.value
                predictor = put_before(self.load(name, choose_folds_before(self.place, name)), predictor)
            self.loaded[paths] = predictor
        return self.loaded[paths]

    def list_files(self, configuration: str, folds: Sequence[Fold]) -> list[Path]:
        """The checkpoints of a configuration that was loaded, those before a cascade first."""
        predictor = self.load(configuration, folds)
        paths = find_checkpoints(self.place, self.dataset, configuration, folds)
        if predictor.previous is None:
            return paths
        name = predictor.previous.configuration
        return self.list_files(name, choose_folds_before(self.place, name)) + paths


def _read_fingerprint(place: Workspace) -> Fingerprint | None:
    if not place.fingerprint.is_file():
        return None
    return parse_record(Fingerprint, read_json(place.fingerprint), where=str(place.fingerprint))


def _compare_options(
    loader: _Loader, calibration: Calibration, predictors: Sequence[ConfigurationPredictor], folds: Sequence[Fold]
) -> str:
    """What is not as the calibration was made. Where the plan allows no mirror images, asking for none is no change."""
    options = to_plain(loader.options)
    if not any(predictor.settings.mirroring_axes.value for predictor in predictors):
        del options["mirroring"]
    runs = (loader.place.find_folds(one.configuration) for one in predictors)
    trained = sorted({fold for each in runs for fold, run in each.items() if run.checkpoint.is_file()})
    return calibration.describe_mismatch(options, folds or trained)


def _find_low_dice(place: Workspace, predictors: Sequence[ConfigurationPredictor]) -> dict[str, float]:
    """The lower decile of each label's Dice over the cases that validated these configurations together."""
    found: dict[str, list[float]] = {}
    for case in read_scores(place, predictors[0].plan, [predictor.configuration for predictor in predictors]):
        for label, scores in case.labels.items():
            found.setdefault(label, []).append(scores.dice)
    return {
        label: float(np.nanquantile(dices, LOW_SHARE)) for label, dices in found.items() if not np.isnan(dices).all()
    }
