"""Does every import run downwards, and does every heavy library live in its one home?"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1] / "autoseg"
MODULES = sorted(ROOT.rglob("*.py"))

# From the ground up. What shares a line does not know its neighbours.
LAYERS = [
    ("errors", "machine"),
    ("serialization",),
    ("decision", "components"),
    ("schemas",),
    ("data",),
    ("fingerprinting", "evaluation"),
    ("planning",),
    ("preprocessing", "networks", "floors"),
    ("training", "prediction", "postprocessing", "importing"),
    ("workspace", "drawing", "tracking", "sharing"),
    ("publishing",),
    ("pipeline",),
]
TOP = {"__init__", "cli", "__main__"}  # may import anything, and each other
LAYER_OF = {room: height for height, rooms in enumerate(LAYERS) for room in rooms}

HOMES = {
    "SimpleITK": ["data/image_io.py"],
    "batchgenerators": ["training/augmentation.py"],
    "yaml": ["serialization/yaml_text.py"],
    "blosc2": ["preprocessing/arrays.py"],
    "matplotlib": ["drawing/"],
    "jinja2": ["publishing/page.py"],
    "monai": ["networks/adapters/"],
    "segmentation_models_pytorch": ["networks/adapters/"],
    "tensorboardX": ["tracking/event_files.py"],
    "mlflow": ["tracking/mlflow_runs.py"],
    "onnx": ["pipeline/sharing/onnx_export.py"],
    "onnxruntime": ["pipeline/sharing/onnx_export.py"],
    "typer": ["cli.py", "cli/"],
    "rich": ["cli.py", "cli/"],
}
KNOW_TORCH = {"networks", "training", "prediction", "importing", "pipeline", *TOP}
NAMES_OF_ATTICS = {"util", "utils", "helper", "helpers", "common", "base", "manager", "misc"}


def name_of(module: Path) -> str:
    return module.relative_to(ROOT).as_posix()


def room_of(module: Path) -> str:
    return module.relative_to(ROOT).parts[0].removesuffix(".py")


def imports_of(module: Path) -> Iterator[str]:
    """Full dotted names of everything that a module imports, at its top or inside a function."""
    package = ("autoseg", *module.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            source = ".".join([*start, *([node.module] if node.module else [])])
            yield from (f"{source}.{alias.name}" for alias in node.names)


def rooms_imported_by(module: Path) -> set[str]:
    """Names below `autoseg` that a module leans on; `from autoseg import __version__` leans on nothing."""
    parts = [name.split(".") for name in imports_of(module)]
    rooms = {part[1] for part in parts if part[0] == "autoseg" and len(part) > 1}
    return {room for room in rooms if (ROOT / room).is_dir() or (ROOT / f"{room}.py").is_file()}


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_imports_run_downwards(module: Path) -> None:
    room = room_of(module)
    if room in TOP:
        return
    assert room in LAYER_OF, f"autoseg/{name_of(module)}: put `{room}` into the table of layers"
    for other in rooms_imported_by(module) - {room}:
        assert LAYER_OF.get(other, len(LAYERS)) < LAYER_OF[room], f"autoseg/{name_of(module)} imports autoseg.{other}"


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_libraries_stay_in_their_homes(module: Path) -> None:
    for library in {name.split(".")[0] for name in imports_of(module)} & set(HOMES):
        at_home = any(name_of(module).startswith(home) for home in HOMES[library])
        assert at_home, f"autoseg/{name_of(module)} imports {library}, which lives in {HOMES[library][0]} alone"


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_only_networks_and_what_runs_them_know_torch(module: Path) -> None:
    if room_of(module) not in KNOW_TORCH:
        assert not [name for name in imports_of(module) if name.split(".")[0] == "torch"]


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("autoseg", "torch SimpleITK scipy skimage batchgenerators matplotlib blosc2"),
        ("autoseg.planning.planner", "torch SimpleITK scipy skimage"),
        ("autoseg.evaluation.report", "torch SimpleITK scipy skimage"),
        ("autoseg.drawing", "torch SimpleITK matplotlib"),
        ("autoseg.publishing", "torch SimpleITK scipy matplotlib jinja2"),
        ("autoseg.tracking", "torch SimpleITK tensorboardX mlflow"),
        ("autoseg.pipeline.status", "torch SimpleITK scipy matplotlib"),
    ],
)
def test_import_is_light(module: str, unwanted: str) -> None:
    """In a process of its own, for here everything is loaded already."""
    program = f"import sys, {module}; print(*(name for name in {unwanted.split()} if name in sys.modules))"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT.parent, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []


def test_there_is_no_attic() -> None:
    assert not [name_of(module) for module in MODULES if NAMES_OF_ATTICS & set(module.stem.split("_"))]
    assert not [folder for folder in ROOT.rglob("*") if folder.is_dir() and folder.name in NAMES_OF_ATTICS]


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_everything_public_says_what_it_is(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), f"autoseg/{name_of(module)} does not open with the question it answers"
    public = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_"]
    assert not [node.name for node in public if not ast.get_docstring(node)]
