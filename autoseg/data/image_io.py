"""How do files become arrays and arrays become files? The one module that knows SimpleITK and its (x, y, z).

Everything that leaves this module is in array order (z, y, x), channels first. A picture is a volume of one slice.
Pictures (PNG, TIFF, JPEG) carry no spacing: their resolution tags tell a printer something and a radiologist nothing
(most say 72 or 96 dots per inch because some program always writes that), so that their spacing is 1 by convention.
"""

# mypy: disallow-untyped-calls=False
# SimpleITK annotates some of its functions and not the others.

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name all its users know

from autoseg.data.geometry import FLAT_SPACING_MM, Axes3, Geometry, Spacing, describe_differences
from autoseg.data.nifti import read_voxels
from autoseg.data.truncation import require_whole
from autoseg.errors import DatasetError, NumericalError
from autoseg.serialization import replacing

VOLUME_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha")
PICTURE_ENDINGS = (".png", ".tif", ".tiff", ".jpg", ".jpeg")
LOSSY_ENDINGS = (".jpg", ".jpeg")
ENDINGS = VOLUME_ENDINGS + PICTURE_ENDINGS
HEADERS_KEPT = 64
WHOLE_NUMBER_TOLERANCE = 1e-3  # what a scaled NIfTI loses of a whole number

sitk.ProcessObject.SetGlobalWarningDisplay(False)  # what matters to a person is said by `checking`, with the case


@dataclass(frozen=True)
class Header:
    """What a file says about itself before its pixels are read.

    Attributes:
        geometry: where its voxels lie.
        n_channels: colour components, vector components or a fourth axis; alpha does not count.
        dtype: pixel type as stored, by its numpy name.
    """

    geometry: Geometry
    n_channels: int
    dtype: str


def split_ending(name: str) -> tuple[str, str]:
    """Split a file name into stem and supported ending: `("a_0000", ".nii.gz")`; the ending is "" if unsupported."""
    ending = next((ending for ending in ENDINGS if name.lower().endswith(ending)), "")
    n_letters = len(name) - len(ending)
    return name[:n_letters], name[n_letters:]


def read_header(path: Path) -> Header:
    """Read a file's header without its pixels. Raises DatasetError if it is no image that autoseg can use."""
    _require_readable(path)
    facts = path.stat()
    return _read_header(path, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=HEADERS_KEPT)
