"""What does a dataset look like that anybody can have at once? Small made-up MR volumes for the demo and for tests.

Each case shows a body wrapped in muscle and fat, two organs that touch, a lesion inside the first of them, and bubbles
of gas elsewhere. Brightness alone gives nothing away: one organ is as bright as muscle, the other as bright as fat, the
lesion as dark as gas; a smooth bias field shifts everything, and every case has an intensity scale of its own. Organs
are ellipsoids of random size and pose, gently warped; noise is Rician, as in magnitude images; slices are thicker than
pixels are wide.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autoseg.data.geometry import Geometry
from autoseg.data.image_io import write_segmentation, write_volume
from autoseg.data.parallel import map_in_threads
from autoseg.errors import UsageError
from autoseg.serialization import write_json

LABELS = {"background": 0, "organ_a": 1, "organ_b": 2, "lesion": 3}
ENDING = ".nii.gz"
SPACING_MM = (3.0, 1.2, 1.0)
SPACING_VARIATION = 0.05  # share, from case to case
SHAPES = ((18, 22), (56, 64), (64, 72))  # voxels (z, y, x), inclusive
BODY_RADII_MM = (28.0, 33.0, 32.0)
FAT_SHARE, MUSCLE_SHARE = 0.93, 0.83  # where fat and muscle begin, in shares of the body's radius
BRIGHTNESS = {"air": 0.03, "gas": 0.15, "body": 0.45, "muscle": 0.75, "fat": 1.0}
LOOKS_LIKE = {"organ_a": "muscle", "organ_b": "fat", "lesion": "gas"}
BIAS = 0.25  # largest change of brightness by the field
NOISE = 0.05  # standard deviation, in units of the brightness of fat
LESION_MARGIN_MM = 3.5  # organ on all sides, by more than the thickness of a slice
N_BUBBLES = 3
SCALES = (100.0, 3000.0)  # brightness of fat as stored, log-uniform over cases

Vector = np.ndarray


@dataclass(frozen=True)
class _Ellipsoid:
    """Centre and radii in mm (z, y, x); rows of `axes` are the directions of the radii."""

    centre: Vector
    radii: Vector
    axes: np.ndarray

    def reach(self, points: np.ndarray) -> np.ndarray:
        """Distance from the centre in units of the radius in that direction: at most 1 inside; points (..., 3)."""
        along: np.ndarray = ((points - self.centre) @ self.axes.T) / self.radii
        return np.asarray(np.sqrt((along**2).sum(axis=-1)))


def write_phantom_dataset(folder: Path, *, n_cases: int = 24, n_test: int = 4, seed: int = 0) -> None:
    """Write a phantom dataset as an nnU-Net folder; the same arguments give the same voxels.

    Args:
        folder: where imagesTr, labelsTr, imagesTs, labelsTs and dataset.json go.
        n_cases: training and test cases together.
        n_test: how many of them are held out; their references lie in labelsTs.
        seed: starts all randomness.
    """
    if not 0 <= n_test < n_cases:
        raise UsageError(f"A phantom dataset of {n_cases} cases cannot hold out {n_test}; leave at least one to train.")
    map_in_threads(lambda number: _write_case(folder, number, number > n_cases - n_test, seed), range(1, n_cases + 1))
    declared = {"channel_names": {"0": "MRI"}, "labels": LABELS, "numTraining": n_cases - n_test, "file_ending": ENDING}
    write_json(folder / "dataset.json", declared)


def _write_case(folder: Path, number: int, is_test: bool, seed: int) -> None:
    image, segmentation, geometry = make_phantom(np.random.default_rng((seed, number)))
    part = "Ts" if is_test else "Tr"
    write_volume(folder / f"images{part}" / f"phantom_{number:03d}_0000{ENDING}", image, geometry)
    write_segmentation(folder / f"labels{part}" / f"phantom_{number:03d}{ENDING}", segmentation, geometry)


def make_phantom(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, Geometry]:
    """Draw one case.

    Returns:
        float32 image (Z, Y, X), uint8 segmentation (Z, Y, X) with the numbers of `LABELS`, and their geometry.
    """
    geometry = _draw_geometry(rng)
    points = _points_mm(geometry)
    warped = _warp(rng, points)
    segmentation, brightness = _draw_anatomy(rng, warped)
    image = _corrupt(rng, brightness * _draw_bias_field(rng, points)) * _draw_scale(rng)
    return np.rint(image).astype(np.float32), segmentation, geometry


def _draw_geometry(rng: np.random.Generator) -> Geometry:
    z, y, x = (int(rng.integers(low, high, endpoint=True)) for low, high in SHAPES)
    dz, dy, dx = (round(mm * rng.uniform(1 - SPACING_VARIATION, 1 + SPACING_VARIATION), 3) for mm in SPACING_MM)
    return Geometry((z, y, x), (dz, dy, dx), origin=(-x * dx / 2, -y * dy / 2, -z * dz / 2))


def _points_mm(geometry: Geometry) -> np.ndarray:
    """Positions of all voxels (Z, Y, X, 3) in mm (z, y, x) from the centre of the volume."""
    axes = [(np.arange(n) - (n - 1) / 2) * mm for n, mm in zip(geometry.shape, geometry.spacing, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def _warp(rng: np.random.Generator, points: np.ndarray) -> np.ndarray:
    """Bend space by up to 2 mm in waves of 30 to 60 mm, so that no organ is an exact ellipsoid."""
    directions = rng.normal(size=(3, 3))
    waves = (
        2 * np.pi * directions / np.linalg.norm(directions, axis=1, keepdims=True) / rng.uniform(30, 60, size=(3, 1))
    )
    return np.asarray(
        points + rng.uniform(0.5, 2.0, size=3) * np.sin(points @ waves.T + rng.uniform(0, 2 * np.pi, size=3))
    )


def _draw_anatomy(rng: np.random.Generator, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place body, organs and lesion; returns the segmentation and the ideal brightness."""
    body = _Ellipsoid(np.zeros(3), np.array(BODY_RADII_MM) * rng.uniform(0.95, 1.05, size=3), np.eye(3))
    organ_a = _Ellipsoid(
        np.array([0.0, 2.0, -5.0]) + rng.uniform(-2, 2, size=3), rng.uniform(11.5, 15, size=3), _draw_pose(rng)
    )
    organ_b = _touch(rng, organ_a, rng.uniform(7.5, 10.5, size=3))
    lesion = _put_inside(rng, organ_a, rng.uniform(4.5, 6.5, size=3))
    reach = body.reach(points)
    layers = (("air", 1.0), ("fat", FAT_SHARE), ("muscle", MUSCLE_SHARE))
    brightness = np.select(
        [reach > share for _, share in layers], [BRIGHTNESS[n] for n, _ in layers], BRIGHTNESS["body"]
    )
    for bubble in _draw_bubbles(rng):
        brightness[(bubble.reach(points) <= 1) & (reach < MUSCLE_SHARE)] = BRIGHTNESS["gas"]
    segmentation = np.zeros(points.shape[:-1], dtype=np.uint8)
    for name, shape in (("organ_b", organ_b), ("organ_a", organ_a), ("lesion", lesion)):
        inside = shape.reach(points) <= 1
        segmentation[inside], brightness[inside] = LABELS[name], BRIGHTNESS[LOOKS_LIKE[name]]
    return segmentation, brightness


