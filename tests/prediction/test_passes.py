"""All passes over one case: each once, and a cascade's first pass on the grid that its plan says."""

from __future__ import annotations

import math
import weakref
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from autoseg.data.labels import IGNORED, Labels
from autoseg.decision import fixed
from autoseg.fingerprinting.fingerprint import CaseFacts, Fingerprint
from autoseg.planning.choices import Corruption, Resampling, Transform
from autoseg.planning.devices import DeviceFacts
from autoseg.planning.plan import Cascade, Configuration, Plan
from autoseg.planning.planner import make_plan
from autoseg.prediction import configuration_predictor, passes
from autoseg.prediction.configuration_predictor import ConfigurationPredictor
from autoseg.prediction.memory.budget import Resources
from autoseg.prediction.passes import list_passes, predict_case, prepare_case
from autoseg.prediction.restoring.restore import restore
from autoseg.preprocessing.resampling import resample_labels

SPACING = (3.0, 1.0, 1.5)
LABELS = Labels(names=("background", "one", "two"), values=(0, 1, 2))
SLIGHT = Corruption(borders=Transform(probability=0.0), components=Transform(probability=0.0))


class Shades(nn.Module):
    """Logits of three labels by brightness, and how often it was asked. A cascade's copies what came before."""

    def __init__(self, *, copies: bool = False) -> None:
        super().__init__()
        self.copies, self.n_calls, self.seen = copies, 0, []

    def forward(self, batch: Tensor) -> Tensor:
        self.n_calls += 1
        self.seen.append(batch[:, 1:].clone())
        if self.copies:
            return torch.cat([0.5 + torch.zeros_like(batch[:, :1]), batch[:, 1:]], dim=1)
        return torch.cat([-batch[:, :1], batch[:, :1], 3 * batch[:, :1] - 1], dim=1)


@dataclass(frozen=True)
class Both:
    """The two passes of a cascade."""

    low: ConfigurationPredictor
    high: ConfigurationPredictor


def edit(configuration: Configuration, **values: object) -> Configuration:
    return configuration.model_copy(update={name: fixed(value, "for a test") for name, value in values.items()})


def make_cascade(through: str = "network_grid") -> Both:
    facts = CaseFacts(id="a", shape_after_cropping=(10, 30, 24), spacing_mm=SPACING)
    fingerprint = Fingerprint(dataset="Shades", channels=("mr",), labels=LABELS, cases=(facts,))
    plan = make_plan(fingerprint, DeviceFacts(device="cpu", memory_gb=8.0, n_threads=2, gflops=60.0))
    small = edit(
        plan.find_configuration("3d_fullres"), patch_size=(8, 16, 16), mirroring_axes=(), resampling=Resampling()
    )
    cascade = Cascade(
        previous=fixed("3d_lowres", "a test"), corruption=fixed(SLIGHT, "a test"), through=fixed(through, "a test")
    )
    configurations = {
        "3d_lowres": edit(small, spacing_mm=(3.0, 2.5, 3.0)),
        "3d_cascade": edit(small, spacing_mm=(3.0, 1.3, 1.3)).model_copy(update={"cascade": cascade}),
    }
    plan = plan.model_copy(update={"configurations": configurations})
    low = make_predictor(plan, "3d_lowres", Shades())
    return Both(low, replace(make_predictor(plan, "3d_cascade", Shades(copies=True)), previous=low))


def make_predictor(plan: Plan, name: str, network: nn.Module) -> ConfigurationPredictor:
    return ConfigurationPredictor(plan, name, (network,), torch.device("cpu"))


def make_image() -> np.ndarray:
    image = np.random.default_rng(5).normal(size=(1, 10, 30, 24)).astype(np.float32)
    image[0, 2:8, 5:20, 4:18] += 3
    return image


def test_a_first_pass_that_is_a_member_too_is_computed_once() -> None:
    both = make_cascade()
    alone = predict_case([both.high], prepare_case([both.high], make_image(), SPACING))
    n_alone, both.low.networks[0].n_calls = both.low.networks[0].n_calls, 0
    together = predict_case([both.low, both.high], prepare_case([both.low, both.high], make_image(), SPACING))
    assert both.low.networks[0].n_calls == n_alone
    assert [one.configuration for one in list_passes([both.high, both.low])] == ["3d_lowres", "3d_cascade"]
    np.testing.assert_array_equal(together.members[1].logits, alone.members[0].logits)
    assert together.n_windows == alone.n_windows


