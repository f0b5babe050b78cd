"""Which network do nnU-Net's plans describe, and can autoseg build it?

Source: plans.json as nnU-Net 2.8 writes it (`architecture`: a class and its arguments), and as versions before 2.4 did
(`UNet_class_name`, `conv_kernel_sizes`, ...). What changes the function of the network and is not autoseg's, such as
another normalisation or activation, is refused by name; what changes nothing in prediction is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autoseg.errors import PlanError
from autoseg.planning.choices import Blocks, Topology

NETWORKS = {"PlainConvUNet": "unet", "ResidualEncoderUNet": "residual_unet"}  # nnU-Net's class -> ours
ENCODER_BLOCKS = {"unet": "n_conv_per_stage", "residual_unet": "n_blocks_per_stage"}
NONLINEARITY, BLOCK = "LeakyReLU", "BasicBlockD"
NEGATIVE_SLOPE = 0.01  # networks.blocks.NEGATIVE_SLOPE, and torch's default
NORM_EPSILON = 1e-5  # networks.blocks.NORM_EPSILON, and torch's default
MUST_BE: dict[
    str, Sequence[Any]
] = {  # arguments that autoseg builds for these values alone; the first is the usual one
    "conv_bias": (True,),
    "nonlin_first": (False, None),
    "bottleneck_channels": (None,),
    "disable_default_stem": (False, None),
    "squeeze_excitation": (False, None),
    "pool": ("conv", None),
    "pool_type": ("conv", None),
}
WITHOUT_EFFECT = {"deep_supervision", "stochastic_depth_p", "squeeze_excitation_reduction_ratio"}  # in prediction
READ = {
    "n_stages",
    "features_per_stage",
    "conv_op",
    "kernel_sizes",
    "strides",
    "n_conv_per_stage",
    "n_blocks_per_stage",
    "n_conv_per_stage_decoder",
    "norm_op",
    "norm_op_kwargs",
    "dropout_op",
    "dropout_op_kwargs",
    "nonlin",
    "nonlin_kwargs",
    "block",
    "stem_channels",
}

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Architecture:
    """A network in autoseg's words.

    Attributes:
        network: `unet` or `residual_unet`.
        dropout: share of feature maps that training blanks.
    """

    network: str
    topology: Topology
    features: tuple[int, ...]
    blocks: Blocks
    dropout: float


def read_architecture(settings: Settings, *, where: str) -> Architecture:
    """The network of one configuration of plans.json, what it inherits included.

    Args:
        settings: the configuration.
        where: the file and the configuration's name, for errors.

    Raises:
        PlanError: a key is missing or wrong, or the network is none that autoseg can build.
    """
    described = settings.get("architecture") or _describe_old(settings, where)
    network = _read_class(described, where)
    arguments = described.get("arch_kwargs")
    if not isinstance(arguments, dict):
        raise PlanError(f"{where}: architecture lacks arch_kwargs. Is plans.json as nnU-Net wrote it?")
    n_dimensions = len(settings["patch_size"])
    _refuse_other_layers(arguments, n_dimensions, where)
    return _translate(network, arguments, n_dimensions, where)


def _describe_old(settings: Settings, where: str) -> dict[str, Any]:
    """The words of plans before nnU-Net 2.4 in those of later ones; what they leave out was fixed then."""
    network = settings.get("UNet_class_name")
    if network is None:
        raise PlanError(f"{where}: describes no network (architecture, or UNet_class_name before nnU-Net 2.4).")
    n_dimensions, blocks = len(settings["patch_size"]), require(settings, "n_conv_per_stage_encoder", where)
    width, widest = (require(settings, key, where) for key in ("UNet_base_num_features", "unet_max_num_features"))
    ours = NETWORKS.get(str(network), "unet")
    return {
        "network_class_name": network,
        "arch_kwargs": {
            "n_stages": len(blocks),
            "features_per_stage": [min(width * 2**stage, widest) for stage in range(len(blocks))],
            "kernel_sizes": require(settings, "conv_kernel_sizes", where),
            "strides": require(settings, "pool_op_kernel_sizes", where),
            ENCODER_BLOCKS[ours]: blocks,
            "n_conv_per_stage_decoder": require(settings, "n_conv_per_stage_decoder", where),
            "conv_op": f"Conv{n_dimensions}d",
            "conv_bias": True,
            "norm_op": f"InstanceNorm{n_dimensions}d",
            "norm_op_kwargs": {"eps": NORM_EPSILON, "affine": True},
            "nonlin": NONLINEARITY,
        },
    }


def _read_class(described: Settings, where: str) -> str:
    name = str(described.get("network_class_name", "nothing")).rpartition(".")[2]
    if name not in NETWORKS:
        raise PlanError(f"{where}: the network is {name}, but autoseg builds {' and '.join(NETWORKS)} of nnU-Net's.")
    return NETWORKS[name]


def _refuse_other_layers(arguments: Settings, n_dimensions: int, where: str) -> None:
    """What is not named is what the network's class does without it: no normalisation, no activation, no bias."""
    _require_layer(arguments, "conv_op", f"Conv{n_dimensions}d", where)
    _require_layer(arguments, "norm_op", f"InstanceNorm{n_dimensions}d", where)
    _require_layer(arguments, "nonlin", NONLINEARITY, where)
    _require_layer({"block": BLOCK, **arguments}, "block", BLOCK, where)
    norm = {"eps": NORM_EPSILON, "affine": False, **(arguments.get("norm_op_kwargs") or {})}
    if norm["eps"] != NORM_EPSILON or norm["affine"] is not True or norm.get("track_running_stats"):
        usual = f"eps {NORM_EPSILON:g}, affine, without running statistics"
        raise PlanError(f"{where}: norm_op_kwargs is {norm}, but autoseg's normalisation has {usual}.")
    slope = (arguments.get("nonlin_kwargs") or {}).get("negative_slope", NEGATIVE_SLOPE)
    if slope != NEGATIVE_SLOPE:
        raise PlanError(f"{where}: the slope of {NONLINEARITY} is {slope}, but autoseg's is {NEGATIVE_SLOPE}.")
    for name, value in {"conv_bias": False, **arguments}.items():
        _require_usual(name, value, where)


