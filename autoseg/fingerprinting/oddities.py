"""What does each kind of oddity in a fingerprint mean, and what can be done about it?"""

from __future__ import annotations

from autoseg.fingerprinting.fingerprint import Fingerprint
from autoseg.serialization import Record


class Kind(Record):
    """A kind of oddity.

    Attributes:
        meaning: what it means for training and for the segmentations.
        remedy: what to do.
    """

    meaning: str
    remedy: str


class OddityExplained(Record):
    """An oddity with what it means and what to do; see `fingerprint.Oddity` and `Kind`."""

    kind: str
    where: str
    message: str
    meaning: str
    remedy: str
    cases: tuple[str, ...] = ()


KINDS: dict[str, Kind] = {
    "spacing": Kind(
        meaning="A case's voxels are more than three times larger or smaller than usual. All cases are resampled to "
        "one spacing, which rests on the median: this one is blurred or blown up, and its structures reach the network "
        "at a size that no other case shows. Mostly the header is wrong, or mm were mistaken for cm.",
        remedy="Compare the header with the scanner's protocol. Write the right spacing into the file, or leave the "
        "case out. If it is right, train with it, and look at its result by itself.",
    ),
    "extent": Kind(
        meaning="A case covers more than four times as many, or as few, millimetres along an axis as the median case: "
        "a whole body among abdomens, a cut-out among whole scans, or a wrong spacing. A patch sees a large case in "
        "few of its places only, and what surrounds the target in the others is missing in a cut-out.",
        remedy="If the spacing is wrong, mend it. Crop an image that shows much more than the others to the same "
        "region; keep a small one if such images are to be segmented later.",
    ),
    "orientation": Kind(
        meaning="Cases are stored along different anatomical directions. Arrays are used as they are stored, so that "
        "such a case reaches the network turned or mirrored; left and right may be exchanged.",
        remedy="Write all images and segmentations in one orientation (SimpleITK's DICOMOrient, nibabel's "
        "as_closest_canonical), or correct the header.",
    ),
    "dtype": Kind(
        meaning="Pixels are stored in different number types. That alone harms nothing: all are read as float32. Often "
        "an 8-bit image was rescaled or clipped on its way, though, and its intensities are no longer those of the "
        "others.",
        remedy="Compare the intensities of these cases with the others (channel_ranges in fingerprint.json). Go back "
        "to the original images if they were rescaled; for CT that is needed, for z-scored channels it is better.",
    ),
    "empty_segmentation": Kind(
        meaning="A reference without any foreground teaches that nothing is there. Some datasets mean that (a healthy "
        "subject); elsewhere the annotation was forgotten or the wrong file was saved.",
        remedy="Open the case. Annotate it, mark what is not annotated with an ignore label, or leave it out; keep it "
        "if it is truly empty.",
    ),
    "intensity_scale": Kind(
        meaning="The foreground of a case spans ten times more, or fewer, intensities than the median case's: another "
        "unit, another scanner, or a rescaled copy. A z-score takes the scale out case by case; a scheme with "
        "statistics of the whole dataset (ct) squeezes or clips such a case.",
        remedy="Nothing, where the channel's scheme is zscore (`autoseg explain` shows it under normalization). "
        "With ct: convert the case to Hounsfield units, or leave it out.",
    ),
    "rare_label": Kind(
        meaning="Fewer cases hold the label than there are folds. A network learns little from so few, some folds "
        "validate without it, and the Dice of the label hangs on single cases.",
        remedy="Annotate more cases that hold it, merge it with a label it belongs to, or read its results as those of "
        "single cases. If no case holds it, its number in dataset.json is wrong or the label can go.",
    ),
    "stray_pieces": Kind(
        meaning="The label is in one piece nearly everywhere, but comes with specks here, each less than a thousandth "
        "of the largest piece: stray strokes of the brush, mostly. They are drawn as foreground in sampling and spoil "
        "surface distances.",
        remedy="Remove the specks (keep the largest component) unless they belong to the structure.",
    ),
    "side_pair": Kind(
        meaning="No name says so, but two labels lie like the left and the right one of a pair. A flipped image would "
        "show each where the other belongs, so that patches are not mirrored along that axis, neither in training nor "
        "at prediction.",
        remedy="Nothing, if they are a pair; names such as kidney_left and kidney_right say so for good. If they are "
        "not, set mirroring_axes in the plan by hand.",
    ),
    "swapped_sides": Kind(
        meaning="By its header, the left label lies on the patient's right. Either the header's orientation is wrong, "
        "or the annotator mistook the image's left for the patient's, or the two labels were exchanged. A few such "
        "cases teach the network to confuse the sides.",
        remedy="Look at the heart or the liver to see which side is which. Exchange the labels, or mend the header; if "
        "it is so in all cases, training is not harmed, but the names are wrong.",
    ),
    "n_cases": Kind(
        meaning="nnU-Net's two files disagree about the number of cases. The number bounds the batch size in small "
        "datasets.",
        remedy="Extract the fingerprint anew, or mend numTraining in dataset.json.",
    ),
}
UNKNOWN = Kind(
    meaning="This version of autoseg knows no more about it than the sentence says.",
    remedy="Measure the fingerprint anew with this version to have it sorted.",
)


def explain_oddities(fingerprint: Fingerprint) -> tuple[OddityExplained, ...]:
    """Every warning of a fingerprint with what it means and what to do, in its order."""
    rows = []
    for oddity in fingerprint.warnings:
        kind = KINDS.get(oddity.kind, UNKNOWN)
        rows.append(
            OddityExplained(
                kind=oddity.kind,
                where=oddity.where,
                message=oddity.message,
                meaning=kind.meaning,
                remedy=kind.remedy,
                cases=oddity.cases,
            )
        )
    return tuple(rows)
