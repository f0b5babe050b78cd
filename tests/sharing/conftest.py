"""A workspace with weights that nobody trained: a cascade, a 2D configuration, reports and a selection."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from autoseg.data.splits import ALL
from autoseg.decision import found
from autoseg.evaluation.evaluating import make_report
from autoseg.evaluation.report import CaseScores, LabelScores
from autoseg.networks.build import build_network
from autoseg.networks.checkpoint import Checkpoint, write_checkpoint
from autoseg.pipeline.planning import ensure_plan
from autoseg.pipeline.project import Project, open_project
from autoseg.pipeline.selection import Selection
from autoseg.pipeline.sharing.trained import Trained
from autoseg.planning.choices import Blocks, Topology
from autoseg.planning.devices import DeviceFacts
from autoseg.planning.plan import Plan
from autoseg.planning.plan_file import write_plan
from autoseg.planning.wishes import Wishes
from autoseg.postprocessing.deciding import Postprocessing, Step
from autoseg.serialization import write_json, write_yaml
from tests.pipeline.conftest import edit, plan_cascade

SCORES = ("jaccard", "precision", "recall", "reference_ml", "predicted_ml", "volume_error_ml")


def plan_small(plan: Plan) -> Plan:
    """The small cascade, with 2D beside it and a residual encoder in 3d_lowres."""
    cascaded = plan_cascade(plan)
    flat = edit(
        plan.find_configuration("2d"),
        patch_size=(32, 48),
        topology=Topology(strides=((1, 1), (2, 2)), kernel_sizes=((3, 3), (3, 3))),
        features=(4, 8),
        blocks=Blocks(encoder=(1, 1), decoder=(1,)),
    )
    configurations = {**cascaded.configurations, "2d": flat}
    configurations["3d_lowres"] = edit(configurations["3d_lowres"], network="residual_unet")
    return cascaded.model_copy(update={"configurations": configurations})


def write_fold(project: Project, plan: Plan, configuration: str, fold: int | str) -> None:
    """A checkpoint with fresh weights whose facts name cases and files, as those of a training do."""
    settings = plan.find_configuration(configuration)
    torch.manual_seed(hash((len(configuration), str(fold))) % 1000)
    n_inputs = settings.count_input_channels(len(plan.channels), plan.labels.n_labels)
    network = build_network(settings, n_inputs, plan.labels.n_outputs)
    facts = {
        "iterations": 3,
        "spent_s": 7.5,
        "seed": 0,
        "torch": torch.__version__,
        "pretrained": str(project.dataset.folder / "weights.safetensors"),
        "annotated": {project.dataset.case_ids[0]: [True]},
        "train_ids": list(project.dataset.case_ids[:4]),
        "validation_ids": list(project.dataset.case_ids[4:]),
    }
    path = project.workspace.run(configuration, fold).checkpoint  # type: ignore[arg-type]
    write_checkpoint(path, Checkpoint(network.state_dict(), plan, configuration, str(fold), facts))


def write_report(project: Project, plan: Plan, configuration: str, fold: int) -> None:
    """Scores of two cases in a fold's validation."""
    names = [name for name, _ in plan.labels.targets]
    cases = [
        CaseScores(
            case_id=case_id,
            labels={name: LabelScores(dice=dice, **dict.fromkeys(SCORES, 0.5)) for name in names},
        )
        for case_id, dice in zip(project.dataset.case_ids[2 * fold : 2 * fold + 2], (0.8, 0.9), strict=True)
    ]
    write_json(project.workspace.run(configuration, fold).report, make_report(cases, plan.labels))


def write_model(phantom: Path, workspace: Path) -> Project:
    """All of it; the cascade is selected, and the largest component of all foreground is kept."""
    write_json(workspace / "device.json", DeviceFacts(device="cpu", memory_gb=8.0, n_threads=2, gflops=60.0))
    project = open_project(phantom, workspace=workspace)
    plan = plan_small(ensure_plan(project, Wishes(train_time_s=60)))
    write_plan(project.workspace.plan, plan)
    for name in ("2d", "3d_lowres", "3d_cascade"):
        for fold in (0, 1):
            write_fold(project, plan, name, fold)
            write_report(project, plan, name, fold)
    write_fold(project, plan, "2d", ALL)
    selection = Selection(
        basis="of a test",
        folds=(0, 1),
        configurations=found(("2d", "3d_cascade"), "for a test"),
        postprocessing=found(Postprocessing(steps=(Step(labels=plan.labels.foreground),)), "for a test"),
        validation_dice={"2d+3d_cascade": 0.85},
    )
    write_yaml(project.workspace.selection, selection)
    return project


@pytest.fixture(scope="session")
def untrained(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A workspace whose weights nobody trained."""
    return write_model(phantom, tmp_path_factory.mktemp("untrained") / "workspace")


@pytest.fixture
def alone(untrained: Project, tmp_path: Path) -> Path:
    """The same workspace without its dataset."""
    shutil.copytree(untrained.workspace.root, tmp_path / "workspace")
    return tmp_path / "workspace"


def narrow(trained: Trained, checkpoints: list[Path]) -> Trained:
    """The same ensemble with these of its checkpoints."""
    pairs = zip(trained.checkpoints, trained.trainings, strict=True)
    kept = [(path, training) for path, training in pairs if path in checkpoints]
    return replace(
        trained, checkpoints=tuple(path for path, _ in kept), trainings=tuple(training for _, training in kept)
    )
