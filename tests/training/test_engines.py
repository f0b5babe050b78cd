"""The engine that makes training faster is chosen, and the sentence says by how much."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autoseg.planning.rules.augmentation import decide_augmentation
from autoseg.preprocessing.preprocess import Placement, Prepared
from autoseg.preprocessing.store import write_case
from autoseg.training import engines
from autoseg.training.batches import BatchMaker
from autoseg.training.engines import choose_engine, compute_rates, measure_engines


def test_on_a_gpu_workers_work_beside_it_and_reading_limits_the_device():
    rates = compute_rates(0.04, 0.005, 0.1, n_workers=4, is_cpu=False, n_cores=16)
    assert rates == {"workers": pytest.approx(40), "device": pytest.approx(100)}
    rates = compute_rates(0.004, 0.005, 0.1, n_workers=4, is_cpu=False, n_cores=16)
    assert rates["device"] == pytest.approx(200)


def test_on_a_cpu_both_take_the_same_cores():
    rates = compute_rates(0.01, 0.02, 0.1, n_workers=1, is_cpu=True, n_cores=2)
    assert rates == {"workers": pytest.approx(20), "device": pytest.approx(40)}


def test_without_workers_everything_comes_one_after_the_other():
    rates = compute_rates(0.01, 0.03, 0.1, n_workers=0, is_cpu=True, n_cores=8)
    assert rates == {"workers": pytest.approx(10), "device": pytest.approx(25)}


@pytest.mark.parametrize(("workers", "device", "chosen"), [(40.0, 30.0, "workers"), (40.0, 50.0, "device")])
def test_the_faster_engine_is_chosen_with_its_numbers(workers, device, chosen):
    decision = choose_engine({"workers": workers, "device": device})
    assert (decision.value, decision.source) == (chosen, "empirical")
    assert decision.inputs == {"workers": workers, "device": device}
    assert "40.0" in decision.reason
    assert f"{device:.1f}" in decision.reason


@pytest.mark.parametrize(
    ("taken", "chosen", "sentence"),
    [
        (30.0, "workers", "training takes no more than 30.0"),
        (50.0, "workers", "wait 5.0 ms per patch for workers; the device takes 10.0 ms"),
        (200.0, "device", "wait 20.0 ms per patch for workers; the device takes 10.0 ms"),
    ],
)
def test_the_device_augments_only_where_waiting_costs_more(taken, chosen, sentence):
    decision = choose_engine({"workers": 40.0, "device": 100.0}, taken=taken)
    assert decision.value == chosen
    assert sentence in decision.reason


def test_both_engines_are_measured_on_batches_of_the_job(tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "MEASURED_S", 0.0)
    shape, patch_size = (12, 20, 28), (8, 12, 16)
    box = tuple((0, n) for n in shape)
    placement = Placement(original_shape=shape, box=box, axis_order=(0, 1, 2), network_shape=shape)
    image = np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)
    write_case(tmp_path, "a", Prepared(image, (image[0] > 1).astype(np.int16), (3, 1, 1), placement), source="test")
    augmentation = decide_augmentation(patch_size=patch_size).value
    maker = BatchMaker(tmp_path, ("a",), patch_size, 300, 0.3, augmentation, (0, 1, 2), 0, engine="device", part=(1, 2))
    rates = measure_engines(maker, torch.device("cpu"), n_workers=2)
    assert set(rates) == {"workers", "device"}
    assert all(rate > 0 for rate in rates.values())