def _require_layer(arguments: Settings, key: str, wanted: str, where: str) -> None:
    named = arguments.get(key)
    if named is None or str(named).rpartition(".")[2] != wanted:
        came = "not named" if named is None else named
        raise PlanError(f"{where}: {key} is {came}, but autoseg builds networks of {wanted} alone.")


def _require_usual(name: str, value: Any, where: str) -> None:
    if name in MUST_BE and value not in MUST_BE[name]:
        raise PlanError(f"{where}: {name} is {value}, but autoseg builds networks with {MUST_BE[name][0]} alone.")
    if name not in {*MUST_BE, *WITHOUT_EFFECT, *READ}:
        raise PlanError(f"{where}: the network is built with {name}={value}, which autoseg does not know.")


def _translate(network: str, arguments: Settings, n_dimensions: int, where: str) -> Architecture:
    n_stages = int(require(arguments, "n_stages", where))
    kernels, strides = (
        _spread(require(arguments, key, where), n_stages, key, where) for key in ("kernel_sizes", "strides")
    )
    features = _spread(require(arguments, "features_per_stage", where), n_stages, "features_per_stage", where)
    encoder = require(arguments, ENCODER_BLOCKS[network], where)
    decoder = require(arguments, "n_conv_per_stage_decoder", where)
    stem = arguments.get("stem_channels")
    if stem is not None and stem != features[0]:
        raise PlanError(f"{where}: stem_channels is {stem}, but autoseg's stem has the first stage's {features[0]}.")
    return Architecture(
        network=network,
        topology=Topology(
            strides=tuple(_per_axis(one, n_dimensions) for one in strides),
            kernel_sizes=tuple(_per_axis(one, n_dimensions) for one in kernels),
        ),
        features=tuple(int(width) for width in features),
        blocks=Blocks(
            encoder=tuple(int(n) for n in _spread(encoder, n_stages, ENCODER_BLOCKS[network], where)),
            decoder=tuple(int(n) for n in reversed(_spread(decoder, n_stages - 1, "n_conv_per_stage_decoder", where))),
        ),
        dropout=_read_dropout(arguments),
    )


def _spread(value: Any, n_entries: int, key: str, where: str) -> list[Any]:
    """One entry per stage; a single number stands for all of them."""
    entries = list(value) if isinstance(value, list | tuple) else [value] * n_entries
    if len(entries) != n_entries:
        raise PlanError(f"{where}: {key} has {len(entries)} entries, but the network's stages need {n_entries}.")
    return entries


def _per_axis(value: Any, n_dimensions: int) -> tuple[int, ...]:
    return tuple(int(one) for one in value) if isinstance(value, list | tuple) else (int(value),) * n_dimensions


def _read_dropout(arguments: Settings) -> float:
    if arguments.get("dropout_op") is None:
        return 0.0
    return float((arguments.get("dropout_op_kwargs") or {}).get("p", 0.5))  # torch's default


def require(settings: Settings, key: str, where: str) -> Any:
    """The value of a key. Raises PlanError where it is missing."""
    if key not in settings:
        raise PlanError(f"{where}: lacks {key}. Is plans.json as nnU-Net wrote it?")
    return settings[key]
