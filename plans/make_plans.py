"""Write the plan files of this folder anew: `python plans/make_plans.py`. Review what changes as a change of the rules.

Each plan follows from a fingerprint in `fingerprints/` on one of two devices; a test holds the files to it.
"""

from __future__ import annotations

from pathlib import Path

from autoseg.fingerprinting.fingerprint_file import read_fingerprint
from autoseg.planning.devices import DeviceFacts
from autoseg.planning.plan import Plan
from autoseg.planning.plan_file import write_plan
from autoseg.planning.planner import make_plan
from autoseg.planning.wishes import Wishes

FOLDER = Path(__file__).parent
FINGERPRINTS = FOLDER / "fingerprints"
TWO_CORES = DeviceFacts(device="cpu", memory_gb=24.0, n_threads=2, gflops=180.0)
CARD = DeviceFacts(device="cuda", memory_gb=8.9, n_threads=8)  # 8 GB of it are spent
ON_TWO_CORES = ("hippocampus", "sarcoma_ct", "sarcoma_multimodal", "nuclei", "membrane_em")


def remake_plan(name: str) -> Plan:
    """The plan of a fingerprint: on two cores, or on a GPU with 8 GB."""
    fingerprint = read_fingerprint(FINGERPRINTS / f"{name}.json")
    if name in ON_TWO_CORES:
        return make_plan(fingerprint, TWO_CORES)
    return make_plan(fingerprint, CARD, Wishes(gpu_memory_gb=8))


def list_names() -> list[str]:
    """Every fingerprint's name."""
    return sorted(path.stem for path in FINGERPRINTS.glob("*.json"))


if __name__ == "__main__":
    for name in list_names():
        write_plan(FOLDER / f"{name}.yaml", remake_plan(name))
