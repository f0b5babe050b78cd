"""How the threads of torch wait for each other: chosen once, before torch is loaded.

Spinning is fastest on a machine that has nothing else to do. On a busy one it is ruinous: two threads that spin on two
cores, one of which another program holds, made an iteration ten times slower (benchmarks/LOG.md).
"""

from __future__ import annotations

import os

LOOK_S = 0.1
BUSY_PERCENT = 20.0  # of all cores, taken by other programs


def choose_waiting() -> None:
    """Let threads sleep while they wait if other programs use the machine. A setting of the user's own stays."""
    import psutil

    if psutil.cpu_percent(interval=LOOK_S) > BUSY_PERCENT:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
