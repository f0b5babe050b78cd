"""Speeds are found again from seconds that they made; nothing here depends on how fast this machine is."""

from __future__ import annotations

import pytest
import torch

from autoseg.networks.build import place_network
from autoseg.networks.probing import SAMPLES, Sample, Work, build_sample, find_layout, lay_out, solve_speed, time_work
from autoseg.planning.devices import Speed
from autoseg.planning.memory import count_parameters
from autoseg.planning.throughput import predict_iteration_s

CPU = torch.device("cpu")


def split_seconds(samples: list[Sample], speed: Speed) -> tuple[list[float], list[float]]:
    """Seconds of descending and of renewing on a device of that speed."""
    name = f"{samples[0].n_dimensions}d"
    assert speed.gparameters is not None
    renew = [count_parameters(sample.sketch) / (speed.gparameters * 1e9) for sample in samples]
    whole = [predict_iteration_s(one.sketch, one.patch_size, one.batch_size, speeds={name: speed}) for one in samples]
    return [total - part for total, part in zip(whole, renew, strict=True) if total is not None], renew


@pytest.mark.parametrize("kind", sorted(SAMPLES))
@pytest.mark.parametrize("n_dimensions", [2, 3])
def test_the_samples_tell_speeds_apart(kind: str, n_dimensions: int) -> None:
    samples = [sample for sample in SAMPLES[kind] if sample.n_dimensions == n_dimensions]
    truth = Speed(gflops=180, gvalues=0.7, gparameters=0.3, overhead_s=0.004)
    found = solve_speed(samples, *split_seconds(samples, truth))
    assert found.model_dump(exclude={"gvoxels"}) == pytest.approx(truth.model_dump(exclude={"gvoxels"}), rel=0.01)


def test_noise_of_a_tenth_moves_predictions_no_further() -> None:
    samples = [sample for sample in SAMPLES["cpu"] if sample.n_dimensions == 3]
    truth = Speed(gflops=180, gvalues=0.7, gparameters=0.3)
    descend, renew = split_seconds(samples, truth)
    found = solve_speed(
        samples, [s * factor for s, factor in zip(descend, (1.1, 0.9, 1.1, 0.9, 1.1), strict=True)], renew
    )
    elsewhere = Sample("unet", 16, (40, 56, 40), 2)
    what = (elsewhere.sketch, elsewhere.patch_size, elsewhere.batch_size)
    expected = predict_iteration_s(*what, speeds={"3d": truth})
    assert predict_iteration_s(*what, speeds={"3d": found}) == pytest.approx(expected, rel=0.15)


def test_speeds_stay_positive_where_a_term_does_not_show() -> None:
    samples = [sample for sample in SAMPLES["cpu"] if sample.n_dimensions == 2]
    found = solve_speed(samples, [0.1] * len(samples), [0.01] * len(samples))  # nothing depends on the size
    assert found.overhead_s == pytest.approx(0.1, rel=0.01)
    assert min(found.gflops, found.gvalues) > 1e3


@pytest.mark.parametrize(("patch_size", "usual"), [((32, 16), "contiguous"), ((8, 16, 16), "channels_last")])
def test_a_layout_is_what_it_is_called(patch_size: tuple[int, ...], usual: str) -> None:
    network = build_sample(Sample("unet", 4, patch_size, 1))
    assert find_layout(place_network(network, CPU)) == usual
    assert find_layout(lay_out(network, "channels_last", len(patch_size))) == "channels_last"
    assert find_layout(lay_out(network, "contiguous", len(patch_size))) == "contiguous"


def test_the_first_round_warms_up_and_the_best_of_the_others_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([(0.0, 0.0), (9.0, 9.0), (3.0, 6.0), (1.0, 2.0)] + [(2.0, 4.0), (0.5, 1.0)] * 3)
    monkeypatch.setattr("autoseg.networks.probing._time", lambda run, device: next(readings))
    timing = time_work(Work(lambda: None, lambda: None), CPU, n_rounds=3)
    assert (timing.descend_s, timing.descend_processor_s, timing.renew_s) == (2.0, 4.0, 0.5)
