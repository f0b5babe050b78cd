"""Trainings that are killed at random moments end with the same weights: the script that shows it, run shortly."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_killed_trainings_end_with_the_same_weights() -> None:
    script = ROOT / "benchmarks" / "kill_test.py"
    if not script.is_file():
        pytest.skip("benchmarks/ is not part of this copy")
    command = [sys.executable, str(script), "--runs", "3", "--iterations", "40", "--seed", "1"]
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, capture_output=True, text=True, timeout=1200, env=surroundings)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "3 of 3 runs" in result.stdout
