"""A checkpoint of nnU-Net is read, and nothing that it names runs."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autoseg.errors import WorkspaceError
from autoseg.importing.nnunet_checkpoint import read_nnunet_checkpoint

CONTENT: dict[str, Any] = {
    "network_weights": {"a": torch.ones(2)},
    "init_args": {"configuration": "3d_fullres", "device": torch.device("cpu")},
    "inference_allowed_mirroring_axes": (0, 2),
    "trainer_name": "nnUNetTrainer",
    "current_epoch": 1000,
}


class Command:
    """What a pickle of it does when it is read: run a command."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __reduce__(self) -> Any:
        return os.system, (self.text,)


@pytest.mark.parametrize("is_plain_pickle", [False, True])
def test_a_command_in_a_pickle_does_not_run(tmp_path: Path, is_plain_pickle: bool) -> None:
    path, trace = tmp_path / "checkpoint_final.pth", tmp_path / "it_ran"
    content = {**CONTENT, "network_weights": Command(f"touch {trace}")}
    if is_plain_pickle:
        path.write_bytes(pickle.dumps(content["network_weights"], protocol=2))
    else:
        torch.save(content, path)
    with pytest.raises(WorkspaceError, match=r"^\S+checkpoint_final.pth: names \w+\.system, [^\n]*$"):
        read_nnunet_checkpoint(path)
    assert not trace.exists()


def test_numbers_of_numpy_are_read(tmp_path: Path) -> None:
    """nnU-Net logs them."""
    logged = [np.float32(0.5), np.float64(0.1), np.int64(3), np.bool_(True)]
    torch.save({**CONTENT, "logging": logged}, tmp_path / "it.pth")
    read = read_nnunet_checkpoint(tmp_path / "it.pth")
    assert (read.configuration, read.mirroring_axes, read.n_epochs) == ("3d_fullres", (0, 2), 1000)
    assert torch.equal(read.weights["a"], torch.ones(2))


def test_no_mirroring_may_be_said_in_two_ways(tmp_path: Path) -> None:
    torch.save({**CONTENT, "inference_allowed_mirroring_axes": None}, tmp_path / "none.pth")
    torch.save({k: v for k, v in CONTENT.items() if "mirroring" not in k}, tmp_path / "missing.pth")
    assert read_nnunet_checkpoint(tmp_path / "none.pth").mirroring_axes == ()
    assert read_nnunet_checkpoint(tmp_path / "missing.pth").mirroring_axes == ()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([1, 2], "holds a list"),
        ({**CONTENT, "network_weights": {}}, "must hold tensors"),
        ({**CONTENT, "init_args": None}, "init_args is missing"),
        ({**CONTENT, "init_args": {}}, "configuration is missing"),
    ],
)
def test_what_is_no_checkpoint_is_named(tmp_path: Path, content: Any, said: str) -> None:
    torch.save(content, tmp_path / "it.pth")
    with pytest.raises(WorkspaceError, match=said):
        read_nnunet_checkpoint(tmp_path / "it.pth")


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_a_damaged_file_is_one_line(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "it.pth"
    torch.save(CONTENT, path)
    path.write_bytes({"cut": path.read_bytes()[:300], "text": b"hello, I am a text", "empty": b""}[damage])
    with pytest.raises(WorkspaceError, match=r"it.pth: is damaged or no checkpoint of nnU-Net") as told:
        read_nnunet_checkpoint(path)
    assert "\n" not in str(told.value)


LEGACY = pickle.dumps({"init_args": {"configuration": "2d"}, "current_epoch": 3}, protocol=2)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02X\x01",  # a string whose length is cut: struct.error
        b"\x80\x02\x8a\x05\x01",  # a long number that ends early
        b"\x80\x02.",  # a stop without a value: IndexError
        b"\x80\x02h\x07.",  # a memo that nobody filled: KeyError
        b"\x80\x02X\xff\xff\xff\xff.",  # a string longer than the file
        b"\x80\x02(K\x01K\x02s.",  # pairs for no dictionary
        *(LEGACY[:length] for length in range(1, len(LEGACY), 7)),
    ],
)
def test_a_legacy_pickle_cut_anywhere_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "it.pth"
    path.write_bytes(content)
    with pytest.raises(
        WorkspaceError, match=r"it.pth: (is damaged or no checkpoint of nnU-Net|.*Copy it anew)"
    ) as told:
        read_nnunet_checkpoint(path)
    assert "\n" not in str(told.value)
