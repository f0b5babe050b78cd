"""NVIDIA's driver is asked through its command, here a stand-in on the path."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autoseg.errors import UsageError
from autoseg.planning import gpus
from autoseg.planning.gpus import choose_visible, list_gpus, parse_gpus

ANSWER = """\
0, GPU-1f2e, 24576, 20000, NVIDIA GeForce RTX 4090
1, GPU-77aa, 8192, 512, NVIDIA RTX A2000, Laptop
2, GPU-9c9c, [N/A], [N/A], NVIDIA GB10
"""
TWO = parse_gpus(ANSWER)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A command of the driver's name, which a test gives its lines."""
    command = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return command


def let_say(command: Path, script: str) -> None:
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)


def test_the_drivers_answer_is_mib_per_gpu() -> None:
    assert [gpu.total_gb for gpu in TWO] == [pytest.approx(25.77), pytest.approx(8.59)]
    assert [gpu.free_gb for gpu in TWO] == [pytest.approx(20.97), pytest.approx(0.54)]
    assert TWO[1].name == "NVIDIA RTX A2000, Laptop"
    assert parse_gpus("") == parse_gpus("No devices were found\n") == ()


@pytest.mark.parametrize(
    ("visible", "numbers"),
    [(None, [0, 1]), ("1", [1]), ("1,0", [1, 0]), ("GPU-77", [1]), ("", []), ("-1", []), ("0,-1,1", [0]), ("5", [])],
)
def test_torch_counts_visible_gpus_alone(visible: str | None, numbers: list[int]) -> None:
    assert [gpu.number for gpu in choose_visible(TWO, visible)] == numbers


def test_the_driver_is_asked_with_what_the_process_may_see(driver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    let_say(driver, f"cat <<'END'\n{ANSWER}END")
    assert [gpu.number for gpu in list_gpus()] == [0, 1]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert [gpu.number for gpu in list_gpus()] == [1]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    with pytest.raises(UsageError, match="CUDA_VISIBLE_DEVICES=-1 hides every GPU"):
        list_gpus()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo NVIDIA-SMI has failed; echo more; exit 9", r"fails \(NVIDIA-SMI has failed\)"),
        ("exit 9", "fails"),
        ("true", "reports no GPU"),
        ("sleep 5", "gave no answer"),
    ],
)
def test_a_driver_that_fails_ends_in_one_line(
    driver: Path, monkeypatch: pytest.MonkeyPatch, script: str, words: str
) -> None:
    monkeypatch.setattr(gpus, "QUERY_TIMEOUT_S", 1)
    let_say(driver, script)
    with pytest.raises(UsageError, match=words) as problem:
        list_gpus()
    assert "\n" not in str(problem.value)


def test_without_the_drivers_command_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus.shutil, "which", lambda name: None)
    with pytest.raises(UsageError, match="there is no nvidia-smi"):
        list_gpus()
