"""What is chosen within a memory: nothing is slower than it has to be, and nothing exceeds what was allowed."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from autoseg.errors import ResourceError
from autoseg.prediction.memory import budget
from autoseg.prediction.memory.budget import Allowance, Spending, decide_spending, declare_allowance
from autoseg.prediction.memory.case_load import CaseLoad, Pass

GB = 10**9
RUNTIME = 0.49  # GB, as planning.footprint measured it
PASS = Pass(
    configuration="3d_fullres",
    n_networks=1,
    windows_per_batch=8,
    n_windows=50,
    effort=1.0,
    input_window=1e6,
    logits_window=1e8,
    maps_window=2e8,
    answers_window=1e8,
    deciding_window=1e8,
    image=4e7,
    sums=4e9,
    touched=1e8,
)
CASE = CaseLoad("ct", 10**7, 100, reading=2e8, prepared=4e7, weights=1e8, restoring_all=1.6e10, passes=(PASS,))


def decide(memory_gb: float, folder: Path | None = Path("scratch"), case: CaseLoad = CASE) -> Spending:
    return decide_spending([case] * 4, Allowance(memory_gb * GB, is_declared=True), folder=folder, what="4 images")


def test_where_there_is_room_everything_overlaps_in_memory() -> None:
    spending = decide(64)
    assert (spending.resources.sums, spending.n_in_flight, spending.resources.windows_per_batch) == ("memory", 3, 8)
    assert spending.disk == 0
    assert "file" not in spending.reason


def test_sums_stay_in_memory_as_long_as_one_case_fits() -> None:
    spending = decide(6)
    assert (spending.resources.sums, spending.n_in_flight) == ("memory", 1)


def test_sums_that_do_not_fit_go_to_a_file_and_its_disk_is_said() -> None:
    spending = decide(2)
    assert (spending.resources.sums, spending.resources.folder) == ("file", Path("scratch"))
    assert spending.disk >= PASS.sums
    assert "of 2.0 GB" in spending.reason
    assert "the sums of 100 outputs (4.0 GB) go to a temporary file in scratch" in spending.reason


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of the resident set is read from /proc, as on Linux")
@pytest.mark.parametrize("mirroring", ["all", "adaptive"])
def test_what_is_predicted_is_what_a_process_holds(mirroring: str) -> None:
    """A small prediction by three networks in a process of its own, beyond its libraries and networks."""
    root = Path(__file__).parents[3]
    words = [sys.executable, str(Path(__file__).with_name("predicting_alone.py")), mirroring]
    run = subprocess.run(words, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": str(root)})
    computing, foreseen, whole, foreseen_whole = map(float, run.stdout.split())
    assert 0.6 * foreseen < computing <= foreseen
    assert whole <= foreseen_whole


def count_bytes(case: CaseLoad, n_in_flight: int) -> float:
    """Beyond runtime and weights, with everything in memory and whole blocks."""
    allowance = Allowance(1000 * GB)
    spending = decide_spending([case] * 3, allowance, n_in_flight=n_in_flight)
    return spending.peak.total - spending.peak.runtime - spending.peak.weights


@pytest.mark.parametrize("reading", [2e8, 5e9, 3e10])
@pytest.mark.parametrize("sums", [1e8, 4e9])
def test_cases_in_flight_hold_what_their_stages_hold_together(reading: float, sums: float) -> None:
    """Every way in which cases can be spread over the stages; one of them is the peak, and none is beyond it."""
    case = replace(CASE, reading=reading, passes=(replace(PASS, sums=sums),))
    kept, block = sums, min(2**28, case.restoring_all)
    computing = case.prepared + kept + 8 * (2 * 1e6 + 1e8 + 2e8 + 0.25 * 2e8) + 2**27
    restoring = kept + block + 10 * case.n_voxels
    alone = {"read": reading, "ready": case.prepared, "compute": computing, "said": kept, "restore": restoring}
    for n in (1, 2, 3):
        spreads = [
            spread
            for spread in itertools.combinations_with_replacement(alone, n)
            if all(spread.count(stage) <= 1 for stage in ("read", "compute", "restore"))
            and ("said" not in spread or "restore" in spread)  # nothing waits for an idle thread
            and ("ready" not in spread or "compute" in spread)
        ]
        assert count_bytes(case, n) == pytest.approx(max(sum(alone[stage] for stage in one) for one in spreads))


def test_the_number_in_flight_can_be_given() -> None:
    assert decide_spending([CASE], Allowance(64 * GB), n_in_flight=3).n_in_flight == 3
    with pytest.raises(ResourceError):
        decide_spending([CASE], Allowance(6 * GB), n_in_flight=3)


def test_what_a_cascade_sees_is_counted() -> None:
    """While windows run it is there; before that it was made, by blocks of restoring on the original grid."""
    cascade = replace(PASS, previous=3e9, segmenting=1e9)
    assert count_bytes(replace(CASE, passes=(cascade,)), 1) == pytest.approx(count_bytes(CASE, 1) + 3e9)
    larger = replace(cascade, segmenting=9e10)
    busiest = CASE.prepared + PASS.sums + 3e9 + 9e10 + 2**28
    assert count_bytes(replace(CASE, passes=(larger,)), 1) == pytest.approx(busiest)


def test_networks_on_a_gpu_are_not_counted_in_memory_but_their_loading_is() -> None:
    heavy = replace(CASE, weights=1e11)
    there = decide_spending([heavy], Allowance(64 * GB, device=400 * GB))
    assert there.peak.weights == 0
    with pytest.raises(ResourceError):
        decide_spending([heavy], Allowance(64 * GB, device=400 * GB, is_declared=True))


def test_networks_that_are_loaded_do_not_take_from_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "measure_free_memory_bytes", lambda: 10 * GB)
    cpu = torch.device("cpu")
    assert declare_allowance(None, cpu, weights=3 * GB).memory == pytest.approx((RUNTIME + 3 + 8) * GB)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (10 * GB, 16 * GB))
    gpu = declare_allowance(None, torch.device("cuda"), weights=3 * GB)
    assert gpu.device == pytest.approx((0.5 + 3 * 1.08 + 8) * GB)
    assert gpu.memory == declare_allowance(None, torch.device("cuda")).memory


def test_less_memory_never_means_more_of_anything() -> None:
    less, more = decide(2.5), decide(12)
    assert less.peak.total <= more.peak.total
    assert less.n_in_flight <= more.n_in_flight


def test_an_image_that_is_too_large_says_what_is_needed_and_what_to_set() -> None:
    with pytest.raises(
        ResourceError, match=r"ct: predicting 4 images needs at least .* --memory allows 0.6 GB"
    ) as told:
        decide(0.6)
    needed = float(str(told.value).split("--memory ")[2].split("GB")[0])
    assert decide(needed).peak.total <= needed * GB


def test_without_a_folder_nothing_goes_to_a_file() -> None:
    with pytest.raises(ResourceError, match="name a folder on a disk for temporary files by --scratch"):
        decide(2, folder=None)


def test_the_largest_image_decides() -> None:
    small = replace(CASE, id="small", passes=(replace(PASS, sums=1e6, touched=1e6),))
    mixed = decide_spending([small, CASE], Allowance(2 * GB), folder=Path("scratch"))
    assert mixed.resources.sums == "file"
    assert decide_spending([small, small], Allowance(2 * GB), folder=Path("scratch")).resources.sums == "memory"


def test_a_gpu_that_holds_the_windows_but_not_the_sums_leaves_them_in_memory() -> None:
    allowance = Allowance(64 * GB, device=4 * GB)
    spending = decide_spending([CASE], allowance, folder=Path("scratch"))
    assert spending.resources.sums == "memory"
    assert spending.device_peak <= 4 * GB
    assert decide_spending([CASE], replace(allowance, device=40 * GB), folder=None).resources.sums == "device"


def test_a_declared_memory_is_taken_at_its_word() -> None:
    assert declare_allowance(2 * GB, torch.device("cpu")) == Allowance(2 * GB, None, True)
    assert not declare_allowance(None, torch.device("cpu")).is_declared
