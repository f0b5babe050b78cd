"""The weighted sum over terms and levels, a person's own terms, and what all terms have in common."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from autoseg.data.labels import IGNORED
from autoseg.errors import PlanError
from autoseg.planning.choices import Loss
from autoseg.training.losses import TERMS, Target, compute_loss, find_terms, level_weights

BOTH = Loss(terms={"cross_entropy": 1.0, "soft_dice": 1.0})
KINDS = ["labels", "regions", "partial labels", "partial regions"]
OWN = """
import torch

def miss(logits, target, power=1.0):
    wrong = logits.argmax(1) != target.labels
    return wrong.float().mean() ** power + 0 * logits.sum()

class Bent:
    made = 0
    def __init__(self, factor: float):
        Bent.made += 1
        self.factor = factor
    def __call__(self, logits, target):
        return self.factor * (logits ** 2).mean()

def vector(logits, target):
    return logits.mean((1, 2, 3))
"""


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an importable module with terms of a person's own."""
    (tmp_path / "own_terms_for_a_test.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    return "own_terms_for_a_test"


def draw_target(kind: str, *, ignored: bool = False) -> Target:
    labels = torch.zeros(3, 4, 6, 5).long()
    labels[:2, 1:3, 1:4, 1:3] = 1
    labels[:2, 2, 3:5, 2:4] = 2  # the last sample is empty
    labels[:, :, 0] = IGNORED
    if ignored:
        labels[...] = IGNORED
    annotated = torch.tensor([[True, True, False], [True] * 3, [True, False, True]])
    return Target(
        labels,
        regions=((1, 2), (2,), (1,)) if "regions" in kind else None,
        annotated=annotated if "partial" in kind else None,
    )


def point_to_truth(target: Target) -> torch.Tensor:
    """Logits of 1 where the truth is, -1 elsewhere."""
    labels = target.labels.clamp(min=0)
    if target.regions is None:
        return 2 * functional.one_hot(labels, 3).movedim(-1, 1).float() - 1
    return 2 * torch.stack([torch.isin(labels, torch.tensor(region)) for region in target.regions], 1).float() - 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TERMS)
def test_every_term_falls_on_the_way_to_the_truth_where_it_is_least(name: str, kind: str) -> None:
    target = draw_target(kind)
    term = find_terms(Loss(terms={name: 1.0}), batch_dice=False)[name]
    way = [float(term(scale * point_to_truth(target), target)) for scale in (-9.0, -1.0, 0.0, 1.0, 3.0, 30.0)]
    assert all(later < earlier for earlier, later in pairwise(way)), way
    generator = torch.Generator().manual_seed(0)
    others = [float(term(5 * torch.randn(3, 3, 4, 6, 5, generator=generator), target)) for _ in range(5)]
    assert min(others) > way[-1]
    if name != "boundary":  # which is below 0 at best
        assert way[-1] == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("scale", [0.0, 1.0, 65504.0])
@pytest.mark.parametrize("ignored", [False, True])
def test_every_term_and_its_gradient_are_finite(name: str, kind: str, scale: float, ignored: bool) -> None:
    target = draw_target(kind, ignored=ignored)
    for direction in (point_to_truth(target), -point_to_truth(target)):
        logits = (scale * direction).requires_grad_()
        loss, shown = compute_loss(logits, target, Loss(terms={name: 1.0}), batch_dice=True)
        loss.backward()
        assert logits.grad is not None
        assert torch.isfinite(loss)
        assert logits.grad.isfinite().all()
        assert not logits.grad[:, :, :, 0].any()  # where voxels are ignored
        assert shown == {name: pytest.approx(float(loss.detach()))}


