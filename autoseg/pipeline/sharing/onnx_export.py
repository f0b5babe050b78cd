"""From checkpoints to ONNX: the network of one patch as a graph, all around it as data, and proof that it is the same.

Instance normalisation, which `networks.blocks` computes as group normalisation, is written as ONNX' own operator: the
same function, and one node in place of six. Every graph is run by onnxruntime on random patches before it is kept.
"""

from __future__ import annotations

import copy
import importlib.util
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from autoseg.errors import NumericalError, UsageError, WorkspaceError
from autoseg.networks.blocks import InstanceNorm
from autoseg.networks.checkpoint import Checkpoint, load_network, read_checkpoint
from autoseg.pipeline.reporting import Reporter
from autoseg.pipeline.sharing.exporting import Words
from autoseg.pipeline.sharing.onnx_surroundings import describe_surroundings
from autoseg.pipeline.sharing.trained import Trained
from autoseg.serialization import Record, dump_json, replacing, write_text

EXTRA = ("onnx", "onnxscript", "onnxruntime")
FORMAT = 1
OPSET = 18  # of 2022: what runtimes of today know
INPUT, OUTPUT, BATCH = "image", "logits", "batch"
TOLERANCE = 1e-4  # of the largest logit, or of 1 where all are smaller: sums in another order differ by a tenth of it
BATCHES = (1, 3)  # patches at a time in the proof: the graph takes any number
SEED = 0
INSTANCE_NORM = {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}


class Parity(Record):
    """How a graph compares with the network that it was made of.

    Attributes:
        deviation: the largest difference of a logit, over random patches.
        bound: what it may be at most.
        largest_logit: of the network, in size.
    """

    deviation: float
    bound: float
    largest_logit: float


class Exported(Record):
    """One network as ONNX.

    Attributes:
        file: name of the graph; its surroundings are beside it, with the ending .json.
        configuration, fold: what it was made of.
        opset: version of ONNX' operators.
        parity: by onnxruntime.
    """

    file: str
    configuration: str
    fold: str
    opset: int = OPSET
    parity: Parity


def export_onnx(
    trained: Trained, folder: Path, words: Words | None = None, *, reporter: Reporter | None = None
) -> tuple[Exported, ...]:
    """Write one graph per configuration and fold, and its surroundings, into a new folder, atomically.

    Raises:
        UsageError: the extra is not installed.
        WorkspaceError: the folder holds something, or torch cannot export a network of a person's own.
        NumericalError: onnxruntime computes something else.
    """
    _require_extra()
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise WorkspaceError(f"{folder}: is there already. Choose another folder, or remove it.")
    with replacing(folder) as temporary:
        temporary.mkdir()
        exported = []
        with (reporter or Reporter()).follow("Exporting", len(trained.checkpoints)) as advance:
            for path in trained.checkpoints:
                exported.append(_export(path, trained, words or Words(), temporary))
                advance(len(exported), exported[-1].file)
        if folder.is_dir():  # not every system replaces an empty one
            folder.rmdir()
    return tuple(exported)


def _require_extra() -> None:
    missing = [name for name in EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"--onnx needs {', '.join(missing)}. Install the extra: pip install 'autoseg[onnx]'")


def _export(path: Path, trained: Trained, words: Words, folder: Path) -> Exported:
    checkpoint = read_checkpoint(path)
    name = f"{checkpoint.configuration}_fold_{checkpoint.fold}"
    graph = folder / f"{name}.onnx"
    network = load_network(checkpoint)
    _write_graph(network, _make_patches(checkpoint, BATCHES[-1]), graph, path)
    parity = _compare(network, checkpoint, graph, path)
    exported = Exported(
        file=graph.name, configuration=checkpoint.configuration, fold=str(checkpoint.fold), parity=parity
    )
    write_text(folder / f"{name}.json", dump_json(_describe(exported, checkpoint, trained, words)) + "\n")
    return exported


def _describe(exported: Exported, checkpoint: Checkpoint, trained: Trained, words: Words) -> dict[str, Any]:
    from autoseg import __version__

    patch = checkpoint.settings.patch_size.value
    plan, name = checkpoint.plan, checkpoint.configuration
    return {
        "autoseg_onnx": FORMAT,
        "autoseg": __version__,
        "dataset": plan.dataset,
        **vars(words),
        "graph": exported,
        "input": {"name": INPUT, "type": "float32", "shape": [BATCH, _count_inputs(checkpoint), *patch]},
        "output": {"name": OUTPUT, "type": "float32", "shape": [BATCH, plan.labels.n_outputs, *patch]},
        "ensemble_of": list(trained.names),
        **describe_surroundings(plan, name, trained.selection.postprocessing.value),
    }


def _count_inputs(checkpoint: Checkpoint) -> int:
    plan = checkpoint.plan
    return checkpoint.settings.count_input_channels(len(plan.channels), plan.labels.n_labels)


def _make_patches(checkpoint: Checkpoint, n: int) -> torch.Tensor:
    shape = (n, _count_inputs(checkpoint), *checkpoint.settings.patch_size.value)
    return torch.randn(shape, generator=torch.Generator().manual_seed(SEED + n))


def _write_graph(network: nn.Module, patches: torch.Tensor, target: Path, source: Path) -> None:
    """Trace a network into a file, and take out of it what the exporter noted about this machine's source files."""
    import onnx

    try:
        with _silently():
            torch.onnx.export(
                _spell_out(network, patches.ndim - 2),
                (patches,),
                target,
                input_names=[INPUT],
                output_names=[OUTPUT],
                opset_version=OPSET,
                dynamic_shapes=({0: torch.export.Dim(BATCH)},),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except Exception as problem:  # the exporter raises whatever the network's own code makes it raise
        first = (str(problem).splitlines() or [""])[0]
        raise WorkspaceError(
            f"{source}: torch cannot export this network: {type(problem).__name__}: {first}"
        ) from problem
    model = onnx.load(target)
    _forget_origin(model.graph)
    onnx.checker.check_model(model)
    onnx.save(model, target)


def _spell_out(network: nn.Module, n_dimensions: int) -> nn.Module:
    """A copy whose instance normalisations are torch's own layers, which ONNX has an operator for."""
    network = copy.deepcopy(network)
    for name, module in list(network.named_modules()):
        if isinstance(module, InstanceNorm):
            layer = INSTANCE_NORM[n_dimensions](module.num_channels, eps=module.eps, affine=True)
            layer.weight, layer.bias = module.weight, module.bias
            network.set_submodule(name, layer)
    return network.eval()


def _forget_origin(graph: Any) -> None:
    """Remove stack traces, which name this machine's folders."""
    for part in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


@contextmanager
def _silently() -> Iterator[None]:
    """The exporter warns of what no person can change: deprecations within torch, packages that it does without."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _compare(network: nn.Module, checkpoint: Checkpoint, graph: Path, source: Path) -> Parity:
    """Run both on random patches."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    deviation = largest = 0.0
    for n in BATCHES:
        patches = _make_patches(checkpoint, n)
        with torch.inference_mode():
            expected = network(patches).numpy()
        (came,) = session.run([OUTPUT], {INPUT: patches.numpy()})
        deviation = max(deviation, float(np.abs(came - expected).max()))
        largest = max(largest, float(np.abs(expected).max()))
    bound = TOLERANCE * max(1.0, largest)
    if not deviation <= bound:
        raise NumericalError(
            f"{source}: as ONNX it computes logits that differ by {deviation:.3g} from the network's, but at most "
            f"{bound:.3g} is allowed. Nothing was written; please report it with the plan."
        )
    return Parity(deviation=deviation, bound=bound, largest_logit=largest)
