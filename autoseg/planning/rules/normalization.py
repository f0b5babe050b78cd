"""How are intensities brought to a common scale? (normalisation)

Source: Isensee et al., Nature Methods 2021: by the channel's name. Only CT has intensities that mean the same in every
image; everything else is scaled case by case.
"""

from __future__ import annotations

from autoseg.decision import Decision, ruled
from autoseg.fingerprinting.fingerprint import Intensities

PUBLISHED_NAMES = {
    "ct": "ct",
    "zscore": "zscore",
    "rescale_to_0_1": "rescale",
    "rgb_to_0_1": "rgb",
    "nonorm": "none",
}
COLOUR_NAMES = {"rgb": "rgb", "red": "rgb", "green": "rgb", "blue": "rgb", "r": "rgb", "g": "rgb", "b": "rgb"}
KNOWN_BY_CASE = (
    *("mri", "mr", "t1", "t1w", "t1c", "t1gd", "t1ce", "t2", "t2w", "flair", "adc", "dwi", "swi", "pd", "cinemri"),
    *("pet", "spect", "us", "ultrasound", "em", "fluorescence", "microscopy", "grey", "gray", "image"),
)
MASKED_SCHEMES = (  # the schemes for which surrounding nothing would be part of what they measure
    "zscore",
    "percentile_clip",
    "robust",
    "histogram_equalization",
    "clahe",
)
DATASET_SCHEMES = ("ct", "dataset_percentile_clip")  # the schemes that need the dataset's intensities
RGB_MAX = 255  # what the scheme rgb divides by
AIR_HU, BONE_HU = -900, 1000  # an image that reaches below the one and above the other looks like CT
CROPPED_AWAY = 0.75  # median share of an image that cropping keeps, below which statistics are taken inside; borrowed

Range = tuple[float, float]


def decide_scheme(
    *,
    channel: str,
    intensities: Intensities | None,
    typical_range: Range | None,
    is_measured: bool = True,
    published_names_only: bool = False,
) -> Decision[str]:
    """The normalisation scheme of a channel.

    Args:
        channel: its name.
        intensities: foreground statistics, None where no case has foreground.
        is_measured: whether the fingerprint knows any intensities at all; one that was written by hand need not.
        typical_range: median over cases of an image's (min, max), None where unknown.
        published_names_only: know no other names than nnU-Net does.
    """
    name = channel.lower()
    known = PUBLISHED_NAMES if published_names_only else PUBLISHED_NAMES | COLOUR_NAMES
    if known.get(name) == "ct" and intensities is None and is_measured and not published_names_only:
        return ruled("zscore", "the channel is CT, but no case has foreground to take statistics from")
    if known.get(name) == "ct":
        return ruled("ct", "the channel is CT: Hounsfield units mean the same in every image")
    if name in known and (name in PUBLISHED_NAMES or _looks_like_colour(typical_range)):
        return ruled(known[name], f"the channel's name, {channel}, stands for it")
    if name in known:
        low, high = typical_range or (0.0, 0.0)
        return ruled(
            "zscore",
            f"WARNING: the name {channel} stands for a colour, but intensities from {low:g} to {high:g} are not "
            f"those of 0 to {RGB_MAX}: each case gets mean 0 and deviation 1",
            typical_range=[low, high],
        )
    if _looks_like_ct(typical_range):
        low, high = typical_range or (0.0, 0.0)
        return ruled(
            "zscore",
            f"WARNING: the channel's name, {channel}, is not CT, but intensities from {low:.0f} to {high:.0f} look "
            "like it. If they are Hounsfield units, rename the channel to CT in dataset.json, or set this scheme to ct",
            typical_range=[low, high],
        )
    if name in KNOWN_BY_CASE:
        return ruled(
            "zscore", f"intensities of {channel} have no common unit, so each case gets mean 0 and deviation 1"
        )
    return ruled("zscore", f"the name {channel} stands for no scheme: each case gets mean 0 and deviation 1")


def decide_inside_mask(*, scheme: str, median_share_after_cropping: float) -> Decision[bool]:
    """Whether statistics are taken, and values changed, only where the image is non-zero."""
    share = median_share_after_cropping
    inputs = {"median_share_after_cropping": round(share, 3)}
    if scheme not in MASKED_SCHEMES:
        return ruled(False, f"{scheme} treats all voxels alike", **inputs)
    if share < CROPPED_AWAY:
        return ruled(True, f"cropping to non-zero keeps only {share:.0%}: images are surrounded by nothing", **inputs)
    return ruled(False, f"cropping to non-zero keeps {share:.0%} of an image: zero is no background value", **inputs)


def decide_intensities(
    *, scheme: str, intensities: Intensities | None, typical_range: Range | None
) -> Decision[Intensities | None]:
    """The dataset's statistics, for the scheme that uses them, or that a person may set by hand."""
    if scheme in DATASET_SCHEMES and intensities is None:
        return ruled(None, "WARNING: the fingerprint holds none; measure the dataset before preprocessing needs them")
    if scheme in DATASET_SCHEMES:
        return ruled(intensities, "foreground of all training cases, each weighing the same")
    if scheme == "zscore" and intensities is not None and _looks_like_ct(typical_range):
        return ruled(intensities, "zscore needs none; they are here in case the scheme is set to ct by hand")
    return ruled(None, f"{scheme} needs no statistics of the dataset")


def _looks_like_colour(typical_range: Range | None) -> bool:
    return typical_range is None or (typical_range[0] >= 0 and 1 < typical_range[1] <= RGB_MAX)


def _looks_like_ct(typical_range: Range | None) -> bool:
    """Whether an image holds both air and dense bone in Hounsfield units."""
    return typical_range is not None and typical_range[0] <= AIR_HU and typical_range[1] > BONE_HU
