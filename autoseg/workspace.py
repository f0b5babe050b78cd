"""Names every file and folder that autoseg writes for one dataset. Paths only: nothing here reads or writes.

autoseg_workspace/<dataset>/
  dataset.json                        how the dataset was read: layout, channels, labels, mapping
  fingerprint.json                    what was measured
  device.json                         what this machine can do, measured once
  plan.yaml                           what was decided, and why
  splits.json                         who trains and who validates in each fold
  preprocessed/<configuration>-<digest>/
    CASE.image.b2nd CASE.segmentation.b2nd CASE.locations.npy CASE.json
  trained/<configuration>/fold_<k>/
    checkpoint.safetensors            weights and the configuration that they obey
    resume.safetensors                everything that an interrupted run continues from
    history.jsonl  progress.png       one line per epoch, and its picture
    running.lock                      held by the process that trains
    validation/CASE.<ending>          predictions of the cases that the fold never saw
    validation/report.json            their scores
  crossvalidation/<candidate>/        the pooled predictions that `select` compared
  selection.yaml                      the best configuration or ensemble, and its postprocessing
  benchmark/<method>/...              the same tree under another network, and report.json beside them
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DEFAULT_ROOT = Path("autoseg_workspace")


@dataclass(frozen=True)
class Workspace:
    """The folder of one dataset's artifacts."""

    root: Path

    @property
    def dataset(self) -> Path:
        return self.root / "dataset.json"

    @property
    def fingerprint(self) -> Path:
        return self.root / "fingerprint.json"

    @property
    def device(self) -> Path:
        return self.root / "device.json"

    @property
    def plan(self) -> Path:
        return self.root / "plan.yaml"

    @property
    def splits(self) -> Path:
        return self.root / "splits.json"

    @property
    def selection(self) -> Path:
        return self.root / "selection.yaml"

    @property
    def benchmark(self) -> Path:
        return self.root / "benchmark"

    def preprocessed(self, configuration: str, digest: str) -> Path:
        return self.root / "preprocessed" / f"{configuration}-{digest}"

    @property
    def runs(self) -> Path:
        return self.root / "trained"

    def trained(self, configuration: str) -> Path:
        return self.runs / configuration

    def run(self, configuration: str, fold: int | str) -> Run:
        return Run(self.trained(configuration) / f"fold_{fold}")

    def crossvalidation(self, candidate: str) -> Path:
        return self.root / "crossvalidation" / candidate


@dataclass(frozen=True)
class Run:
    """The folder of one training run: a configuration and a fold."""

    root: Path

    @property
    def checkpoint(self) -> Path:
        return self.root / "checkpoint.safetensors"

    @property
    def resume(self) -> Path:
        return self.root / "resume.safetensors"

    @property
    def history(self) -> Path:
        return self.root / "history.jsonl"

    @property
    def progress(self) -> Path:
        return self.root / "progress.png"

    @property
    def lock(self) -> Path:
        return self.root / "running.lock"

    @property
    def validation(self) -> Path:
        return self.root / "validation"

    @property
    def report(self) -> Path:
        return self.validation / "report.json"


def default_workspace(dataset_name: str) -> Workspace:
    """The workspace that a command uses unless told otherwise: in the current folder, named after the dataset."""
    return Workspace(DEFAULT_ROOT / dataset_name)
