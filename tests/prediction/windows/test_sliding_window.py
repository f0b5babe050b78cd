"""Sliding windows against a plain float64 loop over windows."""

from __future__ import annotations

import itertools
import weakref

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d, conv3d

from autoseg.errors import NumericalError, UsageError
from autoseg.prediction.options import PredictionOptions
from autoseg.prediction.windows import fold_average, sliding_window
from autoseg.prediction.windows.sliding_window import Logits, predict_logits

N_LABELS, N_CHANNELS, PATCH = 3, 2, (6, 10, 12)


class Network:
    """Depends on the window's border, on the place in it, and on the side it is seen from; counts what it sees."""

    def __init__(self, n_axes: int = 3, seed: int = 0, n_channels: int = N_CHANNELS) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.weight = torch.randn(N_LABELS, n_channels, *(3,) * n_axes, generator=generator, dtype=torch.float64)
        self.n_windows, self.batches = 0, []

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        self.n_windows += len(batch)
        self.batches.append(len(batch))
        convolve = conv3d if self.weight.ndim == 5 else conv2d
        place = sum(0.02 * (axis + 1) * index.to(batch.dtype) for axis, index in enumerate(indices(batch)))
        return torch.tanh(convolve(batch, self.weight.to(batch.dtype), padding=1)) * (1 + place) + place


def indices(batch: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return torch.meshgrid(*(torch.arange(n) for n in batch.shape[2:]), indexing="ij")


def make_image(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N_CHANNELS, *shape)).astype(np.float32)


def naive_starts(size: int, patch: int, step: float) -> list[int]:
    """The fewest evenly spread windows that are at most a step apart, found by trying."""
    n = 1
    while (size - patch) / max(1, n - 1) > max(1, patch * step) or (n == 1 and size > patch):
        n += 1
    return [round((size - patch) * i / max(1, n - 1)) for i in range(n)]


