"""A trained model as a function, for programs of one's own: loaded once, called with arrays.

    from autoseg import Predictor

    predictor = Predictor.from_workspace("autoseg_workspace/Dataset004_Hippocampus")
    segmentation = predictor(image, spacing=(1.0, 1.0, 1.0))

Arrays are in the order (z, y, x), as `SimpleITK.GetArrayFromImage` returns them; nibabel's are (x, y, z) and have to be
transposed. Orientation is not looked at: images must lie as the training images did.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from autoseg.data.geometry import FLAT_SPACING_MM, Geometry
from autoseg.data.labels import Labels, decode_labels
from autoseg.data.splits import Fold
from autoseg.errors import NumericalError, UsageError
from autoseg.networks.device import explaining_out_of_memory
from autoseg.pipeline.model import Model, load_model
from autoseg.pipeline.prediction.overlapping import Stages, overlap
from autoseg.pipeline.prediction.spending import measure_image, plan_spending
from autoseg.pipeline.reporting import Reporter
from autoseg.postprocessing.deciding import apply_postprocessing
from autoseg.prediction.memory.budget import BYTES_PER_GB, CASES_IN_FLIGHT, Allowance, Spending, declare_allowance
from autoseg.prediction.memory.spilled import find_scratch
from autoseg.prediction.options import STEP, Mirroring, PredictionOptions
from autoseg.prediction.passes import Cases, Said, predict_case, prepare_case
from autoseg.prediction.restoring.on_cpu import Rows3
from autoseg.prediction.restoring.restore import restore, view_crop
from autoseg.preprocessing.preprocess import Placement

FLOAT32 = "float32"
REMEDY = "Set memory_gb lower, load fewer folds, or choose device='cpu'."

Array = np.ndarray
Spacing = Sequence[float]
Prepared = tuple[Cases, Spending, bool]
Computed = tuple[list[Said], Spending, bool]
Size = tuple[tuple[int, int, int], tuple[float, float, float]]


class Predictor:
    """A trained ensemble that segments arrays; it may be called from several threads at once.

    Networks run for one image at a time, whoever calls; preparing and restoring run in the calling threads.
    """

    def __init__(self, model: Model, *, memory_gb: float | None = None, scratch: Path | None = None) -> None:
        """Wrap a model that was loaded.

        Args:
            memory_gb: that a call or `predict_many` may hold, libraries and networks included, but not what the caller
                holds, nor what calls from other threads hold; None takes most of what is free at the first image.
            scratch: folder of temporary files, where memory is too small; one of the system's by default.
        """
        self.model = model
        self._memory_bytes = None if memory_gb is None else memory_gb * BYTES_PER_GB
        self._scratch = scratch or find_scratch()
        self._networks = threading.Lock()
        self._allowance: Allowance | None = None
        self._known: dict[tuple[Size, int | None], Spending] = {}

    @classmethod
    def from_workspace(
        cls,
        path: str | Path,
        *,
        configurations: Sequence[str] = (),
        folds: Sequence[Fold] = (),
        variant: str | None = None,
        device: str = "auto",
        mirroring: Mirroring = "all",
        window_step: float = STEP,
        memory_gb: float | None = None,
        scratch: str | Path | None = None,
        reporter: Reporter | None = None,
    ) -> Predictor:
        """Load what `autoseg predict-ensemble` loads.

        Args:
            path: a workspace, or the dataset whose workspace lies in the current folder.
            configurations: other than the selected ones.
            folds: other than every trained one.
            variant: name of a plan beside the first one.
            device: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.
            mirroring: `all`, `none` or `adaptive`.
            window_step: as a share of the patch.
            memory_gb, scratch: see `Predictor`.
            reporter: who is told; a log by default.

        Raises:
            WorkspaceError: nothing is trained yet, or a checkpoint is missing.
            UsageError: no such device, configuration or fold.
        """
        options = PredictionOptions(step=window_step, mirroring=mirroring)
        model = load_model(
            Path(path),
            variant=variant,
            configurations=configurations,
            folds=folds,
            device=device,
            options=options,
            reporter=reporter,
        )
        return cls(model, memory_gb=memory_gb, scratch=None if scratch is None else Path(scratch))

    @property
    def labels(self) -> Labels:
        """Names and numbers of the labels; `labels.values` are the numbers in a segmentation."""
        return self.model.labels

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels, in the order of an image's first axis."""
        return self.model.channels

    def __call__(self, image: Array, spacing: Spacing) -> Array:
        """Segment an image.

        Args:
            image: numbers (C, Z, Y, X); (Z, Y, X) where the model has one channel. Pictures: (C, Y, X) or (Y, X). It is
                not changed.
            spacing: mm between voxels, (z, y, x) or, for pictures, (y, x).

        Returns:
            integers (Z, Y, X), for pictures (Y, X), in the dataset's own label numbers; postprocessed.

        Raises:
            UsageError: the shape or the spacing does not fit the model.
            NumericalError: the image holds NaN or infinity.
            ResourceError: the memory is too small.
        """
        return self._restore(self._compute(self._prepare((image, spacing))))

    def predict_many(self, images: Iterable[tuple[Array, Spacing]]) -> Iterator[Array]:
        """Segment images lazily and in order; the next is prepared and the last restored while one is computed.

        How many are in memory at once is decided by the first image and the memory; all others have to fit as many.

        Args:
            images: pairs of image and spacing, as for a call. At most two are taken ahead.

        Yields:
            a segmentation for each, as a call returns it.

        Raises:
            ResourceError: an image is too large for so many at once; call the predictor for it alone.
        """
        given = iter(images)
        first = [image for _, image in zip(range(1), given, strict=False)]
        if not first:
            return
        size = find_size(*first[0], n_channels=len(self.channels))
        n_in_flight = self._decide(size, None).n_in_flight
        stages = Stages(lambda one: self._prepare(one, n_in_flight), self._compute, self._restore, name=_describe)
        all_of_them = chain((first.pop() for _ in range(1)), given)
        yield from overlap(all_of_them, stages, n_in_flight=n_in_flight)

    def predict_probabilities(self, image: Array, spacing: Spacing) -> Array:
        """Probabilities of every output on the image's grid, before postprocessing.

        Args:
            image, spacing: as for a call.

        Returns:
            float32 (K, Z, Y, X), for pictures (K, Y, X): one per label, background included, or one per region
            (`labels.output_names`). All of it is in memory.
        """
        said, spending, is_flat = self._compute(self._prepare((image, spacing)))
        members = said.pop().members
        sink = _Volume(members[0].n_outputs, members[0].placement, are_regions=bool(self.labels.regions))
        restore(members, probabilities=sink, slab_bytes=spending.resources.slab_bytes, device=self.model.device)
        return sink.whole[:, 0] if is_flat else sink.whole

    def _prepare(self, given: tuple[Array, Spacing], n_in_flight: int = 1) -> Prepared:
        size = find_size(*given, n_channels=len(self.channels))
        spending = self._decide(size, n_in_flight)
        with explaining_out_of_memory(f"the preparation of an image, {size[0]} voxels", REMEDY):
            volume, spacing, is_flat = arrange(*given, n_channels=len(self.channels))
            volumes = [volume]
            del volume
            return prepare_case(self.model.predictors, volumes.pop(), spacing), spending, is_flat

    def _compute(self, prepared: Prepared) -> Computed:
        grids, spending, is_flat = prepared
        with self._networks, explaining_out_of_memory("the prediction of an image", REMEDY):
            return [predict_case(self.model.predictors, grids, resources=spending.resources)], spending, is_flat

    def _restore(self, computed: Computed) -> Array:
        said, spending, is_flat = computed
        with explaining_out_of_memory("a segmentation that is restored", REMEDY):
            restored = restore(said.pop().members, slab_bytes=spending.resources.slab_bytes, device=self.model.device)
            segmentation = apply_postprocessing(restored.segmentation, self.model.postprocessing)
            decoded: Array = decode_labels(segmentation, self.labels)
        return decoded[0] if is_flat else decoded

    def _decide(self, size: Size, n_in_flight: int | None) -> Spending:
        """How such images are predicted, so many at once, or as many as fit; of several alike the first decides.

        What is free is asked once, for later the images in flight are no longer part of it.
        """
        if (size, n_in_flight) not in self._known:
            load = measure_image(self.model, "the image", Geometry(*size), FLOAT32, compares=False)
            if self._allowance is None:
                self._allowance = declare_allowance(self._memory_bytes, self.model.device, weights=load.weights)
            self._known[size, n_in_flight] = plan_spending(
                self.model,
                [load] * (max(CASES_IN_FLIGHT) if n_in_flight is None else 1),
                None,
                self._scratch,
                allowance=self._allowance,
                n_in_flight=n_in_flight,
            )
        return self._known[size, n_in_flight]