def _read_header(path: Path, changed_ns: int, n_bytes: int) -> Header:
    """The header of a file of this age and size: one case asks for it several times, and ITK takes 2 ms for it."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as problem:
        raise _unreadable(path, problem) from None
    return _describe(reader, reader.GetNumberOfComponents(), path)


def read_image(paths: Sequence[Path]) -> tuple[np.ndarray, Geometry]:
    """Read the files of one case, in the order of their channels.

    Returns:
        float32 image (C, Z, Y, X) and its geometry, taken from the first file.

    Raises:
        DatasetError: a file cannot be read, or does not lie on the grid of the first one.
        NumericalError: the image holds NaN or infinity.
    """
    channels, first = _read_finite_channels(paths[0])
    parts = [channels]
    for path in paths[1:]:
        channels, geometry = _read_finite_channels(path)
        if differences := describe_differences(first, geometry):
            raise DatasetError(
                f"{path}: must lie on the same grid as {paths[0].name}, but differs in {'; '.join(differences)} "
                f"({paths[0].name} first). Resample one onto the other."
            )
        parts.append(channels)
    return (parts[0] if len(parts) == 1 else np.concatenate(parts)), first


def read_segmentation(path: Path) -> tuple[np.ndarray, Geometry]:
    """Read a segmentation: integers (Z, Y, X) as stored, and their geometry.

    Grey masks saved as RGB(A) become grey; floats that hold whole numbers become integers.

    Raises:
        DatasetError: several channels, fractions, or a lossy format that changed the labels.
    """
    channels, header = _read_channels(path)
    is_grey = all(np.array_equal(channels[0], channel) for channel in channels[1:])
    if not is_grey:
        raise DatasetError(
            f"{path}: a segmentation has one number per voxel, but this file has {len(channels)} different channels. "
            "Save the label numbers as one grey channel."
        )
    segmentation = np.require(_require_whole_numbers(channels[0], path), requirements=["C", "W"])
    if path.name.lower().endswith(LOSSY_ENDINGS) and len(np.unique(segmentation)) > 2:
        raise DatasetError(f"{path}: JPEG compression changed the label numbers. Save segmentations as PNG.")
    return segmentation, header.geometry


def write_segmentation(path: Path, segmentation: np.ndarray, geometry: Geometry) -> None:
    """Write integers (Z, Y, X) with exactly the geometry given; a picture is written as a picture.

    Raises:
        DatasetError: the format would lose labels or cannot hold the volume.
    """
    if path.name.lower().endswith(LOSSY_ENDINGS):
        raise DatasetError(f"{path}: JPEG changes label numbers. Write segmentations as .png, .tif or .nii.gz.")
    _write(path, _in_smallest_type(segmentation), geometry)


def write_volume(path: Path, volume: np.ndarray, geometry: Geometry) -> None:
    """Write numbers (Z, Y, X), e.g. probabilities, as float32 with exactly the geometry given."""
    if path.name.lower().endswith((*LOSSY_ENDINGS, ".png")):
        raise DatasetError(f"{path}: this format holds no fractions. Write volumes as .nii.gz, .nrrd, .mha or .tif.")
    _write(path, volume.astype(np.float32, copy=False), geometry)


def _require_readable(path: Path) -> None:
    if not split_ending(path.name)[1]:
        raise DatasetError(f"{path}: the format is not supported. Supported endings: {', '.join(ENDINGS)}.")
    if not path.is_file():
        raise DatasetError(f"{path}: there is no such file.")
    require_whole(path)


def _unreadable(path: Path, problem: RuntimeError) -> DatasetError:
    reason = str(problem).strip().splitlines()[-1].replace("sitk::ERROR: ", "").replace("ITK ERROR: ", "")
    if "orthonormal" in reason:
        return DatasetError(
            f"{path}: its axes are not at right angles, which ITK cannot hold. Resample it or set a qform."
        )
    if "Unknown PixelType" in reason:
        return DatasetError(f"{path}: its pixels are of a kind that SimpleITK does not read. Save grey without alpha.")
    if "Unable to determine ImageIO" in reason:
        reason = "the content is not what the ending says"
    return DatasetError(f"{path}: cannot be read as an image: {reason}. Copy or convert the file again.")


def _describe(source: Any, n_stored: int, path: Path) -> Header:
    """Translate what SimpleITK knows of a reader or an image into array order."""
    size = source.GetSize()
    if len(size) not in (2, 3, 4):
        raise DatasetError(f"{path}: has {len(size)} axes, but an image has 2, 3, or 4 with channels as the last one.")
    n_components = _kept_components(n_stored, path)
    dtype = _numpy_name(sitk.GetPixelIDValueAsString(source.GetPixelID()))
    if dtype.startswith("complex"):
        raise DatasetError(f"{path}: holds complex numbers. Save magnitude and phase as two real channels.")
    return Header(_geometry_of(source, path), n_components * (size[3] if len(size) == 4 else 1), dtype)


def _kept_components(n_components: int, path: Path) -> int:
    """Grey and colour pictures may carry alpha, which is how to draw them and not what they show."""
    is_picture = path.name.lower().endswith(PICTURE_ENDINGS)
    return {2: 1, 4: 3}.get(n_components, n_components) if is_picture else n_components


def _numpy_name(text: str) -> str:
    """`vector of 16-bit unsigned integer` -> `uint16`."""
    bits = text.split("-bit")[0].split()[-1]
    kind = "float" if text.endswith("float") else "uint" if "unsigned" in text else "int"
    return f"complex{2 * int(bits)}" if text.startswith("complex") else f"{kind}{bits}"


def _geometry_of(source: Any, path: Path) -> Geometry:
    size, spacing, origin, direction = (
        tuple(v) for v in (source.GetSize(), source.GetSpacing(), source.GetOrigin(), source.GetDirection())
    )
    is_picture, n_axes = path.name.lower().endswith(PICTURE_ENDINGS), len(size)
    if is_picture:
        spacing = (1.0,) * n_axes
    if n_axes == 2:
        size, spacing, origin = (*size, 1), (*spacing, FLAT_SPACING_MM), (*origin, 0.0)
        direction = (direction[0], direction[1], 0.0, direction[2], direction[3], 0.0, 0.0, 0.0, 1.0)
    elif n_axes == 4:
        direction = tuple(direction[4 * row + column] for row in range(3) for column in range(3))
    shape: Axes3 = (size[2], size[1], size[0])
    spacing_zyx: Spacing = (spacing[2], spacing[1], spacing[0])
    return Geometry(
        shape,
        spacing_zyx,
        origin[:3],
        tuple(value + 0.0 for value in direction),
        2 if n_axes == 2 else 3,
        not is_picture,
    )


def _read_channels(path: Path) -> tuple[np.ndarray, Header]:
    """Read a file as (C, Z, Y, X) in its own pixel type."""
    if path.name.lower().endswith((".nii", ".nii.gz")):
        header = read_header(path)
        if (voxels := _read_nifti(path)) is not None:
            return voxels.reshape(header.n_channels, *header.geometry.shape), header
    return _read_with_sitk(path)


def _read_nifti(path: Path) -> np.ndarray | None:
    try:
        return read_voxels(path)
    except (EOFError, OSError, zlib.error) as problem:
        raise DatasetError(f"{path}: is damaged ({problem}). Copy or download it again.") from None


def _read_with_sitk(path: Path) -> tuple[np.ndarray, Header]:
    _require_readable(path)
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as problem:
        raise _unreadable(path, problem) from None
    n_components = image.GetNumberOfComponentsPerPixel()
    header = _describe(image, n_components, path)
    array = sitk.GetArrayFromImage(image)
    if n_components > 1:
        array = np.moveaxis(array[..., : _kept_components(n_components, path)], -1, 0)
    return array.reshape(header.n_channels, *header.geometry.shape), header


def _read_finite_channels(path: Path) -> tuple[np.ndarray, Geometry]:
    stored, header = _read_channels(path)
    with np.errstate(over="ignore"):
        channels = np.require(stored, np.float32, ["C", "W"])
    if header.dtype.startswith("float") and not (finite := np.isfinite(channels)).all():
        n_bad = int(channels.size - np.count_nonzero(finite))
        raise NumericalError(
            f"{path}: {n_bad} of {channels.size} voxels are NaN or infinite (as 32-bit floats), but every voxel needs "
            "a number. Replace them or leave the case out."
        )
    return channels, header.geometry


def _require_whole_numbers(values: np.ndarray, path: Path) -> np.ndarray:
    if not np.issubdtype(values.dtype, np.floating):
        return values
    rounded = np.rint(values)
    with np.errstate(invalid="ignore"):
        fractions = ~(np.abs(values - rounded) <= WHOLE_NUMBER_TOLERANCE)
    if fractions.any():
        raise DatasetError(
            f"{path}: a segmentation holds whole numbers, but this file holds {values[fractions][0]:g} "
            f"and {np.count_nonzero(fractions) - 1} more that are not. Is it an image or a probability map?"
        )
    whole: np.ndarray = rounded.astype(np.int32)
    return whole


def _in_smallest_type(segmentation: np.ndarray) -> np.ndarray:
    """Labels in the smallest integer type that holds them, unsigned where possible."""
    lowest, highest = int(segmentation.min(initial=0)), int(segmentation.max(initial=0))
    dtype = np.result_type(np.min_scalar_type(lowest), np.min_scalar_type(highest))
    return segmentation.astype(dtype, copy=False)


def _write(path: Path, array: np.ndarray, geometry: Geometry) -> None:
    if array.shape != geometry.shape:
        raise DatasetError(f"{path}: the array has shape {array.shape}, but its geometry has {geometry.shape}.")
    image = _to_sitk(path, array, geometry)
    with replacing(path) as temporary:
        try:
            sitk.WriteImage(image, str(temporary), useCompression=True)
        except RuntimeError as problem:
            reason = str(problem).strip().splitlines()[-1]
            raise DatasetError(
                f"{path}: {array.dtype} of shape {array.shape} cannot be written here: {reason}."
            ) from None


def _to_sitk(path: Path, array: np.ndarray, geometry: Geometry) -> sitk.Image:
    is_picture = path.name.lower().endswith(PICTURE_ENDINGS)
    is_flat = geometry.n_dimensions == 2 or (is_picture and geometry.shape[0] == 1)
    if path.name.lower().endswith(".png") and not is_flat:
        raise DatasetError(
            f"{path}: a PNG holds one slice, but the volume has {geometry.shape[0]}. Write .tif or .nii.gz."
        )
    image = sitk.GetImageFromArray(array[0] if is_flat else array)
    if is_picture:
        return image
    n_axes, d = image.GetDimension(), geometry.direction
    image.SetSpacing(geometry.spacing[::-1][:n_axes])
    image.SetOrigin(geometry.origin[:n_axes])
    image.SetDirection((d[0], d[1], d[3], d[4]) if n_axes == 2 else d)
    return image
