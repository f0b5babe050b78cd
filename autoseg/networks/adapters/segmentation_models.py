"""Networks of segmentation_models_pytorch, with any of its encoders.

Source: segmentation_models_pytorch (MIT), installed with the extra `smp`; nothing of it is copied here. Its networks
are two-dimensional, and their widths, strides and kernels are those of the encoder, not the plan's. No weights are
downloaded: all begin from scratch. `fpn@efficientnet-b0` names another encoder than the usual one.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn

from autoseg.errors import PlanError
from autoseg.networks.adapters.libraries import explaining_absence
from autoseg.networks.adapters.padding import Padded
from autoseg.networks.method import Method
from autoseg.planning.plan import Configuration
from autoseg.serialization import did_you_mean

ENCODER = "resnet34"  # the library's own first choice
ENCODER_MARK = "@"
UNIVERSAL = "tu-"  # encoders of timm by their name there; the library cannot list them
MULTIPLE = 32  # an encoder's five halvings
CLASSES = {"fpn": "FPN", "deeplabv3_plus": "DeepLabV3Plus"}
DIFFERENCE = (
    "2D; encoder {encoder}, from scratch, with its own width, strides and kernels in place of the plan's; batch "
    "normalisation and the decoder's dropout are the library's; patches are padded to multiples of 32; no deep "
    "supervision"
)


def build_fpn(configuration: Configuration, n_channels: int, n_outputs: int, encoder: str = ENCODER) -> nn.Module:
    """A feature pyramid network."""
    return _build("fpn", n_channels, n_outputs, encoder)


def build_deeplabv3_plus(
    configuration: Configuration, n_channels: int, n_outputs: int, encoder: str = ENCODER
) -> nn.Module:
    """DeepLabV3+. Raises PlanError for batches of one, whose pooled features have no variance to normalise by."""
    sizes = [configuration.batch_size.value, *(step.batch_size for step in configuration.patch_schedule.value)]
    if min(sizes) < 2:
        raise PlanError(
            "network deeplabv3_plus: normalises over the batch and needs two patches or more in each, but batch_size "
            "is 1. Plan with more memory, set a smaller patch_size, or choose fpn."
        )
    return _build("deeplabv3_plus", n_channels, n_outputs, encoder)


def find_method(name: str) -> Method | None:
    """The method of a name, or of a name and an encoder (`fpn@resnet18`); None where the name is none of these."""
    base, mark, encoder = name.partition(ENCODER_MARK)
    method = METHODS.get(base)
    if method is None or not mark:
        return method
    return Method(
        name,
        partial(method.builder, encoder=encoder),  # type: ignore[call-arg]
        method.paper,
        DIFFERENCE.format(encoder=encoder),
        method.n_dimensions,
    )


def _build(name: str, n_channels: int, n_outputs: int, encoder: str) -> nn.Module:
    library = _load(name)
    known = library.encoders.get_encoder_names()
    if encoder not in known and not encoder.startswith(UNIVERSAL):
        raise PlanError(f"network {name}: there is no encoder {encoder!r}.{did_you_mean(encoder, known)}")
    try:
        network = getattr(library, CLASSES[name])(
            encoder_name=encoder, encoder_weights=None, in_channels=n_channels, classes=n_outputs
        )
    except (RuntimeError, ValueError, KeyError, NotImplementedError) as problem:  # which encoders fit, it says itself
        first = (str(problem).splitlines() or [""])[0]
        raise PlanError(f"network {name}: does not take the encoder {encoder}: {first}") from None
    return Padded(network, MULTIPLE, n_deepest=2)


def _load(name: str) -> Any:
    """The library. Raises UsageError where it is absent."""
    with explaining_absence(name, library="segmentation_models_pytorch", extra="smp"):
        import segmentation_models_pytorch
    return segmentation_models_pytorch


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "fpn",
            build_fpn,
            "Lin et al. 2017, arXiv 1612.03144; for segmentation Kirillov et al. 2019, arXiv 1901.02446; "
            "segmentation_models_pytorch",
            DIFFERENCE.format(encoder=ENCODER),
            n_dimensions=(2,),
        ),
        Method(
            "deeplabv3_plus",
            build_deeplabv3_plus,
            "Chen et al. 2018, arXiv 1802.02611; segmentation_models_pytorch",
            DIFFERENCE.format(encoder=ENCODER),
            n_dimensions=(2,),
        ),
    )
}