class _Volume:
    """Takes probabilities into one array (K, Z, Y, X)."""

    def __init__(self, n_outputs: int, placement: Placement, *, are_regions: bool) -> None:
        self.whole = np.zeros((n_outputs, *placement.original_shape), dtype=np.float32)
        if not are_regions:
            self.whole[0] = 1  # outside the crop is background
        self._crops = [view_crop(volume, placement) for volume in self.whole]

    def write(self, rows: Rows3, block: Array) -> None:
        for crop, values in zip(self._crops, block, strict=True):
            crop[rows] = values


def _describe(given: tuple[Array, Spacing]) -> str:
    return f"image of shape {np.shape(given[0])}"


def arrange(image: Array, spacing: Spacing, *, n_channels: int) -> tuple[Array, tuple[float, float, float], bool]:
    """An image as float32 (C, Z, Y, X) with its spacing (z, y, x), and whether it came without a first axis.

    Raises:
        UsageError: shape or spacing fit no image with so many channels.
        NumericalError: NaN or infinity.
    """
    shape, spacing_mm = find_size(image, spacing, n_channels=n_channels)
    volume = np.ascontiguousarray(np.asarray(image).reshape(n_channels, *shape), dtype=np.float32)
    if not np.isfinite(volume).all():
        raise NumericalError("the image holds NaN or infinity, but every voxel needs a number. Replace them first.")
    return volume, spacing_mm, len(spacing) == 2


def find_size(image: Array, spacing: Spacing, *, n_channels: int) -> Size:
    """Voxels and spacing (z, y, x) of an image with so many channels.

    Raises:
        UsageError: shape or spacing fit no such image.
    """
    shape, n_axes = tuple(np.shape(image)), len(spacing)
    if n_axes not in (2, 3):
        raise UsageError(f"spacing has {n_axes} values, but must be (z, y, x) in mm, or (y, x) for pictures.")
    if not all(np.isfinite(length) and length > 0 for length in spacing):
        raise UsageError(f"spacing is {tuple(spacing)}, but lengths in mm are finite and above 0.")
    whole = (1, *shape) if len(shape) == n_axes and n_channels == 1 else shape
    if len(whole) != n_axes + 1 or whole[0] != n_channels or 0 in whole:
        axes = "(C, Z, Y, X)" if n_axes == 3 else "(C, Y, X)"
        raise UsageError(f"the image has shape {shape}, but must be {axes} with {n_channels} channels.")
    z, y, x = whole[1:] if n_axes == 3 else (1, *whole[1:])
    depth, height, width = (float(length) for length in (*[FLAT_SPACING_MM] * (3 - n_axes), *spacing))
    return (z, y, x), (depth, height, width)
