"""A probe measures tiny trainings here, so that it takes no time; what it finds is a matter of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from autoseg.errors import UsageError
from autoseg.networks.probing import Sample, Timing
from autoseg.pipeline import probing
from autoseg.pipeline.probing import describe_probe, find_better_ways, probe_device, share_among_cores, using_threads
from autoseg.planning.devices import DeviceFacts, Speed, Trial
from autoseg.serialization import parse_record, read_json

TINY = tuple(
    Sample("unet", 4, patch, 1) for patch in [(32, 16), (16, 16), (64, 32), (8, 16, 16), (8, 8, 8), (16, 8, 16)]
)


@pytest.fixture(params=[5.0, 90.0], ids=["quiet", "busy"])
def load_percent(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setattr(probing, "SAMPLES", {"cpu": TINY})
    monkeypatch.setattr(probing.psutil, "cpu_percent", lambda interval: request.param)
    return float(request.param)


def test_a_probe_is_stored_for_the_plans_below_its_folder(load_percent: float, tmp_path: Path) -> None:
    n_threads = torch.get_num_threads()
    facts = probe_device("cpu", folder=tmp_path / "workspaces")
    path = tmp_path / "workspaces" / "device.json"
    assert parse_record(DeviceFacts, read_json(path), where=str(path)) == facts
    assert set(facts.speeds) == {"2d", "3d"}
    assert all(speed.gvoxels is not None and speed.gparameters is not None for speed in facts.speeds.values())
    assert facts.probed_on is not None
    assert facts.is_busy == (load_percent > 50) == (not facts.trials)
    assert torch.get_num_threads() == n_threads


def test_a_device_that_is_not_there_is_not_probed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--device cuda:9"):
        probe_device("cuda:9", folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_was_found_is_one_line() -> None:
    speeds = {"2d": Speed(gflops=151.4, gvalues=1), "3d": Speed(gflops=180.2, gvalues=0.7)}
    facts = DeviceFacts(device="cpu", memory_gb=8, n_threads=2, name="AMD EPYC", speeds=speeds)
    line = "cpu (AMD EPYC, 2 thread(s)) trains at 151 GFLOP/s in 2D and 180 GFLOP/s in 3D, in float32."
    assert describe_probe(facts) == line


def test_a_clearly_better_way_of_running_is_said() -> None:
    ways = [("contiguous", 8, 1.0), ("channels_last", 8, 0.95), ("contiguous", 4, 0.5)]
    trials = [Trial(n_dimensions=2, layout=layout, n_threads=n, iteration_s=s) for layout, n, s in ways]
    assert find_better_ways(trials) == [
        "In 2D, contiguous memory and 4 thread(s) took 50% less time than contiguous and 8, the usual."
    ]


def test_on_a_busy_machine_cores_share_what_one_did_in_processor_time() -> None:
    alone = Timing(descend_s=9.0, renew_s=9.0, descend_processor_s=3.4, renew_processor_s=1.7)
    assert share_among_cores(alone, 2).descend_s == pytest.approx(2.0)
    assert share_among_cores(alone, 2).renew_s == pytest.approx(1.0)
    assert share_among_cores(alone, 1).descend_s == pytest.approx(3.4)


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    with using_threads(1):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
