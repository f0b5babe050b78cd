"""Networks as ONNX: the same logits, and everything around them as data."""

from __future__ import annotations

import importlib.util
import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from autoseg.decision import fixed
from autoseg.errors import NumericalError, UsageError, WorkspaceError
from autoseg.fingerprinting.fingerprint import Intensities
from autoseg.networks.checkpoint import load_network, read_checkpoint
from autoseg.pipeline.project import Project
from autoseg.pipeline.sharing import onnx_export
from autoseg.pipeline.sharing.onnx_export import EXTRA, export_onnx
from autoseg.pipeline.sharing.onnx_surroundings import describe_surroundings
from autoseg.pipeline.sharing.trained import find_trained
from autoseg.planning.plan import ChannelPlan
from autoseg.planning.rules.resampling import decide_resampling
from autoseg.postprocessing.deciding import Postprocessing, Step
from autoseg.prediction.windows.placing import compute_importance, compute_window_starts
from autoseg.preprocessing.normalizing import SCHEMES, normalize
from autoseg.preprocessing.preprocess import ANISOTROPY_THRESHOLD, choose_separate_axes
from autoseg.preprocessing.resampling import resample
from tests.sharing import conftest as models

untrained, alone = models.untrained, models.alone

needs_extra = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in EXTRA), reason="needs the extra: pip install 'autoseg[onnx]'"
)


