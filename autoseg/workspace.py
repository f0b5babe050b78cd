"""Names every file and folder that autoseg writes for one dataset. Paths only: nothing here reads or writes a file.

autoseg_workspace/<dataset>/
  dataset.json                        how the dataset was read: layout, channels, labels, mapping
  fingerprint.json                    what was measured
  device.json                         what this machine can do, measured once
  engines.json                        who augments patches faster, measured when training begins
  plan.yaml                           what was decided, and why
  splits.json                         who trains and who validates in each fold, and why so; yours may take its place
  preprocessed/<2d|3d>-<digest>/        shared by all configurations and plans that want the same values
    CASE.image.b2nd CASE.segmentation.b2nd CASE.locations.npy CASE.json
  previous/<configuration>-<digest>/
    CASE.b2nd                         what a low-resolution fold says of the cases that it never saw, for the cascade;
                                      named after the fold's weights and never removed: `previous` may be deleted
                                      whenever nothing trains, what is needed of it is predicted again
  trained/<configuration>/fold_<k>/     fold_all trained on every case; fold_<k>.old1, ... are runs that --restart
                                      moved aside: nothing reads them
    checkpoint.safetensors            weights and the configuration that they obey
    resume.safetensors                everything that an interrupted run continues from
    history.jsonl  progress.png       one line per epoch, and its picture
    running.lock                      held by the process that trains
    validation/CASE.<ending>          predictions of the cases that the fold never saw
    validation/report.json|csv|md     their scores
  crossvalidation/<candidate>/        the pooled predictions that `select` compared
  selection.yaml                      the best configuration or ensemble, and its postprocessing
  benchmark/                            what `benchmark` compared: report.html, report.md, results.csv, report.json
    <method>-<digest>/                  named after all that its runs obey: what changed is run anew
      seed_<s>/fold_<k>/                the files of a run under another network, or the validation/ of a floor
        run.json                        its result: scores, curve and costs
        trials/rate_<r>/                short runs that searched for the learning rate
      failure.txt                       why the method has no result
    comparisons/<name>-<digest>/        each comparison's own page; the latest lies in benchmark/ as well
  benchmark.lock                        held by the benchmark that runs
  variants/<name>/...                 plan.yaml, device.json, trained/, ... of a plan for another device; what does not
                                      depend on the plan, and the preprocessed cases, lie above and are shared
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autoseg.data.splits import ALL, Fold

DEFAULT_ROOT = Path("autoseg_workspace")
FAILURE = (
    "failure.txt"  # of a run, or of a method that was compared: a line for the report, and below it all that is known
)


@dataclass(frozen=True)
class Workspace:
    """The folder of one dataset's artifacts.

    Attributes:
        root: the folder.
        variant: name of a plan beside the first one, for another device.
    """

    root: Path
    variant: str | None = None

    @property
    def home(self) -> Path:
        """Where everything lies that follows from the plan."""
        return self.root / "variants" / self.variant if self.variant else self.root

    @property
    def dataset(self) -> Path:
        return self.root / "dataset.json"

    @property
    def fingerprint(self) -> Path:
        return self.root / "fingerprint.json"

    @property
    def device(self) -> Path:
        return self.home / "device.json"

    @property
    def probed_device(self) -> Path:
        """Where `autoseg probe` stores what it measured, for all datasets whose workspaces lie side by side."""
        return self.root.parent / "device.json"

    @property
    def engines(self) -> Path:
        return self.home / "engines.json"

    @property
    def plan(self) -> Path:
        return self.home / "plan.yaml"

    @property
    def splits(self) -> Path:
        return self.root / "splits.json"

    @property
    def selection(self) -> Path:
        return self.home / "selection.yaml"

    @property
    def benchmark(self) -> Path:
        return self.home / "benchmark"

    def compared(self, method: str, seed: int, fold: int) -> Run:
        """A run of a comparison."""
        return Run(self.benchmark / method / f"seed_{seed}" / f"fold_{fold}")

    @property
    def variants(self) -> tuple[Workspace, ...]:
        """The workspace of the first plan, and of every plan beside it: they share the dataset and its splits."""
        names = sorted(folder.name for folder in (self.root / "variants").glob("*") if folder.is_dir())
        return (Workspace(self.root), *(Workspace(self.root, name) for name in names))

    def preprocessed(self, n_dimensions: int, digest: str) -> Path:
        return self.root / "preprocessed" / f"{n_dimensions}d-{digest}"

    def previous(self, configuration: str, digest: str) -> Path:
        return self.home / "previous" / f"{configuration}-{digest}"

    @property
    def runs(self) -> Path:
        return self.home / "trained"

    def trained(self, configuration: str) -> Path:
        return self.runs / configuration

    def run(self, configuration: str, fold: Fold) -> Run:
        return Run(self.trained(configuration) / f"fold_{fold}")

    def find_runs(self, configuration: str) -> dict[Fold, Run]:
        """The runs of a configuration that are there, by fold, `all` last; not those moved aside (`fold_0.old1`)."""
        names = {path.name.removeprefix("fold_") for path in self.trained(configuration).glob("fold_*")}
        folds: list[Fold] = [*sorted(int(name) for name in names if name.isdigit()), *([ALL] if ALL in names else [])]
        return {fold: self.run(configuration, fold) for fold in folds}

    def find_folds(self, configuration: str) -> dict[int, Run]:
        """The runs of the cross-validation alone."""
        return {fold: run for fold, run in self.find_runs(configuration).items() if fold != ALL}

    def crossvalidation(self, candidate: str) -> Path:
        return self.home / "crossvalidation" / candidate


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

    @property
    def result(self) -> Path:
        return self.root / "run.json"

    def trial(self, rate: float) -> Run:
        """A short run with another learning rate."""
        return Run(self.root / "trials" / f"rate_{rate:g}")


def default_workspace(dataset_name: str, variant: str | None = None) -> Workspace:
    """The workspace that a command uses unless told otherwise: in the current folder, named after the dataset."""
    return Workspace(DEFAULT_ROOT / dataset_name, variant)
