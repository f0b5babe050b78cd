"""What is chosen within a memory: nothing is slower than it has to be, and nothing exceeds what was allowed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from autoseg.errors import ResourceError
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


@pytest.mark.parametrize("memory_gb", [1.5, 2, 3, 6, 9, 20, 64])
def test_what_is_predicted_is_what_is_allowed_or_less(memory_gb: float) -> None:
    spending = decide(memory_gb)
    assert spending.peak.total <= memory_gb * GB
    assert spending.peak.total == pytest.approx(sum(vars(spending.peak).values()))


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
    with pytest.raises(ResourceError, match="name a folder for temporary files by --scratch"):
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
