"""A checkpoint comes back as it went in, whatever the memory layout of its weights was."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from autoseg.errors import WorkspaceError
from autoseg.networks.checkpoint import load_network, read_checkpoint, write_tensors
from autoseg.pipeline.project import Project


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
