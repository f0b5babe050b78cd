"""Every network follows any topology of a plan, in training and in prediction, and says whom it follows."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from autoseg.networks.build import NETWORKS, build_network, place_network
from autoseg.networks.methods import BASELINES, METHODS, OWN, find_method
from autoseg.pipeline.planning import ensure_plan
from autoseg.pipeline.project import Project
from autoseg.planning.blueprint import NETWORKS_OF_SLICES
from autoseg.planning.choices import Topology
from autoseg.planning.plan import Configuration
from autoseg.planning.rules.blocks import decide_blocks
from autoseg.prediction.configuration_predictor import ConfigurationPredictor
from autoseg.training.losses import Target, compute_loss

CPU = torch.device("cpu")
NAMES = [method.name for method in (*OWN, *BASELINES)]
SUPERVISED = ("unet", "residual_unet", "unet_plus_plus", "attention_unet", "mednext")
WIDTH, N_CHANNELS, N_OUTPUTS = 4, 2, 3

ANISOTROPIC = Topology(
    strides=((1, 1, 1), (1, 2, 2), (2, 2, 2), (1, 2, 1)), kernel_sizes=((1, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3))
)
FLAT = Topology(strides=((1, 1, 1), *[(1, 2, 2)] * 2), kernel_sizes=((1, 3, 3),) * 3)
CASES = {  # a topology, and a patch that its strides divide
    "slices": (Topology(strides=((1, 1), *[(2, 2)] * 3), kernel_sizes=((3, 3),) * 4), (16, 24)),
    "anisotropic": (ANISOTROPIC, (6, 16, 12)),
    "deep": (Topology(strides=((1, 1), *[(2, 2)] * 6), kernel_sizes=((3, 3),) * 7), (64, 128)),
    "two stages": (Topology(strides=((1, 1, 1), (2, 1, 2)), kernel_sizes=((3, 3, 3),) * 2), (6, 5, 4)),
    "thirds": (Topology(strides=((1, 1), (3, 2), (1, 3)), kernel_sizes=((3, 3),) * 3), (9, 12)),
    "one stage": (Topology(strides=((1, 1, 1),), kernel_sizes=((1, 3, 3),)), (3, 5, 7)),
}


def configure(project: Project, name: str, topology: Topology, *, dropout: float = 0.0) -> Configuration:
    """A configuration with these values, the others as planned."""
    n_stages = topology.n_stages
    settings = ensure_plan(project).find_configuration("2d" if len(topology.strides[0]) == 2 else "3d_fullres")
    values = {
        "network": name,
        "topology": topology,
        "features": tuple(WIDTH * 2 ** min(stage, 2) for stage in range(n_stages)),
        "blocks": decide_blocks(network=name, n_stages=n_stages).value,
        "dropout": dropout,
    }
    changes = {key: getattr(settings, key).model_copy(update={"value": value}) for key, value in values.items()}
    return settings.model_copy(update=changes)


def build(project: Project, name: str, case: str = "anisotropic", *, seed: int = 0, dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(seed)
    return build_network(configure(project, name, CASES[case][0], dropout=dropout), N_CHANNELS, N_OUTPUTS)


def draw(case: str = "anisotropic", n_samples: int = 2) -> Tensor:
    return torch.randn(n_samples, N_CHANNELS, *CASES[case][1], generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", NAMES)
def test_every_topology_keeps_its_shape_and_trains(planned: Project, name: str, case: str) -> None:
    network, patch = build(planned, name, case), CASES[case][1]
    assert network.eval()(draw(case)).shape == (2, N_OUTPUTS, *patch)
    levels = network.train()(draw(case))
    assert isinstance(levels, list) == (name in SUPERVISED)
    settings = configure(planned, name, CASES[case][0])
    labels = torch.randint(0, N_OUTPUTS, (2, *patch))
    loss, _ = compute_loss(levels, Target(labels), settings.loss.value, batch_dice=False)
    loss.backward()
    assert [key for key, weights in network.named_parameters() if weights.grad is None] == []


@pytest.mark.parametrize("name", SUPERVISED)
def test_coarser_heads_stand_on_the_stages_of_the_topology(planned: Project, name: str) -> None:
    shapes = [tuple(level.shape[2:]) for level in build(planned, name).train()(draw())]
    stages = [(6, 16, 12), (6, 8, 6), (3, 4, 3)]
    if name == "unet_plus_plus":
        assert shapes == stages[:1] * 3
    else:
        assert shapes == stages[: 2 if name in ("unet", "residual_unet") else 3]


@pytest.mark.parametrize("name", NAMES)
def test_without_deep_supervision_there_is_one_answer(planned: Project, name: str) -> None:
    settings = configure(planned, name, ANISOTROPIC)
    loss = settings.loss.value.model_copy(update={"deep_supervision": False})
    settings = settings.model_copy(update={"loss": settings.loss.model_copy(update={"value": loss})})
    network = build_network(settings, N_CHANNELS, N_OUTPUTS).train()
    answer = network(draw())
    assert answer.shape == (2, N_OUTPUTS, 6, 16, 12)
    answer.square().mean().backward()
    assert [key for key, weights in network.named_parameters() if weights.grad is None] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_makes_the_same_network_and_another_another(planned: Project, name: str) -> None:
    first, again, other = (build(planned, name, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


def drawn_anew(network: nn.Module) -> nn.Module:
    """All weights drawn at random, so that none is the zero that a head begins with."""
    generator = torch.Generator().manual_seed(3)
    for weights in network.parameters():
        weights.data = torch.randn(weights.shape, generator=generator) * 0.3
    return network.eval()


@pytest.mark.parametrize("name", NAMES)
def test_a_patch_is_judged_alone_and_in_either_layout(planned: Project, name: str) -> None:
    network, image = drawn_anew(build(planned, name)), draw()
    with torch.inference_mode():
        together = place_network(network, CPU, "contiguous")(image)
        alone = torch.cat([network(one[None]) for one in image])
        channels_last = place_network(network, CPU, "channels_last")(image)
    scale = together.abs().max()
    assert scale > 0
    assert torch.allclose(alone / scale, together / scale, atol=1e-5)
    assert torch.allclose(channels_last / scale, together / scale, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_no_kernel_looks_along_an_axis_that_the_topology_leaves_alone(planned: Project, name: str) -> None:
    network = build_network(configure(planned, name, FLAT), N_CHANNELS, N_OUTPUTS)
    kernels = {tuple(weights.shape[2:]) for weights in network.parameters() if weights.ndim == 5}
    assert {kernel[0] for kernel in kernels} == {1}
    assert max(max(kernel[1:]) for kernel in kernels) == {"vnet": 5, "fcn8s": 7}.get(name, 3)


@pytest.mark.parametrize("name", NAMES)
def test_dropout_blanks_maps_in_training_alone(planned: Project, name: str) -> None:
    network = drawn_anew(build(planned, name, dropout=0.5))
    assert torch.equal(network(draw()), network(draw()))
    blanked = [network.train()(draw()) for _ in range(2)]
    finest = [levels if isinstance(levels, Tensor) else levels[0] for levels in blanked]
    assert not torch.equal(*finest)


@pytest.mark.parametrize("name", NAMES)
def test_a_case_is_predicted_window_by_window(planned: Project, name: str) -> None:
    plan = ensure_plan(planned)
    settings = configure(planned, name, CASES["slices"][0])
    network = build_network(settings, len(plan.channels), plan.labels.n_outputs).eval()
    patched = settings.patch_size.model_copy(update={"value": (16, 16)})
    configurations = {**plan.configurations, "2d": settings.model_copy(update={"patch_size": patched})}
    predictor = ConfigurationPredictor(
        plan.model_copy(update={"configurations": configurations}), "2d", (network,), CPU
    )
    image = torch.randn(len(plan.channels), 2, 20, 18).numpy()
    said = predictor.compute_logits(image).values
    assert said.shape == (plan.labels.n_outputs, 2, 20, 18)
    assert math.isfinite(float(abs(said[:]).sum()))


def test_every_method_says_whom_it_follows_and_what_differs() -> None:
    assert set(METHODS) == set(NETWORKS)
    assert all(name == method.name and method.paper for name, method in METHODS.items())
    assert {name for name, method in METHODS.items() if not method.differs} == {"unet", "residual_unet"}
    assert {name for name, method in METHODS.items() if method.n_dimensions == (2,)} == set(NETWORKS_OF_SLICES)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fcn8s", ("100 voxels", "not scaled down", "dropout")),
        ("unet_2015", ("dropout",)),
        ("unet_plus_plus", ("dropout",)),
        ("attention_unet", ("combine_gates",)),
    ],
)
def test_what_a_publication_has_and_its_baseline_lacks_is_said(name: str, words: tuple[str, ...]) -> None:
    assert [word for word in words if word not in METHODS[name].differs] == []


def test_a_variant_is_a_method_of_its_own(planned: Project) -> None:
    large = find_method("mednext@l")
    assert large is not None
    assert (large.name, large.builder) == ("mednext@l", METHODS["mednext"].builder)
    assert large.differs.endswith("size L")
    assert "size S" in METHODS["mednext"].differs
    assert find_method("nothing") is None
    small, wide = (sum(w.numel() for w in build(planned, name).parameters()) for name in ("mednext@s", "mednext@b"))
    assert small < wide
