"""Arrays in files that nobody sees: bounded in memory, gone with the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autoseg.errors import ResourceError
from autoseg.prediction.memory import spilled
from autoseg.prediction.memory.spilled import find_scratch, lies_in_memory, make_zeros, release

STATUS = Path("/proc/self/status")
MEGABYTE = 2**20
FILL = """
import sys
from pathlib import Path
from autoseg.prediction.memory.spilled import make_zeros, release
peak = lambda: int(next(x for x in open("/proc/self/status") if x.startswith("VmHWM")).split()[1])
before = peak()
array = make_zeros((128, 2**18), folder=Path(sys.argv[1]) if sys.argv[1] else None)
for i in range(len(array)):
    array[i] = i
    release(array)
for i in range(len(array)):
    assert array[i, i] == i
    release(array)
print(peak() - before)
"""


@pytest.mark.parametrize("folder", [None, "here"])
def test_zeros_that_keep_what_is_written(folder, tmp_path):
    array = make_zeros((2, 3, 5), folder=tmp_path if folder else None)
    assert (array.dtype, array.shape) == (np.float32, (2, 3, 5))
    assert not array.any()
    array[1, 2] = 7
    release(array)
    release(array[1])
    assert array.sum() == 35
    assert isinstance(array, np.memmap) == bool(folder)


def test_the_file_has_no_name(tmp_path):
    array = make_zeros((4, 5), folder=tmp_path)
    array += 1
    assert list(tmp_path.iterdir()) == []


def test_an_array_without_values_needs_no_file(tmp_path):
    assert make_zeros((0, 5), folder=tmp_path).shape == (0, 5)


@pytest.mark.skipif(not STATUS.exists(), reason="the peak of the resident set is read from /proc, as on Linux")
def test_a_spilled_array_of_128_mb_takes_a_fraction_of_it(tmp_path):
    def measure_mb(folder: str) -> float:
        run = subprocess.run([sys.executable, "-c", FILL, folder], capture_output=True, text=True, check=True)
        return int(run.stdout) * 1024 / MEGABYTE

    assert measure_mb(str(tmp_path)) < 24
    assert measure_mb("") > 120


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
def test_a_killed_process_leaves_nothing(tmp_path):
    program = (
        "import sys, time; from pathlib import Path; from autoseg.prediction.memory.spilled import make_zeros\n"
        "array = make_zeros((1000, 1000), folder=Path(sys.argv[1])); array += 1; print('filled', flush=True)\n"
        "time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "filled\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_too_small_is_an_error_before_anything_is_written(tmp_path):
    with pytest.raises(ResourceError, match=r"are needed for intermediate results, but .* GB are free"):
        make_zeros((2**20, 2**20, 2**10), folder=tmp_path)


def test_a_disk_that_fills_up_meanwhile_is_an_error_too(tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spilled.os, "posix_fallocate", fail, raising=False)
    with pytest.raises(ResourceError, match="No space left on device"):
        make_zeros((10, 10), folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(ResourceError, match="nowhere"):
        make_zeros((10, 10), folder=tmp_path / "nowhere")


def test_folders_whose_files_take_memory_are_told_from_disks(tmp_path, monkeypatch):
    mounts, disk, ram = tmp_path / "mounts", tmp_path / "disk", tmp_path / "two words"
    for folder in (disk, ram):
        folder.mkdir()
    named = str(ram).replace(" ", "\\040")
    mounts.write_text(f"/dev/a / ext4 rw 0 0\ntmpfs {named} tmpfs rw 0 0\n/dev/b {named}/disk ext4 rw 0 0\n")
    monkeypatch.setattr(spilled, "MOUNTS", mounts)
    assert lies_in_memory(ram)
    assert lies_in_memory(ram / "not" / "made" / "yet")
    assert not lies_in_memory(ram / "disk" / "inside")
    assert not lies_in_memory(disk)
    monkeypatch.setattr(spilled, "LASTING", disk)
    monkeypatch.setattr(spilled.tempfile, "gettempdir", lambda: str(ram))
    assert find_scratch() == disk
    monkeypatch.setattr(spilled, "LASTING", tmp_path / "missing")
    assert find_scratch() == ram
    monkeypatch.setattr(spilled, "MOUNTS", tmp_path / "unknown")
    assert not lies_in_memory(ram)