@pytest.mark.parametrize("name", TERMS)
def test_ignored_voxels_count_in_no_term(name: str) -> None:
    """Cut off, they leave the same loss; but for distances, which see the patch as it is."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 3, 4, 6, generator=generator)
    labels = torch.randint(0, 3, (2, 4, 6), generator=generator)
    labels[:, :, 3:] = IGNORED
    term = find_terms(Loss(terms={name: 1.0}), batch_dice=False)[name]
    changed = torch.cat([logits[..., :3], logits[..., 3:] + 5], -1)
    assert float(term(changed, Target(labels))) == pytest.approx(float(term(logits, Target(labels))), rel=1e-5)
    if name not in ("boundary", "hausdorff"):
        cut = term(logits[..., :3], Target(labels[..., :3]))
        assert float(term(logits, Target(labels))) == pytest.approx(float(cut), rel=1e-5)


@pytest.mark.parametrize("name", TERMS)
def test_being_annotated_for_everything_changes_nothing(name: str) -> None:
    plain = draw_target("labels")
    full = Target(plain.labels, annotated=torch.ones(3, 3, dtype=torch.bool))
    logits = torch.randn(3, 3, 4, 6, 5, generator=torch.Generator().manual_seed(2))
    term = find_terms(Loss(terms={name: 1.0}), batch_dice=True)[name]
    assert float(term(logits, full)) == pytest.approx(float(term(logits, plain)), rel=1e-5)


def test_weights_of_deep_supervision_halve_and_sum_to_one() -> None:
    assert level_weights(3) == pytest.approx([4 / 7, 2 / 7, 1 / 7])


def test_levels_and_terms_are_summed_by_their_weights() -> None:
    generator = torch.Generator().manual_seed(3)
    fine, coarse = torch.randn(2, 3, 2, 4, 6, generator=generator), torch.randn(2, 3, 2, 2, 3, generator=generator)
    labels = torch.randint(0, 3, (2, 2, 4, 6), generator=generator)
    loss = Loss(terms={"cross_entropy": 2.0, "focal": 0.5}, parameters={"focal": {"gamma": 0}})
    total, shown = compute_loss([fine, coarse], Target(labels), loss, batch_dice=False)
    costs = [functional.cross_entropy(fine, labels), functional.cross_entropy(coarse, labels[..., 1::2, 1::2])]
    assert float(total) == pytest.approx(2.5 * float(2 / 3 * costs[0] + 1 / 3 * costs[1]), rel=1e-5)
    assert list(shown.values()) == pytest.approx([float(costs[0])] * 2)


def test_the_plans_batch_dice_reaches_terms_of_overlap() -> None:
    target, logits = draw_target("labels"), torch.randn(3, 3, 4, 6, 5, generator=torch.Generator().manual_seed(4))
    terms = {"soft_dice": 1.0, "batch_dice": 1.0}
    _, pooled = compute_loss(logits, target, Loss(terms=terms), batch_dice=True)
    _, apart = compute_loss(logits, target, Loss(terms=terms), batch_dice=False)
    own = Loss(terms=terms, parameters={"soft_dice": {"batch_dice": True}})
    assert pooled["soft_dice"] == pooled["batch_dice"] == apart["batch_dice"] != apart["soft_dice"]
    assert compute_loss(logits, target, own, batch_dice=False)[1] == pooled


def test_a_function_of_ones_own(own_module: str) -> None:
    target, path = Target(torch.ones(2, 3, 4).long()), f"{own_module}:miss"
    loss = Loss(terms={path: 1.0, "cross_entropy": 1.0}, parameters={path: {"power": 2}})
    _, shown = compute_loss(torch.zeros(2, 2, 3, 4), target, loss, batch_dice=False)
    assert shown[path] == 1.0
    with pytest.raises(PlanError, match=r"powr is not known. Did you mean power"):
        find_terms(Loss(terms={path: 1.0}, parameters={path: {"powr": 2}}), batch_dice=False)


def test_a_class_of_ones_own_is_made_once(own_module: str) -> None:
    target, path = Target(torch.ones(2, 3, 4).long()), f"{own_module}:Bent"
    loss = Loss(terms={path: 1.0}, parameters={path: {"factor": 3.0}})
    for _ in range(3):
        assert float(compute_loss(torch.ones(2, 2, 3, 4), target, loss, batch_dice=False)[0]) == 3.0
    assert __import__(own_module).Bent.made == 1
    with pytest.raises(PlanError, match="factor is missing"):
        find_terms(Loss(terms={path: 1.0}), batch_dice=False)


def test_a_term_of_ones_own_that_is_no_number_is_refused(own_module: str) -> None:
    loss = Loss(terms={f"{own_module}:vector": 1.0})
    with pytest.raises(PlanError, match=r"vector: returned a tensor of shape \(2,\), but a term is one number"):
        compute_loss(torch.ones(2, 2, 3, 4), Target(torch.ones(2, 3, 4).long()), loss, batch_dice=False)


@pytest.mark.parametrize(
    ("terms", "parameters", "sentence"),
    [
        ({"soft_dise": 1.0}, {}, r"soft_dise is not known. Did you mean soft_dice"),
        ({"focal": 1.0}, {"focal": {"gama": 3}}, r"loss.parameters.focal: gama is not known. Did you mean gamma"),
        ({"focal": 1.0}, {"focal": {"gamma": "3"}}, r"gamma is '3', but must be a number"),
        ({"focal": 1.0}, {"fokal": {"gamma": 3}}, r"fokal is none of the loss's terms. Did you mean focal"),
        ({"cross_entropy": 1.0}, {"cross_entropy": {"gamma": 3}}, r"gamma is not known. There is nothing to set"),
    ],
)
def test_a_loss_that_cannot_be_is_refused(
    terms: dict[str, float], parameters: dict[str, dict[str, object]], sentence: str
) -> None:
    with pytest.raises(PlanError, match=sentence):
        find_terms(Loss(terms=terms, parameters=parameters), batch_dice=False)
