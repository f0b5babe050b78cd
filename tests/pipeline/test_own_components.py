"""A loss of ten lines, as the README shows it, is used through the plan alone; so is a network."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoseg.errors import PlanError
from autoseg.networks.checkpoint import read_checkpoint
from autoseg.networks.device import choose_device
from autoseg.pipeline.project import Project, open_project
from autoseg.pipeline.replanning import Edits, replan
from autoseg.pipeline.training import TrainingWishes, train_folds
from autoseg.planning.wishes import Wishes
from autoseg.prediction.configuration_predictor import load_predictor
from autoseg.serialization import read_json, write_json
from autoseg.training.history import read_history
from autoseg.workspace import Run

README = Path(__file__).parents[2] / "README.md"
NETWORK = '''
from torch import nn


class OneLayer(nn.Module):
    """A network of one convolution."""

    def __init__(self, configuration, n_channels, n_outputs):
        super().__init__()
        self.layer = nn.Conv3d(n_channels, n_outputs, 3, padding=1)

    def forward(self, image):
        return self.layer(image)
'''
SMALL = ("3d_fullres.patch_size=[16,32,32]", "3d_fullres.batch_size=2", "3d_fullres.augmentation_engine=workers")


@pytest.fixture
def own_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`my_losses.py` out of the README, and `my_networks.py`, in a folder that Python searches."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    (tmp_path / "my_losses.py").write_text(next(block for block in blocks if "def background_leak" in block))
    (tmp_path / "my_networks.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("my_losses", "my_networks"):
        sys.modules.pop(name, None)


def train_with(trained: Project, workspace: Path, *assignments: str) -> Run:
    write_json(workspace / "device.json", read_json(trained.workspace.device))
    project = open_project(trained.dataset.folder, workspace=workspace)
    replan(project, Wishes(train_time_s=60), Edits(assignments=(*SMALL, *assignments)))
    wishes = TrainingWishes(configurations=("3d_fullres",), folds=("0",), n_iterations=2, n_workers=0)
    train_folds(project, wishes)
    return project.workspace.run("3d_fullres", 0)


@pytest.mark.usefixtures("own_modules")
def test_a_loss_of_the_readme_is_named_in_the_plan_and_recorded_with_the_weights(
    trained: Project, tmp_path: Path
) -> None:
    terms = '3d_fullres.loss.terms={cross_entropy: 1, soft_dice: 1, "my_losses:background_leak": 0.1}'
    parameters = '3d_fullres.loss.parameters={"my_losses:background_leak": {weight: 3.0}}'
    run = train_with(trained, tmp_path / "workspace", terms, parameters)
    shown = read_history(run.history)[-1].terms
    assert set(shown) == {"cross_entropy", "soft_dice", "my_losses:background_leak"}
    assert 0 < shown["my_losses:background_leak"] < 3.0
    key = "loss.terms.my_losses:background_leak"
    assert read_checkpoint(run.checkpoint).facts["components"] == {key: "my_losses:background_leak"}


def test_a_network_of_ones_own_predicts_where_its_module_is_and_else_says_what_is_missing(
    trained: Project, tmp_path: Path, own_modules: None
) -> None:
    run = train_with(trained, tmp_path / "workspace", "3d_fullres.network=my_networks:OneLayer")
    assert load_predictor([run.checkpoint], device=choose_device("cpu")).networks
    sys.modules.pop("my_networks")
    (tmp_path / "my_networks.py").unlink()
    with pytest.raises(PlanError, match=r"my_networks:OneLayer.*PYTHONPATH"):
        load_predictor([run.checkpoint], device=choose_device("cpu"))
