"""Is a compressed, chunked store worth its decompression, beside a plain array in a memory-mapped file?

    python benchmarks/store.py DATASET [DATASET ...] [--configuration 3d_fullres] [--reads 200] [--rounds 5]

The first case of each dataset, prepared for a configuration of its plan, is written by `arrays.write_array` (blosc2,
chunks shaped after the patch) and by `numpy.save`; then random patches of image and segmentation are read from both.
The two take turns. Files lie in the page cache, where training finds them after its first epoch. Prints and appends to
results/store.csv: seconds to write, size, milliseconds per patch; ratios are the plain file's over ours.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from side_by_side import compare, summarize, take_turns, time_call, write_rows

from autoseg.data.case import read_case
from autoseg.pipeline.planning import ensure_plan
from autoseg.pipeline.project import open_project
from autoseg.preprocessing.arrays import choose_type, open_array, read_box, write_array
from autoseg.preprocessing.preprocess import Prepared, align, prepare

BLOSC, PLAIN = "blosc2", "npy"
Array = np.ndarray
Write = Callable[[Path, Array], None]


def prepare_case(dataset: Path, configuration: str, workspace: Path) -> tuple[Prepared, tuple[int, ...]]:
    """The first case on the network grid, and the patch."""
    project = open_project(dataset, workspace=workspace)
    plan = ensure_plan(project)
    loaded = read_case(project.dataset.cases[0], labels=plan.labels, n_channels=len(plan.channels))
    settings = plan.find_configuration(configuration)
    aligned = align(loaded.image, loaded.segmentation, loaded.geometry.spacing, plan)
    return prepare(aligned, settings), settings.patch_size.value


def list_starts(shape: tuple[int, ...], patch: tuple[int, ...], n: int) -> Array:
    """First voxels of random patches that lie inside where they can."""
    room = np.maximum(np.array(shape) - np.array(patch), 0)
    return np.random.default_rng(0).integers(0, room + 1, size=(n, 3))


def measure(dataset: Path, arguments: argparse.Namespace, folder: Path) -> list[dict[str, object]]:
    """Both stores of one case: a row each."""
    prepared, patch = prepare_case(dataset, arguments.configuration, folder / "workspace")
    assert prepared.segmentation is not None
    segmentation = prepared.segmentation.astype(choose_type(prepared.segmentation))
    arrays = {"image": prepared.image, "segmentation": segmentation}
    box = (*(1,) * (3 - len(patch)), *patch)
    starts = list_starts(segmentation.shape, box, arguments.reads)
    writers: dict[str, Write] = {BLOSC: lambda path, array: write_array(path, array, patch), PLAIN: np.save}
    openers = {BLOSC: open_array, PLAIN: lambda path: np.load(path, mmap_mode="r")}
    paths = {
        name: {kind: folder / f"{kind}.{'npy' if name == PLAIN else 'b2nd'}" for kind in arrays} for name in writers
    }

    def write(name: str) -> None:
        for kind, array in arrays.items():
            writers[name](paths[name][kind], array)

    def read(name: str) -> None:
        stores = [openers[name](path) for path in paths[name].values()]
        for start in starts:
            for store in stores:
                read_box(store, start, box)

    written = take_turns({name: lambda name=name: time_call(lambda: write(name)) for name in writers}, arguments.rounds)
    took = take_turns({name: lambda name=name: time_call(lambda: read(name)) for name in writers}, arguments.rounds)
    per_patch = {name: [1e3 * seconds / len(starts) for seconds in values] for name, values in took.items()}
    facts = {"dataset": dataset.name, "shape": "x".join(map(str, prepared.image.shape))}
    return [
        facts
        | {"patch": "x".join(map(str, box)), "store": name, "rounds": arguments.rounds}
        | {"mb": sum(path.stat().st_size for path in paths[name].values()) / 1e6}
        | {f"write_s_{key}": value for key, value in summarize(written[name]).items()}
        | {f"write_{key}": value for key, value in compare(written[BLOSC], written[name]).items()}
        | {f"read_ms_{key}": value for key, value in summarize(per_patch[name]).items()}
        | {f"read_{key}": value for key, value in compare(per_patch[BLOSC], per_patch[name]).items()}
        for name in writers
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", type=Path, nargs="+")
    parser.add_argument("--configuration", default="3d_fullres")
    parser.add_argument("--reads", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    rows = []
    for dataset in arguments.datasets:
        with tempfile.TemporaryDirectory() as folder:
            rows += measure(dataset, arguments, Path(folder))
    write_rows("store", rows)


if __name__ == "__main__":
    main()