def _draw_bubbles(rng: np.random.Generator) -> list[_Ellipsoid]:
    """Gas in front of, behind and beside the organs; where it would reach into one, the organ is drawn over it."""
    centres = np.array([0.0, 0.0, 8.0]) + rng.uniform(-1, 1, size=(N_BUBBLES, 3)) * np.array([14.0, 20.0, 14.0])
    return [_Ellipsoid(centre, rng.uniform(3.5, 6.5, size=3), _draw_pose(rng)) for centre in centres]


def _draw_pose(rng: np.random.Generator) -> np.ndarray:
    """A random rotation: the orthogonal factor of a random matrix."""
    return np.linalg.qr(rng.normal(size=(3, 3)))[0]


def _touch(rng: np.random.Generator, neighbour: _Ellipsoid, radii: Vector) -> _Ellipsoid:
    """An ellipsoid to the right of another, close enough that the two overlap by a few mm."""
    direction = np.array([rng.uniform(-0.4, 0.4), rng.uniform(-0.7, 0.7), 1.0])
    direction /= np.linalg.norm(direction)
    surface_mm = 1 / neighbour.reach(neighbour.centre + direction)
    return _Ellipsoid(neighbour.centre + direction * (surface_mm + 0.6 * radii.mean()), radii, _draw_pose(rng))


def _put_inside(rng: np.random.Generator, organ: _Ellipsoid, radii: Vector) -> _Ellipsoid:
    """A lesion that its organ surrounds on all sides."""
    room = 1 - (radii.max() + LESION_MARGIN_MM) / organ.radii.min()
    direction = rng.normal(size=3)
    direction *= room * rng.uniform() ** (1 / 3) / np.linalg.norm(direction)
    return _Ellipsoid(organ.centre + (direction * organ.radii) @ organ.axes, radii, _draw_pose(rng))


def _draw_bias_field(rng: np.random.Generator, points: np.ndarray) -> np.ndarray:
    """A smooth factor per voxel between 1 - BIAS and 1 + BIAS: a gradient and a slow wave in random directions."""
    gradient, wave = rng.normal(size=(2, 3))
    slope = points @ (gradient / np.linalg.norm(gradient)) / np.abs(points).max()
    swing = np.sin(np.pi * points @ (wave / np.linalg.norm(wave)) / 60 + rng.uniform(0, 2 * np.pi))
    return np.asarray(1 + BIAS * (0.5 * slope + 0.5 * swing))


def _corrupt(rng: np.random.Generator, brightness: np.ndarray) -> np.ndarray:
    """Rician noise: the magnitude of a complex signal with Gaussian noise in both parts."""
    real, imaginary = rng.normal(scale=NOISE, size=(2, *brightness.shape))
    return np.asarray(np.hypot(brightness + real, imaginary))


def _draw_scale(rng: np.random.Generator) -> float:
    low, high = SCALES
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
