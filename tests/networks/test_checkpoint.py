"""A checkpoint comes back as it went in, whatever the memory layout of its weights was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from autoseg.data.labels import Labels, Region
from autoseg.errors import WorkspaceError
from autoseg.fingerprinting.fingerprint import CaseFacts, Fingerprint
from autoseg.networks.build import build_network
from autoseg.networks.checkpoint import Checkpoint, load_network, read_checkpoint, write_checkpoint, write_tensors
from autoseg.pipeline.project import Project
from autoseg.planning.devices import DeviceFacts
from autoseg.planning.planner import make_plan
from autoseg.prediction.configuration_predictor import load_predictor
from autoseg.prediction.restoring.restore import restore


def test_a_network_from_a_checkpoint_has_its_weights(trained: Project) -> None:
    checkpoint = read_checkpoint(trained.workspace.run("3d_fullres", 0).checkpoint)
    network = load_network(checkpoint)
    assert not network.training
    assert all(torch.equal(tensor, checkpoint.weights[name]) for name, tensor in network.state_dict().items())


def test_channels_last_weights_are_written_as_they_are(tmp_path: Path) -> None:
    weights = torch.randn(4, 3, 2, 5, 6).to(memory_format=torch.channels_last_3d)
    write_tensors(tmp_path / "a.safetensors", {"w": weights}, {})
    from safetensors.torch import load_file

    assert torch.equal(load_file(tmp_path / "a.safetensors")["w"], weights)


def test_a_file_of_another_kind_is_one_clear_line(tmp_path: Path) -> None:
    write_tensors(tmp_path / "a.safetensors", {"w": torch.zeros(1)}, {"format": 99})
    with pytest.raises(WorkspaceError, match="is not a checkpoint of format 1, but 99"):
        read_checkpoint(tmp_path / "a.safetensors")
    with pytest.raises(WorkspaceError, match="Train this fold first"):
        read_checkpoint(tmp_path / "b.safetensors")


def test_a_network_of_regions_has_an_output_for_each(tmp_path: Path) -> None:
    """Two regions out of three foreground labels, which a cascade would see as three channels."""
    both, core = Region(name="both", labels=(1, 2, 3), paints=1), Region(name="core", labels=(3,), paints=3)
    names = ("background", "label_1", "label_2", "core")
    labels = Labels(names=names, values=(0, 1, 2, 3), regions=(both, core))
    cases = tuple(CaseFacts(id=str(i), spacing_mm=(3, 1, 1), shape_after_cropping=(8, 28, 20)) for i in range(4))
    fingerprint = Fingerprint(dataset="toy", channels=("MRI",), labels=labels, cases=cases)
    plan = make_plan(fingerprint, DeviceFacts(device="cpu", memory_gb=4.0, n_threads=1, gflops=50.0))
    settings = plan.configurations["3d_fullres"]
    weights = build_network(settings, 1, 2).state_dict()
    write_checkpoint(tmp_path / "a.safetensors", Checkpoint(weights, plan, "3d_fullres", "0"))
    predictor = load_predictor([tmp_path / "a.safetensors"], device=torch.device("cpu"))
    image = np.random.default_rng(0).normal(size=(1, 8, 28, 20)).astype(np.float32)
    member = predictor.predict_original(image, (3.0, 1.0, 1.0))
    assert (member.n_outputs, member.regions) == (2, (both, core))
    assert set(np.unique(restore([member]).segmentation)) <= {0, 1, 3}
