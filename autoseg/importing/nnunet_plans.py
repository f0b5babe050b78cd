"""What do nnU-Net's plans.json and dataset.json say of one trained configuration?

Source: the files as nnU-Net 2.8 writes them, and the names that earlier versions gave some keys. A configuration may
inherit from another one (`inherits_from`). What prediction depends on and autoseg does otherwise is refused by name: a
model that is taken over predicts what it predicted before, or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from autoseg.data.declarations import parse_channels, parse_labels, parse_n_cases, read_declarations
from autoseg.data.labels import Labels
from autoseg.errors import PlanError
from autoseg.fingerprinting.fingerprint import Intensities
from autoseg.importing.nnunet_architecture import Architecture, read_architecture, require
from autoseg.planning.choices import Resampling, Separate
from autoseg.planning.rules.resampling import ANISOTROPY, decide_resampling
from autoseg.serialization import did_you_mean, parse_record, read_json

PLANS, DATASET = "plans.json", "dataset.json"
PREPROCESSOR = "DefaultPreprocessor"
LABEL_MANAGER = "LabelManager"
RESAMPLING = "resample_data_or_seg_to_shape"
SCHEMES = {  # nnU-Net's class -> ours
    "CTNormalization": "ct",
    "ZScoreNormalization": "zscore",
    "RescaleTo01Normalization": "rescale",
    "RGBTo01Normalization": "rgb",
    "NoNormalization": "none",
}
READERS = ("SimpleITKIO", "NibabelIO", "NaturalImage2DIO", "Tiff3DIO")  # they give arrays as files hold them
MASKED = "zscore"  # the one scheme of nnU-Net's that reads use_mask_for_norm
NEEDS_INTENSITIES = "ct"
INTENSITIES = (
    "foreground_intensity_properties_per_channel",
    "foreground_intensity_properties_by_modality",
)  # new name, old name
SEPARATE: Mapping[bool | None, Separate] = {None: "by_spacing", False: "never", True: "always"}  # force_separate_z
TAKEN_OVER = ("order", "order_z", "force_separate_z")
USES = ("data", "seg", "probabilities")  # what is resampled, as the plans' keys end

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class NnunetDataset:
    """What dataset.json says.

    Attributes:
        file_ending: of the segmentations.
        n_cases: of training, 0 where the file does not tell.
        notes: what had to be mapped.
    """

    channels: tuple[str, ...]
    labels: Labels
    file_ending: str
    n_cases: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class NnunetConfiguration:
    """One configuration of plans.json, in autoseg's words but for its name.

    Attributes:
        name: nnU-Net's.
        previous: nnU-Net's name of the configuration that a cascade builds on.
        dataset: name of the dataset.
        axis_order, median_volume: of the plans; voxels of the median case on the original grid, in axis order.
        schemes, inside_mask, intensities: how each channel is normalised; intensities of `ct` alone.
        planner: name of the class that made the plans.
    """

    name: str
    previous: str | None
    dataset: str
    axis_order: tuple[int, int, int]
    median_volume: tuple[int, ...]
    schemes: tuple[str, ...]
    inside_mask: tuple[bool, ...]
    intensities: tuple[Intensities | None, ...]
    spacing_mm: tuple[float, ...]
    median_shape: tuple[int | float, ...]
    patch_size: tuple[int, ...]
    batch_size: int
    batch_dice: bool
    resampling: Resampling
    architecture: Architecture
    planner: str

    @property
    def n_dimensions(self) -> int:
        return len(self.patch_size)


def read_nnunet_dataset(folder: Path) -> NnunetDataset:
    """Read the dataset.json of a model folder. Raises DatasetError for a missing or wrong one."""
    where = folder / DATASET
    declared = read_declarations(where)
    labels, notes = parse_labels(declared, where)
    return NnunetDataset(
        channels=parse_channels(declared, where),
        labels=labels,
        file_ending=str(declared.get("file_ending", ".nii.gz")),
        n_cases=parse_n_cases(declared, where) or 0,
        notes=notes,
    )


def read_nnunet_configuration(folder: Path, name: str, *, n_channels: int) -> NnunetConfiguration:
    """Read one configuration out of the plans.json of a model folder.

    Raises:
        PlanError: it is not there, a key is missing or wrong, or something predicts otherwise than autoseg can.
    """
    plans, path = read_json(folder / PLANS), folder / PLANS
    if not isinstance(plans, dict) or not isinstance(plans.get("configurations"), dict):
        raise PlanError(f"{path}: has no configurations. Is it nnU-Net v2's?")
    _refuse_other_plans(plans, path)
    where = f"{path}: {name}"
    settings = resolve(plans["configurations"], name, where=str(path))
    _refuse_other_preprocessing(settings, where)
    spacing_mm = tuple(float(value) for value in require(settings, "spacing", where))
    patch_size = tuple(int(size) for size in require(settings, "patch_size", where))
    previous = settings.get("previous_stage")
    median = settings.get("median_image_size_in_voxels") or patch_size
    schemes, masks = _read_normalization(settings, n_channels, where)
    first, second, third = require(plans, "transpose_forward", str(path))
    return NnunetConfiguration(
        name=name,
        previous=previous,
        dataset=str(plans.get("dataset_name", folder.name)),
        axis_order=(first, second, third),
        median_volume=_read_median_volume(plans, median),
        schemes=schemes,
        inside_mask=masks,
        intensities=_read_intensities(plans, schemes, path),
        spacing_mm=spacing_mm,
        median_shape=tuple(float(size) for size in median),
        patch_size=patch_size,
        batch_size=int(settings.get("batch_size", 2)),
        batch_dice=bool(settings.get("batch_dice", False)),
        resampling=_read_resampling(settings, spacing_mm, is_cascade=previous is not None, where=where),
        architecture=read_architecture(settings, where=where),
        planner=str(plans.get("experiment_planner_used", "")),
    )


def resolve(configurations: Settings, name: str, *, where: str) -> dict[str, Any]:
    """A configuration with all that it inherits; what it says itself goes first.

    Raises:
        PlanError: it, or what it inherits from, is not there, or inherits from itself.
    """
    merged: dict[str, Any] = {}
    visited: list[str] = []
    wanted: str | None = name
    while wanted is not None:
        name = wanted
        if name in visited:
            raise PlanError(
                f"{where}: {' inherits from '.join([*visited, name])}, which never ends. Mend inherits_from."
            )
        if not isinstance(configurations.get(name), dict):
            raise PlanError(f"{where}: has no configuration {name}.{did_you_mean(name, configurations)}")
        visited.append(name)
        merged = {**configurations[name], **merged}
        wanted = configurations[name].get("inherits_from")
    return merged


def _refuse_other_plans(plans: Settings, path: Path) -> None:
    reader = plans.get("image_reader_writer", READERS[0])
    if reader not in READERS:
        turned = " (it turns every image to one orientation before it is predicted)" if "Reorient" in reader else ""
        raise PlanError(
            f"{path}: images are read by {reader}{turned}, but autoseg takes arrays as files hold them, as "
            f"{', '.join(READERS)} do."
        )
    manager = plans.get("label_manager", LABEL_MANAGER)
    if manager != LABEL_MANAGER:
        raise PlanError(f"{path}: label_manager is {manager}, but autoseg decides labels as {LABEL_MANAGER} does.")


def _refuse_other_preprocessing(settings: Settings, where: str) -> None:
    preprocessor = require(settings, "preprocessor_name", where)
    if preprocessor != PREPROCESSOR:
        raise PlanError(f"{where}: preprocessor_name is {preprocessor}, but autoseg does what {PREPROCESSOR} does.")
    for use in USES:
        function = require(settings, f"resampling_fn_{use}", where)
        if function != RESAMPLING:
            raise PlanError(f"{where}: resampling_fn_{use} is {function}, but autoseg resamples as {RESAMPLING} does.")


def _read_normalization(settings: Settings, n_channels: int, where: str) -> tuple[tuple[str, ...], tuple[bool, ...]]:
    named, masks = (require(settings, key, where) for key in ("normalization_schemes", "use_mask_for_norm"))
    if len(named) != n_channels or len(masks) != n_channels:
        raise PlanError(
            f"{where}: normalises {len(named)} channel(s), but dataset.json names {n_channels}. Are both of one model?"
        )
    unknown = [name for name in named if name not in SCHEMES]
    if unknown:
        raise PlanError(f"{where}: normalises by {unknown[0]}, but autoseg knows {', '.join(SCHEMES)} of nnU-Net's.")
    schemes = tuple(SCHEMES[name] for name in named)
    return schemes, tuple(bool(mask) and scheme == MASKED for mask, scheme in zip(masks, schemes, strict=True))


def _read_intensities(plans: Settings, schemes: Sequence[str], path: Path) -> tuple[Intensities | None, ...]:
    """By channel; None where the scheme does without, whatever the plans have there, e.g. NaN."""
    found: Settings = next((plans[key] for key in INTENSITIES if key in plans), {})
    return tuple(
        _read_channel(found.get(str(index)), index, path) if scheme == NEEDS_INTENSITIES else None
        for index, scheme in enumerate(schemes)
    )


def _read_channel(found: Any, index: int, path: Path) -> Intensities | None:
    if not isinstance(found, dict):
        return None
    known = {"median": found.get("mean"), **found}  # some early versions wrote no median, which no scheme needs
    content = {name: known.get(name) for name in Intensities.model_fields}
    return parse_record(Intensities, content, where=f"{path}: {INTENSITIES[0]}.{index}", error=PlanError)


def _read_median_volume(plans: Settings, median: Any) -> tuple[int, ...]:
    volume = plans.get("original_median_shape_after_transp") or (*(1,) * (3 - len(median)), *median)
    return tuple(max(1, round(size)) for size in volume)


def _read_resampling(settings: Settings, spacing_mm: tuple[float, ...], *, is_cascade: bool, where: str) -> Resampling:
    """Spline orders; a coarse axis is resampled apart where spacings say so, or always or never, by the same rules."""
    options = {use: _read_options(settings, use, where) for use in USES}
    of_data = options["data"]
    matters = USES if is_cascade else ("data", "probabilities")  # segmentations are resampled for a cascade alone
    for use, name in product(matters, ("order_z", "force_separate_z")):
        if options[use][name] != of_data[name]:
            raise PlanError(
                f"{where}: {name} of resampling_fn_{use} is {options[use][name]}, but {of_data[name]} of "
                "resampling_fn_data; autoseg treats a coarse axis alike in both."
            )
    return Resampling(
        image_order=options["data"]["order"],
        segmentation_order=options["seg"]["order"],
        logits_order=options["probabilities"]["order"],
        separate_axis=decide_resampling(spacing_mm=spacing_mm).value.separate_axis,
        separate_order=of_data["order_z"],
        separate=SEPARATE[of_data["force_separate_z"]],
    )


def _read_options(settings: Settings, use: str, where: str) -> dict[str, Any]:
    """Arguments of the resampling of one kind of array; nnU-Net's function has these defaults."""
    key = f"resampling_fn_{use}_kwargs"
    options = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": False, **require(settings, key, where)}
    wanted = {"is_seg": use == "seg", "separate_z_anisotropy_threshold": ANISOTROPY}
    for name, value in options.items():
        if name not in TAKEN_OVER and (name not in wanted or value != wanted[name]):
            usual = f", but autoseg resamples with {wanted[name]} alone" if name in wanted else ", which is not known"
            raise PlanError(f"{where}: {key} has {name} {value}{usual}.")
    if options["force_separate_z"] not in SEPARATE:
        raise PlanError(f"{where}: {key} has force_separate_z {options['force_separate_z']}, but it is null or a bool.")
    return options
