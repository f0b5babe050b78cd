"""What is written for TensorBoard is in the file, read here without any of its readers."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoseg.tracking import TrackerFolder, open_tracker

pytest.importorskip("tensorboardX", reason="pip install autoseg[tensorboard]")


def read_events(folder: Path) -> Iterator[Any]:
    """Events of all files: each is its length in 8 bytes, a checksum of 4, its bytes, and a checksum of 4."""
    from tensorboardX.proto.event_pb2 import Event

    for path in sorted((folder / "tensorboard").glob("events.*")):
        content, start = path.read_bytes(), 0
        while start < len(content):
            (length,) = struct.unpack_from("<Q", content, start)
            yield Event.FromString(content[start + 12 : start + 12 + length])
            start += 16 + length


def read_scalars(folder: Path) -> list[tuple[int, str, float]]:
    values = ((event.step, value) for event in read_events(folder) for value in event.summary.value)
    return [(step, value.tag, value.simple_value) for step, value in values if value.HasField("simple_value")]


def test_scalars_and_parameters_are_in_the_file(tmp_path: Path) -> None:
    tracker = open_tracker("tensorboard", TrackerFolder(tmp_path, "3d_fullres, fold 0"))
    tracker.begin({"batch_size": 2})
    tracker.record(10, {"loss": 0.5, "dice/liver": 0.25})
    tracker.close(is_finished=True)
    assert read_scalars(tmp_path) == [(10, "loss", 0.5), (10, "dice/liver", 0.25)]
    assert any(b"batch_size" in event.SerializeToString() for event in read_events(tmp_path))


def test_continued_training_makes_what_was_beyond_it_void(tmp_path: Path) -> None:
    open_tracker("tensorboard", TrackerFolder(tmp_path, "fold 0", iteration=20)).close(is_finished=False)
    starts = [event.step for event in read_events(tmp_path) if event.HasField("session_log")]
    assert starts == [21]
