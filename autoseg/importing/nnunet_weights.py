"""What is each weight of a network called in autoseg, and what in nnU-Net?

Source: the modules of dynamic-network-architectures 0.4, as nnU-Net 2.8 saves them. The table is made from a
configuration, and read in both directions. nnU-Net saves most weights several times: a convolution and its
normalisation once by name and once as members of a list (`all_modules`), an encoder again inside its decoder. It has a
head at the decoder's coarsest stage as well, whose loss weighs nothing and which no prediction asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from autoseg.errors import WorkspaceError
from autoseg.networks.build import build_network
from autoseg.planning.plan import Configuration

WRAPPERS = ("module.", "_orig_mod.")  # put before every name by several GPUs and by torch.compile
KINDS = ("weight", "bias")
SHOWN = 3  # names in a message

Weights = Mapping[str, Tensor]


class Pair(NamedTuple):
    """One weight.

    Attributes:
        autoseg: its name here.
        nnunet: its name there, by which a network that is loaded finds it.
        copies: the other names under which nnU-Net saves it.
    """

    autoseg: str
    nnunet: str
    copies: tuple[str, ...] = ()


def pair_names(configuration: Configuration) -> list[Pair]:
    """Every weight of a configuration's network, with its names.

    Args:
        configuration: of a `unet` or a `residual_unet`; whether its loss is deeply supervised tells which heads it has.
    """
    stages = [*_pair_residual_encoder(configuration)] if _is_residual(configuration) else []
    stages += [] if stages else [*_pair_plain_encoder(configuration)]
    encoder = [Pair(one.autoseg, one.nnunet, _repeat_in_decoder(one)) for one in stages]
    return [*encoder, *_pair_decoder(configuration), *_pair_heads(configuration)]


def to_autoseg_names(
    weights: Weights, configuration: Configuration, *, n_channels: int, n_outputs: int, where: str
) -> dict[str, Tensor]:
    """nnU-Net's weights by their names here, float32, each used exactly once.

    Args:
        weights: `network_weights` of a checkpoint.
        configuration: the network that they belong to.
        n_channels, n_outputs: of the network, a previous segmentation's channels included.
        where: the file, for errors.

    Raises:
        WorkspaceError: a weight is missing, left over, of another shape than the plans say, or saved with two values.
    """
    given = {_unwrap(name): weight for name, weight in weights.items()}
    pairs = pair_names(configuration)
    _require_all(given, pairs, configuration, where)
    found = {pair.autoseg: _take(given, pair, where).detach().float() for pair in pairs}
    _require_shapes(found, pairs, configuration, n_channels, n_outputs, where)
    return found


def to_nnunet_names(weights: Weights, configuration: Configuration) -> dict[str, Tensor]:
    """autoseg's weights as nnU-Net saves them: with all copies, and zeros for the head that nothing asks."""
    named: dict[str, Tensor] = {}
    for pair in pair_names(configuration):
        named |= dict.fromkeys((pair.nnunet, *pair.copies), weights[pair.autoseg])
    return named | _make_idle_heads(named, configuration)


def has_all_heads(weights: Weights, n_stages: int) -> bool:
    """Whether nnU-Net's weights have a head at every decoder stage that deep supervision trains."""
    given = {_unwrap(name) for name in weights}
    return all(f"decoder.seg_layers.{level}.weight" in given for level in range(min(1, n_stages - 2), n_stages - 1))


def _is_residual(configuration: Configuration) -> bool:
    return configuration.network.value == "residual_unet"


def _pair_plain_encoder(configuration: Configuration) -> Iterator[Pair]:
    for stage, n_blocks in enumerate(configuration.blocks.value.encoder):
        for block in range(n_blocks):
            there = f"encoder.stages.{stage}.0.convs.{block}"
            yield from _pair_layer(f"encoder.{stage}.{block}", there, dropout=configuration.dropout.value > 0)


def _pair_residual_encoder(configuration: Configuration) -> Iterator[Pair]:
    """Dropout follows the first convolution of a block alone."""
    dropout = configuration.dropout.value > 0
    yield from _pair_layer("stem", "encoder.stem.convs.0", dropout=dropout)
    for stage, n_blocks in enumerate(configuration.blocks.value.encoder):
        for block in range(n_blocks):
            here, there = f"encoder.{stage}.{block}", f"encoder.stages.{stage}.blocks.{block}"
            yield from _pair_layer(f"{here}.first", f"{there}.conv1", dropout=dropout)
            yield from _pair_layer(f"{here}.second", f"{there}.conv2")
            if block == 0:
                yield from _pair_skip(configuration, stage, f"{here}.skip", f"{there}.skip")


def _pair_skip(configuration: Configuration, stage: int, here: str, there: str) -> Iterator[Pair]:
    """A block that changes the number of channels projects its skip, after the pooling if it downsamples."""
    features = configuration.features.value
    if stage == 0 or features[stage - 1] == features[stage]:
        return
    place = int(any(stride != 1 for stride in configuration.topology.value.strides[stage]))
    layer = f"{there}.{place}"
    yield Pair(f"{here}.{place}.weight", f"{layer}.conv.weight", (f"{layer}.all_modules.0.weight",))
    for kind in KINDS:
        yield Pair(f"{here}.{place + 1}.{kind}", f"{layer}.norm.{kind}", (f"{layer}.all_modules.1.{kind}",))


