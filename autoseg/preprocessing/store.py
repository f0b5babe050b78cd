"""Where does a preprocessed case lie, so that training reads a random patch without reading the case?

Four files per case: `CASE.image.b2nd` and `CASE.segmentation.b2nd` (see `arrays`), `CASE.locations.npy` (where each
label lies) and, written last, `CASE.json`. Without a valid `CASE.json` the case is not there, whatever else lies in the
folder.

Where parts of a case are not annotated, most random patches would teach nothing. Such a case records where its
background lies, too (label 0), so that patches can be centred on voxels that are annotated; all other cases do not.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autoseg.data.labels import IGNORED, LABEL_DTYPE
from autoseg.errors import AutosegError, DatasetError, WorkspaceError
from autoseg.preprocessing.arrays import Array, choose_type, open_array, read_box, write_array
from autoseg.preprocessing.preprocess import Placement, Prepared
from autoseg.preprocessing.resampling import Slices, cut_slabs, find_label_boxes
from autoseg.serialization import Record, digest, parse_record, read_json, replacing, write_json

FORMAT = 2  # 1 clipped a case with an axis apart as one volume, blanked the outside of a mask under every scheme
ENDINGS = (".image.b2nd", ".segmentation.b2nd", ".locations.npy", ".json")  # the files of a case
LOCATIONS_PER_LABEL = 10_000  # enough to start patches anywhere in a label (borrowed from nnU-Net)


class StoredFacts(Record):
    """What `CASE.json` says.

    Attributes:
        autoseg_preprocessed: version of this format.
        id: the case.
        n_channels, shape: of the stored image, in axis order.
        spacing_mm: of the network grid, in axis order.
        placement: the way back to the original image.
        source: digest of the input files that the case was made from.
    """

    autoseg_preprocessed: int = FORMAT
    id: str
    n_channels: int
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    placement: Placement
    source: str


class StoredCase:
    """An open case; pixels are read when they are asked for.

    Attributes:
        facts: what `CASE.json` says.
        image: lazily read float32 (C, Z, Y, X) in axis order: `case.image[:, 3:9]` reads no more than that.
        segmentation: lazily read integer (Z, Y, X) in axis order.
        locations: for each label that has any, up to 10,000 of its voxels as an int32 array (n, 3), memory-mapped.
            Of label 0, the background, only where the case holds ignored voxels; never of `IGNORED`.
    """

    def __init__(self, folder: Path, facts: StoredFacts) -> None:
        self.facts = facts
        self.image = open_array(folder / f"{facts.id}.image.b2nd")
        self.segmentation = open_array(folder / f"{facts.id}.segmentation.b2nd")
        self.locations = _split_locations(np.load(folder / f"{facts.id}.locations.npy", mmap_mode="r"))

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.facts.shape

    @property
    def placement(self) -> Placement:
        return self.facts.placement

    def read_image(self) -> Array:
        """The whole image, float32 (C, Z, Y, X) in axis order."""
        return np.asarray(self.image[:])

    def read_patch(self, start: Sequence[int], shape: Sequence[int]) -> tuple[Array, Array]:
        """Read the box that begins at `start`, which may reach beyond the case on any side.

        Args:
            start: first voxel in axis order, may be negative.
            shape: voxels per axis.

        Returns:
            image float32 (C, *shape) and segmentation int16 (*shape). Beyond the case the image is 0 and the
            segmentation background: nnU-Net marks these voxels with -1 and then treats them as background.
        """
        segmentation = read_box(self.segmentation, start, shape).astype(LABEL_DTYPE, copy=False)
        return read_box(self.image, start, shape), segmentation


def write_case(
    folder: Path, case_id: str, prepared: Prepared, *, source: str, patch_size: Sequence[int] | None = None
) -> None:
    """Store a prepared case, replacing an older one.

    Args:
        folder: of one configuration's preprocessed data; made if it is missing.
        case_id: names the files.
        prepared: image and segmentation on the network grid.
        source: digest of the input files.
        patch_size: what will be read at once (three axes, or two for 2D); chunks are shaped after it.

    Raises:
        DatasetError: the case has no segmentation.
    """
    if prepared.segmentation is None:
        raise DatasetError(f"{case_id}: has no segmentation to train on. Store annotated cases only.")
    (folder / f"{case_id}.json").unlink(missing_ok=True)
    segmentation = prepared.segmentation.astype(choose_type(prepared.segmentation))
    write_array(folder / f"{case_id}.image.b2nd", prepared.image.astype(np.float32, copy=False), patch_size)
    write_array(folder / f"{case_id}.segmentation.b2nd", segmentation, patch_size)
    with replacing(folder / f"{case_id}.locations.npy") as temporary:
        np.save(temporary, sample_locations(segmentation, seed=int(digest(case_id), 16)))
    write_json(folder / f"{case_id}.json", _describe(case_id, prepared, source))


def open_case(folder: Path, case_id: str) -> StoredCase:
    """Open a stored case. Raises WorkspaceError if it is not there or cannot be understood."""
    path = folder / f"{case_id}.json"
    if not path.is_file():
        raise WorkspaceError(f"{folder}: case {case_id} is not preprocessed. Run autoseg preprocess.")
    return StoredCase(folder, parse_record(StoredFacts, read_json(path), where=str(path), error=WorkspaceError))


def has_case(folder: Path, case_id: str, source: str) -> bool:
    """Whether the case is stored with all its files, in this format, and was made from exactly these input files."""
    if not all((folder / f"{case_id}{ending}").is_file() for ending in ENDINGS):
        return False
    path = folder / f"{case_id}.json"
    try:
        facts = parse_record(StoredFacts, read_json(path), where=str(path))
    except AutosegError:
        return False
    return facts.autoseg_preprocessed == FORMAT and facts.source == source


def sample_locations(segmentation: Array, *, seed: int, limit: int = LOCATIONS_PER_LABEL) -> Array:
    """Draw up to `limit` voxels of each label uniformly and without replacement, in memory of the limit's order.

    The voxels of a label are counted, the ranks of the drawn ones chosen, and these found slab by slab.

    Args:
        segmentation: integer (Z, Y, X).
        seed: the same seed and segmentation give the same voxels.
        limit: a label of no more voxels is located wholly.

    Returns:
        int32 (n, 4): label, then position in array order; sorted by label. `IGNORED` is left out, and so is the
        background unless the segmentation holds `IGNORED`.
    """
    generator = np.random.default_rng(seed)
    boxes = dict(find_label_boxes(segmentation))
    left_out = (IGNORED,) if IGNORED in boxes else (IGNORED, 0)
    wanted = {label: box for label, box in boxes.items() if label not in left_out}
    drawn = [_draw_label(segmentation, label, box, generator, limit) for label, box in wanted.items()]
    return np.concatenate([np.empty((0, 4), dtype=np.int32), *drawn])


def _draw_label(segmentation: Array, label: int, box: Slices, generator: np.random.Generator, limit: int) -> Array:
    """Up to `limit` voxels of a label as int32 (n, 4), in the order in which they lie."""
    slabs = list(cut_slabs(box))
    ends = np.cumsum([np.count_nonzero(segmentation[slab] == label) for slab in slabs])
    total = int(ends[-1])
    if total > limit:
        ranks = np.sort(generator.choice(total, size=limit, replace=False, shuffle=False))
    else:
        ranks = np.arange(total)
    parts = np.split(ranks, np.searchsorted(ranks, ends[:-1]))
    positions = [
        _find_ranked(segmentation[slab] == label, part - start) + [axis.start for axis in slab]
        for slab, part, start in zip(slabs, parts, (0, *ends[:-1]), strict=True)
        if part.size
    ]
    return np.insert(np.concatenate(positions), 0, label, axis=1).astype(np.int32)


def _find_ranked(mask: Array, ranks: Array) -> Array:
    """Where the true voxels of these ranks lie: (n, 3)."""
    return np.stack(np.unravel_index(np.flatnonzero(mask)[ranks], mask.shape), axis=1)


def _split_locations(locations: Array) -> dict[int, Array]:
    """The rows of each label, which lie together in the order of labels; views: of each label a few rows are read."""
    found: dict[int, Array] = {}
    begin = 0
    while begin < len(locations):
        label = int(locations[begin, 0])
        end = bisect_right(range(len(locations)), label, lo=begin, key=lambda row: int(locations[row, 0]))
        found[label] = locations[begin:end, 1:]
        begin = end
    return found


def _describe(case_id: str, prepared: Prepared, source: str) -> StoredFacts:
    n_channels, *shape = prepared.image.shape
    return StoredFacts(
        id=case_id,
        n_channels=n_channels,
        shape=(shape[0], shape[1], shape[2]),
        spacing_mm=prepared.spacing_mm,
        placement=prepared.placement,
        source=source,
    )