@pytest.fixture(scope="module")
def exported(untrained: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain 2D network and a residual 3D one; fold 0 of each."""
    folder = tmp_path_factory.mktemp("onnx") / "graphs"
    trained = find_trained(untrained.workspace.root)
    wanted = [untrained.workspace.run(name, 0).checkpoint for name in ("2d", "3d_lowres")]
    export_onnx(models.narrow(trained, wanted), folder)
    return folder


@needs_extra
@pytest.mark.parametrize("name", ["2d", "3d_lowres"])
def test_onnxruntime_computes_the_same_logits(untrained: Project, exported: Path, name: str) -> None:
    import onnxruntime

    facts = json.loads((exported / f"{name}_fold_0.json").read_text())
    network = load_network(read_checkpoint(untrained.workspace.run(name, 0).checkpoint))
    session = onnxruntime.InferenceSession(str(exported / f"{name}_fold_0.onnx"), providers=["CPUExecutionProvider"])
    patches = torch.rand(2, *facts["input"]["shape"][1:], generator=torch.Generator().manual_seed(9))
    (came,) = session.run(["logits"], {"image": patches.numpy()})
    with torch.inference_mode():
        np.testing.assert_allclose(came, network(patches).numpy(), atol=facts["graph"]["parity"]["bound"])
    assert list(came.shape[1:]) == facts["output"]["shape"][1:]
    assert 0 < facts["graph"]["parity"]["deviation"] < facts["graph"]["parity"]["bound"]


@needs_extra
def test_instance_normalization_is_one_node(exported: Path) -> None:
    import onnx

    model = onnx.load(exported / "3d_lowres_fold_0.onnx")
    kinds = {node.op_type for node in model.graph.node}
    assert "InstanceNormalization" in kinds
    assert not kinds & {"Reshape", "Shape", "GroupNormalization", "BatchNormalization"}
    assert model.opset_import[0].version == onnx_export.OPSET


@needs_extra
def test_graphs_name_no_folder_of_this_machine(exported: Path) -> None:
    home = str(Path(onnx_export.__file__).parents[1]).encode()
    assert not [path.name for path in exported.iterdir() if home in path.read_bytes()]


@needs_extra
def test_a_graph_that_computes_something_else_is_not_kept(
    untrained: Project, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The graph of fold 0 in the place of fold 1's."""
    monkeypatch.setattr(onnx_export, "_write_graph", lambda *args: shutil.copy(exported / "2d_fold_0.onnx", args[2]))
    trained = find_trained(untrained.workspace.root, configurations=["2d"], folds=[1])
    with pytest.raises(NumericalError, match="as ONNX it computes logits that differ"):
        export_onnx(trained, tmp_path / "graphs")
    assert list(tmp_path.iterdir()) == []


@needs_extra
def test_a_folder_that_is_there_is_left_alone(untrained: Project, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(WorkspaceError, match="is there already"):
        export_onnx(find_trained(untrained.workspace.root), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_without_the_extra_the_command_is_named(
    untrained: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_export, "EXTRA", ("onnx_that_nobody_has",))
    with pytest.raises(UsageError, match=r"pip install 'autoseg\[onnx\]'"):
        export_onnx(find_trained(untrained.workspace.root), tmp_path / "graphs")


def test_the_formulas_are_those_that_predict(untrained: Project) -> None:
    """Importance and starts, computed by the words of the file alone."""
    plan = find_trained(untrained.workspace.root).plan
    windows = describe_surroundings(plan, "3d_lowres", Postprocessing())["windows"]
    patch, importance = windows["patch_size"], windows["importance"]

    def weigh(place: tuple[int, ...]) -> float:
        pairs = [(i - n // 2) / (n * importance["sigma_per_patch"]) for i, n in zip(place, patch, strict=True)]
        return max(importance["floor"], math.prod(math.exp(-(distance**2) / 2) for distance in pairs))

    weights = np.array([weigh(place) for place in np.ndindex(*patch)])
    np.testing.assert_allclose(weights.reshape(patch), compute_importance(patch), rtol=1e-5)
    n = math.ceil((45 - 16) / max(1, 16 * windows["step"]))
    assert compute_window_starts((45,), (16,)) == (tuple(round((45 - 16) / max(1, n) * i) for i in range(n + 1)),)


def test_the_mask_matters_where_the_rule_says_so(untrained: Project) -> None:
    """Of each scheme: whether what lies outside becomes zero, and changes nothing inside."""
    plan = find_trained(untrained.workspace.root).plan
    rule = describe_surroundings(plan, "2d", Postprocessing())["normalization"]["rule"]
    obeying = set(re.findall(r"\w+", rule.partition("is true, ")[2].partition(" take their")[0])) - {"and"}
    image = np.random.default_rng(0).uniform(20, 90, size=(1, 4, 40, 40)).astype(np.float32)
    mask = np.zeros(image.shape[1:], dtype=bool)
    mask[:, 8:30, 8:] = True
    facts = Intensities(mean=50, median=50, std=9, min=20, max=90, percentile_00_5=25, percentile_99_5=85)
    found = set()
    for scheme in SCHEMES:
        values = {"scheme": scheme, "inside_mask": True, "intensities": facts}
        channel = ChannelPlan(channel="CT", **{key: fixed(value, "for a test") for key, value in values.items()})
        one, other = (normalize(np.where(mask, image, image * k), mask, [channel])[0] for k in (1, 0.5))
        if not one[~mask].any():
            np.testing.assert_allclose(one[mask], other[mask], atol=1e-5)
            found.add(scheme)
    assert obeying == found


def test_slices_are_clipped_as_the_rule_says(untrained: Project) -> None:
    """With an axis apart, each to its own range: a bright slice does not let a dark one overshoot."""
    from scipy import ndimage

    plan = find_trained(untrained.workspace.root).plan
    rule = describe_surroundings(plan, "3d_lowres", Postprocessing())["resampling"]["splines"]
    assert "each slice across it is first resampled within its plane and clipped to its own range" in rule
    volume = (np.random.default_rng(1).uniform(size=(3, 6, 5)) > 0.5) * np.array([1.0, 5.0, 9.0])[:, None, None]
    slices = [
        np.clip(ndimage.zoom(plane, (2, 3), order=3, mode="nearest", grid_mode=True), plane.min(), plane.max())
        for plane in volume
    ]
    expected = ndimage.zoom(np.stack(slices), (2, 1, 1), order=0, mode="nearest", grid_mode=True)
    came = resample(volume, (6, 12, 15), 3, separate_axis=0, separate_order=0)
    np.testing.assert_allclose(came, expected, atol=1e-5)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (5.0, 1.0, 1.0), (5.0, 5.0, 1.0), (2.0, 1.0, 9.0)])
@pytest.mark.parametrize("target", [(1.0, 1.0, 1.0), (1.0, 4.0, 1.0), (1.0, 1.0)])
@pytest.mark.parametrize("separate", ["by_spacing", "always", "never"])
def test_the_axis_apart_is_the_one_that_the_rule_says(
    spacing: tuple[float, float, float], target: tuple[float, ...], separate: str
) -> None:
    network = (*spacing[: 3 - len(target)], *target)

    def find_coarsest(grid: tuple[float, ...]) -> int | None:
        return None if grid.count(max(grid)) > 1 else grid.index(max(grid))

    def choose(first: tuple[float, ...], second: tuple[float, ...]) -> int | None:
        if separate != "by_spacing":
            return find_coarsest(first) if separate == "always" else None
        coarse = [grid for grid in (first, second) if max(grid) / min(grid) > ANISOTROPY_THRESHOLD]
        return find_coarsest(coarse[0]) if coarse else None

    methods = decide_resampling(spacing_mm=target).value.model_copy(update={"separate": separate})
    assert choose_separate_axes(spacing, target, methods) == (choose(spacing, network), choose(network, spacing))


def test_how_an_axis_is_treated_apart_is_a_word_beside_its_rule(untrained: Project) -> None:
    plan = find_trained(untrained.workspace.root).plan
    told = describe_surroundings(plan, "3d_lowres", Postprocessing())["resampling"]
    assert told["separate"] == "by_spacing"
    assert all(word in told["separate_rule"] for word in ("by_spacing", "never", "always", "anisotropy_threshold"))


def test_surroundings_hold_the_plans_numbers(untrained: Project) -> None:
    plan = find_trained(untrained.workspace.root).plan
    told = describe_surroundings(plan, "3d_cascade", Postprocessing(steps=(Step(labels=(2,)),)))
    settings = plan.find_configuration("3d_cascade")
    assert told["resampling"]["target_spacing_mm"] == settings.spacing_mm.value
    assert told["resampling"]["image_order"] == settings.resampling.value.image_order
    assert told["cascade"]["labels"] == list(plan.labels.names[1:])
    assert told["normalization"]["channels"][0]["scheme"] == plan.normalization[0].scheme.value
    assert (told["postprocessing"][0]["labels"], told["postprocessing"][0]["values"]) == (
        [plan.labels.names[2]],
        [plan.labels.values[2]],
    )