def _pair_layer(here: str, there: str, *, dropout: bool = False) -> Iterator[Pair]:
    """A convolution with its normalisation, which in nnU-Net's list comes after a dropout, if there is one."""
    for number, (name, place) in enumerate((("conv", 0), ("norm", 2 if dropout else 1))):
        for kind in KINDS:
            yield Pair(f"{here}.{number}.{kind}", f"{there}.{name}.{kind}", (f"{there}.all_modules.{place}.{kind}",))


def _repeat_in_decoder(pair: Pair) -> tuple[str, ...]:
    return (*pair.copies, *(f"decoder.{name}" for name in (pair.nnunet, *pair.copies)))


def _pair_decoder(configuration: Configuration) -> Iterator[Pair]:
    """Both count decoder stages from the coarsest."""
    blocks = configuration.blocks.value.decoder
    for stage in range(len(blocks)):
        for kind in KINDS:
            yield Pair(f"decoder.{stage}.up.{kind}", f"decoder.transpconvs.{stage}.{kind}")
        for block in range(blocks[-1 - stage]):
            there = f"decoder.stages.{stage}.convs.{block}"
            dropout = configuration.dropout.value > 0
            yield from _pair_layer(f"decoder.{stage}.convolutions.{block}", there, dropout=dropout)


def _pair_heads(configuration: Configuration) -> Iterator[Pair]:
    idle = _list_idle_heads(configuration)
    used = [level for level in range(len(configuration.blocks.value.decoder)) if level not in idle]
    for number, level in enumerate(used):
        for kind in KINDS:
            yield Pair(f"heads.{number}.{kind}", f"decoder.seg_layers.{level}.{kind}")


def _list_idle_heads(configuration: Configuration) -> tuple[int, ...]:
    """nnU-Net's heads that autoseg does without: the coarsest, or all but the finest without deep supervision."""
    n_heads = len(configuration.blocks.value.decoder)
    n_idle = min(1, n_heads - 1) if configuration.loss.value.deep_supervision else n_heads - 1
    return tuple(range(n_idle))


def _make_idle_heads(named: Weights, configuration: Configuration) -> dict[str, Tensor]:
    finest = named[f"decoder.seg_layers.{len(configuration.blocks.value.decoder) - 1}.weight"]
    heads: dict[str, Tensor] = {}
    for level in _list_idle_heads(configuration):
        below = named[f"decoder.transpconvs.{level}.weight"].shape[1]
        heads[f"decoder.seg_layers.{level}.weight"] = finest.new_zeros(finest.shape[0], below, *finest.shape[2:])
        heads[f"decoder.seg_layers.{level}.bias"] = finest.new_zeros(finest.shape[0])
    return heads


def _unwrap(name: str) -> str:
    while wrapper := next((one for one in WRAPPERS if name.startswith(one)), None):
        name = name.removeprefix(wrapper)
    return name.replace("._orig_mod.", ".")


def _require_all(given: Weights, pairs: list[Pair], configuration: Configuration, where: str) -> None:
    missing = [pair.nnunet for pair in pairs if not {pair.nnunet, *pair.copies} & set(given)]
    known = {name for pair in pairs for name in (pair.nnunet, *pair.copies)}
    idle = {f"decoder.seg_layers.{level}.{kind}" for level in _list_idle_heads(configuration) for kind in KINDS}
    over = sorted(set(given) - known - idle)
    if missing or over:
        told = [f"{what}: {_shorten(names)}" for what, names in (("missing", missing), ("left over", over)) if names]
        raise WorkspaceError(
            f"{where}: its weights are not those of the {configuration.network.value} that plans.json describes "
            f"({'; '.join(told)}). Was it trained by a trainer that builds another network?"
        )


def _shorten(names: list[str]) -> str:
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + rest


def _take(given: Weights, pair: Pair, where: str) -> Tensor:
    first, *others = (given[name] for name in (pair.nnunet, *pair.copies) if name in given)
    if not all(torch.equal(first, other) for other in others):
        raise WorkspaceError(f"{where}: saves {pair.nnunet} several times, with different values. Save it anew.")
    return first


def _require_shapes(
    found: Weights, pairs: list[Pair], configuration: Configuration, n_channels: int, n_outputs: int, where: str
) -> None:
    with torch.device("meta"):  # shapes alone, without memory
        wanted = build_network(configuration, n_channels, n_outputs).state_dict()
    for pair in pairs:
        came, expected = tuple(found[pair.autoseg].shape), tuple(wanted[pair.autoseg].shape)
        if came != expected:
            raise WorkspaceError(
                f"{where}: {pair.nnunet} has shape {came}, but plans.json and dataset.json say {expected}. "
                "Do the files belong together?"
            )