def test_images_leave_when_no_pass_needs_them() -> None:
    both = make_cascade()
    cases = prepare_case([both.high], make_image(), SPACING)
    assert len(cases) == 2
    predict_case([both.high], cases)
    assert cases == {}


@pytest.mark.parametrize("dark", [slice(0), slice(0, 30, 3)])
def test_a_cascade_through_the_original_grid_sees_what_was_decided_there(dark: slice) -> None:
    """Where rows of the image are empty within the crop, background there is a label of its own to the resampling."""
    both, image = make_cascade("original_grid"), make_image()
    image[:, :, dark, 1:] = 0  # one column stays, so that the crop does
    low = predict_case([both.low], prepare_case([both.low], image, SPACING)).members[0]
    decided = restore([low]).segmentation
    decided[(decided == 0) & (image[0] == 0)] = IGNORED
    case = prepare_case([both.high], image, SPACING)[both.high.grid]
    assert case.placement.cropped_shape == image.shape[1:]
    seen = resample_labels(decided, case.image.shape[1:], 1, vote="nearest")
    expected = np.maximum(seen, 0)
    said = predict_case([both.high], prepare_case([both.high], image, SPACING)).members[0]
    np.testing.assert_array_equal(said.logits[1:].argmax(axis=0)[expected > 0] + 1, expected[expected > 0])
    np.testing.assert_allclose(said.logits[1:].sum(axis=0), expected > 0, atol=1e-5)
    plain = resample_labels(np.maximum(decided, 0), case.image.shape[1:], 1, vote="nearest")
    assert bool((plain != expected).any()) == bool((image == 0).any())


def test_the_grid_on_which_the_first_pass_is_decided_makes_a_difference() -> None:
    one, other = make_cascade("network_grid"), make_cascade("original_grid")
    logits = [
        predict_case([both.high], prepare_case([both.high], make_image(), SPACING)).members[0].logits
        for both in (one, other)
    ]
    assert not np.array_equal(*logits)


def test_the_image_as_it_was_read_is_gone_while_it_is_resampled(monkeypatch: pytest.MonkeyPatch) -> None:
    both, images = make_cascade(), [make_image()]
    read, alive = weakref.ref(images[0]), []
    resample = passes.prepare
    monkeypatch.setattr(passes, "prepare", lambda *words: alive.append(read() is not None) or resample(*words))
    prepare_case([both.high], images.pop(), SPACING)
    assert alive == [False, False]


def test_passes_over_a_case_see_as_many_windows_as_their_own_patches_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resources name the most over all passes; a pass with a larger patch takes fewer."""
    monkeypatch.setattr(configuration_predictor, "choose_windows_per_batch", lambda patch, _: 4096 // math.prod(patch))
    both, batches = make_cascade(), {}
    small = edit(both.low.settings, patch_size=(8, 8, 8))
    plan = both.low.plan.model_copy(update={"configurations": {**both.low.plan.configurations, "3d_lowres": small}})

    def count(batch: Tensor) -> Tensor:
        batches.setdefault(tuple(batch.shape[2:]), []).append(len(batch))
        return torch.zeros(len(batch), 3, *batch.shape[2:])

    low, large = (replace(one, plan=plan, networks=(count,), previous=None) for one in (both.low, both.high))
    large = replace(large, configuration="large")
    plan.configurations["large"] = edit(small, patch_size=(8, 16, 16), spacing_mm=(3.0, 1.3, 1.3))
    predict_case([low, large], prepare_case([low, large], make_image(), SPACING), resources=Resources(8))
    assert max(batches[8, 8, 8]) == 8
    assert max(batches[8, 16, 16]) == 2


def test_progress_names_the_pass() -> None:
    both = make_cascade()
    told: list[tuple[int, int, int]] = []
    cases = prepare_case([both.high], make_image(), SPACING)
    predict_case([both.high], cases, on_progress=lambda *words: told.append(words))
    assert [number for number, _, _ in told] == sorted(number for number, _, _ in told)
    assert {number for number, done, total in told if done == total} == {0, 1}