def naive_logits(networks, image, patch=PATCH, step=0.5, axes=(), previous=None) -> np.ndarray:
    """Everything in float64, one window, one network, one mirroring at a time."""
    if previous is not None:
        image = np.concatenate([image, [previous == label for label in range(1, N_LABELS)]])
    patch3 = (1,) * (3 - len(patch)) + tuple(patch)
    missing = [max(0, n - size) for n, size in zip(patch3, image.shape[1:], strict=True)]
    padded = np.pad(image.astype(np.float64), [(0, 0)] + [(n // 2, n - n // 2) for n in missing])
    distances = [((np.arange(n) - n // 2) / (n / 8)) ** 2 for n in patch3]
    z, y, x = distances
    importance = np.maximum(np.exp(-0.5 * (z[:, None, None] + y[:, None] + x)), 1e-12)
    total, weight = np.zeros((N_LABELS, *padded.shape[1:])), np.zeros(padded.shape[1:])
    ranges = [naive_starts(size, n, step) for size, n in zip(padded.shape[1:], patch3, strict=True)]
    mirrorings = [m for n in range(len(axes) + 1) for m in itertools.combinations(axes, n)]
    for start in itertools.product(*ranges):
        box = tuple(slice(a, a + n) for a, n in zip(start, patch3, strict=True))
        window = torch.from_numpy(padded[(slice(None), *box)]).reshape(1, len(image), *patch)
        for network, mirroring in itertools.product(networks, mirrorings):
            flipped = [2 + axis for axis in mirroring]
            logits = network(window.flip(flipped)).flip(flipped).numpy().reshape(N_LABELS, *patch3)
            total[(slice(None), *box)] += logits * importance / len(networks) / len(mirrorings)
        weight[box] += importance
    inside = tuple(slice(n // 2, n // 2 + size) for n, size in zip(missing, image.shape[1:], strict=True))
    return (total / weight)[(slice(None), *inside)]


def predict(networks, image, axes=(), mirroring="all", step=0.5, **options) -> Logits:
    said = PredictionOptions(step=step, mirroring=mirroring)
    settings = {"patch_size": PATCH, "n_outputs": N_LABELS, "mirroring_axes": axes, "options": said}
    return predict_logits(networks, image, **(settings | options))


@pytest.mark.parametrize("shape", [(4, 7, 3), (6, 10, 12), (7, 11, 13), (5, 23, 12), (9, 16, 19)])
@pytest.mark.parametrize(("axes", "step"), [((), 0.5), ((1, 2), 0.7), ((0, 1, 2), 0.5)])
def test_equals_the_naive_loop(shape, axes, step):
    networks, image = [Network(seed=1), Network(seed=2)], make_image(*shape)
    values = predict(networks, image, axes, step=step).values
    assert values.dtype == np.float32
    assert values.shape == (N_LABELS, *shape)
    np.testing.assert_allclose(values, naive_logits(networks, image, step=step, axes=axes), atol=1e-5)


@pytest.mark.parametrize("shape", [(5, 7, 3), (3, 10, 12), (1, 11, 33)])
@pytest.mark.parametrize("axes", [(), (0,), (0, 1)])
def test_a_2d_network_sees_every_slice(shape, axes):
    network, image = Network(2), make_image(*shape)
    values = predict([network], image, axes, patch_size=(10, 12)).values
    np.testing.assert_allclose(values, naive_logits([network], image, (10, 12), axes=axes), atol=1e-5)


@pytest.mark.parametrize("patch", [PATCH, (10, 12)])
@pytest.mark.parametrize("shape", [(5, 7, 3), (7, 23, 30)])
def test_a_previous_segmentation_is_seen_as_channels_and_mirrored_with_the_image(patch, shape):
    image, previous = make_image(*shape), np.random.default_rng(1).integers(0, N_LABELS, shape)
    network = Network(len(patch), n_channels=N_CHANNELS + N_LABELS - 1)
    values = predict([network], image, (0, 1), patch_size=patch, previous=previous).values
    expected = naive_logits([network], image, patch, axes=(0, 1), previous=previous)
    np.testing.assert_allclose(values, expected, atol=1e-5)


def test_the_labels_of_a_previous_segmentation_may_be_more_than_the_outputs():
    image, previous = make_image(5, 23, 30), np.random.default_rng(1).integers(0, 5, (5, 23, 30))
    joined = np.concatenate([image, np.stack([previous == label for label in (1, 2, 3, 4)]).astype(np.float32)])
    network = Network(n_channels=N_CHANNELS + 4)
    values = predict([network], image, previous=previous, n_labels=5).values
    np.testing.assert_array_equal(values, predict([network], joined).values)


@pytest.mark.parametrize("windows_per_batch", [1, 3, 1000])
@pytest.mark.parametrize("axes", [(), (0, 2)])
def test_batches_of_windows_and_mirror_images_do_not_change_the_answer(windows_per_batch, axes):
    image, network = make_image(9, 21, 25), Network()
    values = predict([network], image, axes, step=0.3, windows_per_batch=windows_per_batch).values
    assert max(network.batches) <= windows_per_batch
    np.testing.assert_allclose(values, naive_logits([Network()], image, step=0.3, axes=axes), atol=1e-5)


def test_mirror_images_of_one_window_share_a_batch():
    network = Network()
    predict([network], make_image(*PATCH), (0, 1, 2), windows_per_batch=4)
    assert network.batches == [4, 4]


@pytest.mark.parametrize("shape", [(4, 7, 3), (9, 31, 40)])
def test_sums_are_equal_wherever_they_live(shape, tmp_path):
    networks, image = [Network(seed=1), Network(seed=2)], make_image(*shape)
    on_device = predict(networks, image, (0,)).values
    for options in ({"sums": "memory"}, {"sums": "file", "folder": tmp_path}):
        values = predict(networks, image, (0,), **options).values
        np.testing.assert_array_equal(values, on_device)
        assert isinstance(values, np.memmap) == (options["sums"] == "file")
        assert list(tmp_path.iterdir()) == []


def test_sums_in_a_file_need_a_folder():
    with pytest.raises(UsageError, match="no folder is named"):
        predict([Network()], make_image(*PATCH), sums="file")


def test_an_image_of_constant_windows_is_seen_once_per_value():
    image = np.full((N_CHANNELS, 6, 10, 60), -0.25, dtype=np.float32)
    image[:, ..., 30:] = 0.5
    network = Network()
    result = predict([network], image, (0, 2))
    starts = [0, 6, 12, 18, 24, 30, 36, 42, 48]
    n_varied = sum(start < 30 < start + 12 for start in starts)
    assert (result.n_windows, result.n_skipped) == (len(starts), len(starts) - n_varied - 2)
    assert result.n_mirrorings == network.n_windows == 4 * (n_varied + 2)
    np.testing.assert_allclose(result.values, naive_logits([network], image, axes=(0, 2)), atol=1e-5)


def test_windows_with_one_image_but_several_labels_of_the_pass_before_differ():
    image, previous = np.zeros((N_CHANNELS, 6, 10, 48), dtype=np.float32), np.zeros((6, 10, 48), dtype=np.int16)
    previous[..., 24:] = 1
    network = Network(n_channels=N_CHANNELS + N_LABELS - 1)
    result = predict([network], image, previous=previous)
    assert result.n_skipped == 7 - 1 - 2  # one window sees both labels
    np.testing.assert_allclose(result.values, naive_logits([network], image, previous=previous), atol=1e-5)


@pytest.mark.parametrize(("value", "n_skipped"), [(0.0, 2), (1.0, 0)])
def test_padding_counts_as_zero_where_windows_are_compared(value, n_skipped):
    """Thinner than the patch by one voxel, so that all windows hold padding."""
    image = np.full((N_CHANNELS, 5, 10, 24), value, dtype=np.float32)
    network = Network()
    result = predict([network], image)
    assert result.n_skipped == n_skipped
    np.testing.assert_allclose(result.values, naive_logits([network], image), atol=1e-5)


def test_progress_ends_with_all_windows():
    network, steps = Network(), []
    image = make_image(6, 20, 12)
    predict([network], image, windows_per_batch=2, on_progress=lambda *step: steps.append(step))
    assert steps == [(2, 3), (3, 3)]
    assert network.n_windows == 3


def test_output_that_is_not_finite_names_the_window():
    def spoil(batch: torch.Tensor) -> torch.Tensor:
        return torch.where(batch[:, :1] == 7, torch.nan, batch[:, :1])

    image = make_image(6, 20, 12)
    image[0, 0, 19, 0] = 7
    with pytest.raises(NumericalError, match=r"window at \(0, 10, 0\) is not finite"):
        predict([spoil], image, n_outputs=1)


def test_adaptive_mirroring_leaves_what_is_certain_alone():
    def certain(batch: torch.Tensor) -> torch.Tensor:
        return torch.stack([batch[:, 0], 100 * batch[:, 0].sign()], dim=1)

    image = make_image(9, 31, 40)
    result = predict([certain], image, (0, 1, 2), "adaptive", n_outputs=2)
    assert result.n_mirrorings == result.n_windows
    np.testing.assert_array_equal(result.values, predict([certain], image, mirroring="none", n_outputs=2).values)


def test_adaptive_mirroring_sees_all_where_nothing_settles():
    """Each voxel of noise is decided anew by each mirror image: the average of all is what stands."""
    networks, image = [Network(seed=1), Network(seed=2)], make_image(9, 11, 12)
    every = predict(networks, image, (1, 2), "all")
    adaptive = predict(networks, image, (1, 2), "adaptive", windows_per_batch=3)
    assert adaptive.n_mirrorings == every.n_mirrorings == 4 * every.n_windows
    np.testing.assert_allclose(adaptive.values, every.values, atol=1e-5)


@pytest.mark.parametrize("mirroring", ["all", "adaptive"])
def test_a_single_network_has_nobody_to_agree_with_and_nothing_is_counted(mirroring, monkeypatch):
    monkeypatch.setattr(sliding_window, "AgreementCount", None)
    monkeypatch.setattr(fold_average, "decide", None)
    result = predict([Network()], make_image(*PATCH), (0, 2), mirroring, count_agreement=True)
    assert result.agreement is None


@pytest.mark.parametrize("mirroring", ["all", "adaptive"])
def test_no_answer_stays_while_a_network_runs(mirroring):
    """What is held while a network runs is what the budget counts: sums, never an answer that was already added."""
    answers, most = [], []

    def network(batch: torch.Tensor) -> torch.Tensor:
        most.append(sum(answer() is not None for answer in answers))
        result = torch.randn(len(batch), N_LABELS, *batch.shape[2:], generator=torch.Generator().manual_seed(0))
        answers.append(weakref.ref(result))
        return result

    predict([network, network], make_image(6, 20, 24), (0, 2), mirroring, count_agreement=True)
    assert len(most) > 2
    assert max(most) == 0


def test_float32_is_exact_while_networks_run_and_as_before_afterwards():
    seen = []

    def network(batch: torch.Tensor) -> torch.Tensor:
        seen.append(torch.backends.cudnn.allow_tf32)
        return batch

    before = torch.backends.cudnn.allow_tf32
    predict([network], make_image(*PATCH), n_outputs=N_CHANNELS)
    assert before
    assert seen == [False]
    assert torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize("mirroring", ["all", "adaptive"])
def test_agreement_is_that_of_each_network_alone(mirroring):
    networks, image = [Network(seed=1), Network(seed=2), Network(seed=1)], make_image(*PATCH)
    result = predict(networks, image, (0, 2), mirroring, count_agreement=True)
    alone = [predict([network], image, (0, 2)).values.argmax(0) for network in networks]
    weights = result.agreement.sizes.sum(axis=1)
    assert result.agreement.n_members == 3
    np.testing.assert_allclose(weights, weights[0])
    np.testing.assert_allclose(result.agreement.intersections[1], result.agreement.sizes[0])  # networks 0 and 2
    distance = [((np.arange(n) - n // 2) / (n / 8)) ** 2 for n in PATCH]
    importance = np.exp(-0.5 * (distance[0][:, None, None] + distance[1][:, None] + distance[2]))
    for label in range(N_LABELS):
        assert result.agreement.sizes[1, label] == pytest.approx(importance[alone[1] == label].sum(), rel=1e-4)
