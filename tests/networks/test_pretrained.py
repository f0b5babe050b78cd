"""Weights go where they fit, a first convolution is adapted, and all that did not fit is told."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from autoseg.errors import WorkspaceError
from autoseg.networks.pretrained import adapt_channels, describe_loaded, load_pretrained, read_pretrained
from autoseg.networks.unet import UNet
from autoseg.pipeline.project import Project
from autoseg.planning.choices import Blocks, Topology

TOPOLOGY = Topology(strides=((1, 1, 1), (1, 2, 2), (2, 2, 2)), kernel_sizes=((1, 3, 3), (3, 3, 3), (3, 3, 3)))
PATCH = (4, 12, 8)


def make_unet(
    n_channels: int = 1, n_outputs: int = 3, *, seed: int = 0, width: int = 4, residual: bool = False
) -> UNet:
    torch.manual_seed(seed)
    blocks = Blocks(encoder=(2,) * 3, decoder=(1,) * 2)
    features = [width * 2**stage for stage in range(3)]
    return UNet(n_channels, n_outputs, topology=TOPOLOGY, features=features, blocks=blocks, residual=residual).eval()


def test_the_same_network_takes_everything() -> None:
    old, new = make_unet(seed=1), make_unet(seed=2)
    loaded = load_pretrained(new, old.state_dict(), where="a")
    image = torch.randn(1, 1, *PATCH)
    assert torch.equal(old(image), new(image))
    assert (loaded.adapted, loaded.left, loaded.missing, loaded.unused, loaded.share) == ((), (), (), (), 1.0)


def test_heads_for_other_labels_stay_fresh() -> None:
    old, new = make_unet(seed=1), make_unet(n_outputs=5, seed=2)
    fresh = {name: tensor.clone() for name, tensor in new.state_dict().items()}
    loaded = load_pretrained(new, old.state_dict(), where="a")
    assert set(loaded.left) == {name for name in fresh if name.startswith("heads.")}
    now = new.state_dict()
    assert all(torch.equal(now[name], fresh[name]) for name in loaded.left)
    assert all(torch.equal(now[name], old.state_dict()[name]) for name in loaded.loaded)
    assert 0.9 < loaded.share < 1


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize(("n_before", "n_after"), [(1, 3), (4, 1), (3, 2)])
def test_alike_channels_give_the_activations_of_before(n_before: int, n_after: int, residual: bool) -> None:
    old, new = make_unet(n_before, seed=1, residual=residual), make_unet(n_after, seed=2, residual=residual)
    loaded = load_pretrained(new, old.state_dict(), where="a")
    assert loaded.adapted == ("stem.0.weight" if residual else "encoder.0.0.0.weight",)
    channel = torch.randn(1, 1, *PATCH)
    answers = [network(channel.expand(-1, n, *PATCH)) for network, n in ((old, n_before), (new, n_after))]
    assert torch.allclose(*answers, atol=1e-4)


def test_channels_of_a_previous_segmentation_begin_with_zero() -> None:
    weight = torch.randn(5, 2, 1, 3, 3)
    adapted = adapt_channels(weight, n_inputs=4, n_before=2, n_after=2)
    assert torch.equal(adapted[:, :2], weight)
    assert not adapted[:, 2:].any()
    from_cascade = adapt_channels(torch.randn(5, 4, 3, 3), n_inputs=1, n_before=1, n_after=1)
    assert from_cascade.shape == (5, 1, 3, 3)


def test_half_precision_is_widened() -> None:
    old, new = make_unet(2, seed=1).half(), make_unet(1, seed=2)
    load_pretrained(new, old.state_dict(), where="a")
    assert {tensor.dtype for tensor in new.state_dict().values()} == {torch.float32}


def test_a_network_where_nothing_fits_is_refused_and_left_alone() -> None:
    new = make_unet(seed=2, width=6)
    fresh = {name: tensor.clone() for name, tensor in new.state_dict().items()}
    old = {name: tensor for name, tensor in make_unet(width=4).state_dict().items() if "heads" not in name}
    with pytest.raises(WorkspaceError, match=r"^old\.safetensors: none of its \d+ tensors \(encoder.0.0.0.weight, "):
        load_pretrained(new, old, where="old.safetensors")
    assert all(torch.equal(tensor, fresh[name]) for name, tensor in new.state_dict().items())


def test_what_was_taken_is_told_in_a_sentence() -> None:
    old, new = make_unet(1, seed=1).state_dict(), make_unet(2, n_outputs=5, seed=2)
    old["extra"] = torch.zeros(2)
    del old["encoder.1.0.0.bias"]
    told = describe_loaded(load_pretrained(new, old, where="a"))
    assert "encoder.0.0.0.weight was adapted" in told
    assert "2 of another shape begin anew (heads.0.weight, heads.0.bias)" in told
    assert "1 that the file lacks begin anew (encoder.1.0.0.bias)" in told
    assert "1 of the file have no place here (extra)" in told


def test_a_checkpoint_says_how_many_channels_its_images_had(trained: Project) -> None:
    pretrained = read_pretrained(trained.workspace.run("3d_fullres", 0).checkpoint)
    assert pretrained.n_channels == len(trained.dataset.channels)
    assert any(name.startswith("encoder.") for name in pretrained.weights)


def test_any_file_of_tensors_will_do(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "plain.safetensors")
    pretrained = read_pretrained(tmp_path / "plain.safetensors")
    assert (list(pretrained.weights), pretrained.n_channels) == (["a"], None)


def test_a_file_without_weights_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "old.pth").write_bytes(b"PK\x03\x04")
    with pytest.raises(WorkspaceError, match=r"holds no weights that can be read\. Give a checkpoint"):
        read_pretrained(tmp_path / "old.pth")
    with pytest.raises(WorkspaceError, match="there is no such file"):
        read_pretrained(tmp_path / "none.safetensors")
