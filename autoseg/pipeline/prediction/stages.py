"""What is done to a case on its way from files to files? Read and prepare; compute; restore and write.

The stages run in different threads (`overlapping`), so that each passes on all that the next needs and holds nothing
else: images leave when they are prepared, logits when they are restored.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np

from autoseg.data.case import read_case
from autoseg.data.dataset import Case
from autoseg.data.geometry import Geometry
from autoseg.data.image_io import write_segmentation
from autoseg.data.labels import Labels, decode_labels
from autoseg.data.nifti_writing import write_nifti
from autoseg.networks.device import PREDICTION_REMEDY, explaining_out_of_memory, measure_peak_memory_gb
from autoseg.pipeline.model import Model
from autoseg.pipeline.prediction.confidence_file import make_rows
from autoseg.pipeline.prediction.destination import Destination, Extras
from autoseg.pipeline.prediction.ledger import Ledger
from autoseg.pipeline.prediction.manifest import Predicted, Seconds
from autoseg.pipeline.prediction.spending import Following
from autoseg.pipeline.prediction.unusual import find_doubts, find_missing, find_unusual
from autoseg.postprocessing.deciding import apply_postprocessing
from autoseg.prediction.confidence import count_voxels, measure_confidence
from autoseg.prediction.memory.budget import Resources, Spending
from autoseg.prediction.passes import Cases, Said, predict_case, prepare_case
from autoseg.prediction.restoring.probability_files import LARGEST, ProbabilityFiles
from autoseg.prediction.restoring.restore import Restored, restore
from autoseg.serialization import digest, digest_file


@dataclass(frozen=True)
class Ready:
    """A case that was read and prepared.

    Attributes:
        source: digest of its files.
        warnings: what is unusual about it.
        grids: its images; computing empties it.
        seconds: that it took.
    """

    case: Case
    source: str
    geometry: Geometry
    warnings: tuple[str, ...]
    grids: Cases
    seconds: float


@dataclass(frozen=True)
class Computed:
    """A case whose logits are there.

    Attributes:
        said: by all passes; restoring empties the list.
        seconds: that it took.
    """

    ready: Ready
    said: list[Said]
    seconds: float


@dataclass
class Run:
    """One run over cases, and what its stages share.

    Attributes:
        ledger: every case of the folder; only `write` changes it while stages overlap.
        following: progress, for `compute` alone.
        warn: is told what is unusual.
    """

    model: Model
    destination: Destination
    extras: Extras
    ledger: Ledger
    spending: Spending | None = None
    following: Following | None = None
    warn: Callable[[str], None] | None = None

    @property
    def resources(self) -> Resources:
        return Resources() if self.spending is None else self.spending.resources

    def read(self, case: Case) -> Ready:
        """Read, check and prepare; the image itself stays here."""
        began, model = time.monotonic(), self.model
        loaded = read_case(case, labels=model.labels, n_channels=len(model.channels))
        geometry, warnings = loaded.geometry, find_unusual(loaded, model.fingerprint)
        images = [loaded.image]
        del loaded
        with _explaining(case.id, geometry):
            grids = prepare_case(model.predictors, images.pop(), geometry.spacing)
        return Ready(case, digest_source(case), geometry, warnings, grids, time.monotonic() - began)

    def compute(self, ready: Ready) -> Computed:
        """All passes over all windows."""
        began = time.monotonic()
        for warning in ready.warnings if self.warn else ():
            self.warn(warning)  # type: ignore[misc]
        with _explaining(ready.case.id, ready.geometry):
            said = predict_case(
                self.model.predictors,
                ready.grids,
                resources=self.resources,
                count_agreement=any(len(one.networks) > 1 for one in self.model.predictors),
                on_progress=self.following.begin(ready.case.id) if self.following else None,
            )
        return Computed(ready, [said], time.monotonic() - began)

    def write(self, computed: Computed) -> Predicted:
        """Restore, postprocess and write; the segmentation is the last file, and then the case is done."""
        began = time.monotonic()
        ready, model = computed.ready, self.model
        case_id, said = ready.case.id, computed.said.pop()
        n_windows, n_skipped = said.n_windows, said.n_skipped
        agreement = [member.agreement for member in said.members]
        self._remove_stale(case_id)
        with _explaining(case_id, ready.geometry):
            restored = self._restore(ready, said)
            del said
            segmentation = apply_postprocessing(restored.segmentation, model.postprocessing)
        voxel_ml = ready.geometry.voxel_volume_ml
        n_voxels = count_targets(segmentation, model.labels)
        volumes = {name: _finite_or_none(n * voxel_ml) for name, n in n_voxels.items()}
        certainty = measure_confidence(restored, agreement, model.labels, voxel_ml)
        rows = make_rows(
            case_id, certainty, model.calibration, volumes_ml=volumes, calibration_note=model.calibration_note
        )
        if self.extras.uncertainty and restored.entropy is not None:
            write_nifti(self.destination.uncertainty(case_id), restored.entropy, ready.geometry, slope=1 / LARGEST)
        del restored
        path = self.destination.segmentation(case_id)
        write_segmentation(path, decode_labels(segmentation, model.labels), ready.geometry)
        seconds = (ready.seconds, computed.seconds, time.monotonic() - began)
        predicted = Predicted(
            case_id=case_id,
            file=path.name,
            extras=tuple(self.name_extras(case_id)),
            earlier=self.ledger.cases[case_id].earlier,
            source=ready.source,
            runtime_s=round(sum(seconds), 3),
            seconds=Seconds(**{name: round(s, 3) for name, s in zip(Seconds.model_fields, seconds, strict=True)}),
            peak_memory_gb=round(measure_peak_memory_gb(model.device), 3),
            n_windows=n_windows,
            n_skipped=n_skipped,
            volumes_ml=volumes,
            predicted_dice={row.label: row.predicted_dice for row in rows} if model.calibration else {},
            warnings=ready.warnings,
            doubts=(*find_missing(case_id, n_voxels, model.fingerprint), *find_doubts(rows, model.low_dice)),
        )
        self.ledger.add(predicted, rows)
        return predicted

    def name_extras(self, case_id: str) -> list[str]:
        """Names of the images that are written beside a case's segmentation."""
        return [path.name for path in self.destination.list_extras(case_id, self.extras, self.model.labels)]

    def _remove_stale(self, case_id: str) -> None:
        """Images beside an earlier segmentation of the same name, which nobody asks for now, would belong to no one."""
        for name in set(self.ledger.cases[case_id].extras) - set(self.name_extras(case_id)):
            (self.destination.folder / name).unlink(missing_ok=True)

    def _restore(self, ready: Ready, said: Said) -> Restored:
        labels = self.model.labels
        if not self.extras.probabilities:
            return self._restore_to(said, None)
        files = self.destination.probabilities(ready.case.id, labels)
        placement = said.members[0].placement
        with ProbabilityFiles(files, ready.geometry, placement, are_regions=bool(labels.regions)) as sink:
            return self._restore_to(said, sink)

    def _restore_to(self, said: Said, sink: ProbabilityFiles | None) -> Restored:
        """Where the networks compute; on the CPU of a computer without a GPU."""
        slab_bytes, device = self.resources.slab_bytes, self.model.device
        return restore(
            said.members, entropy=True, softness=True, probabilities=sink, slab_bytes=slab_bytes, device=device
        )


def digest_source(case: Case) -> str:
    """Names the content of a case's files."""
    return digest([digest_file(path) for path in case.images])


def count_targets(segmentation: np.ndarray, labels: Labels) -> dict[str, int]:
    """Voxels of each label or region."""
    counts = count_voxels(segmentation, labels.n_labels)
    return {name: int(counts[list(its)].sum()) for name, its in labels.targets}


def _finite_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _explaining(case_id: str, geometry: Geometry) -> AbstractContextManager[None]:
    return explaining_out_of_memory(f"the prediction of {case_id}, {geometry.shape} voxels", PREDICTION_REMEDY)
