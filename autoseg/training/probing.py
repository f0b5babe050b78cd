"""What does one iteration of training do, and what do its batches cost, when only its speed matters?

Small trainings on random patches, as `loop` runs them: deep supervision, both terms of the loss, clipping, AdamW,
averaging, bfloat16 where a GPU has it. Batches are training's own, of a random case.
"""

from __future__ import annotations

import copy
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

from autoseg.networks.build import place_network
from autoseg.networks.probing import N_LABELS, Layout, Sample, Work, build_sample, lay_out
from autoseg.planning.blueprint import FOREGROUND_SHARE, fix_loss
from autoseg.planning.rules.augmentation import decide_augmentation
from autoseg.planning.rules.optimizer import FAST
from autoseg.planning.throughput import GIGA, count_batch_voxels
from autoseg.preprocessing.preprocess import Placement, Prepared
from autoseg.preprocessing.store import write_case
from autoseg.training.batches import BatchMaker
from autoseg.training.inputs import Inputs
from autoseg.training.losses import Target
from autoseg.training.optimizers import make_optimizer
from autoseg.training.state import TrainingState
from autoseg.training.stepping import Recipe, descend, renew

N_BATCHES = 12  # enough for every augmentation to have its share
DEPTH, HEIGHT, WIDTH = CASE_SHAPE = (48, 160, 160)  # of the case that batches are cut from
OUTER, INNER = 0.8, 0.4  # radii of its labels, as shares of half its extent


def begin_work(sample: Sample, place: torch.device, *, layout: Layout | None = None) -> Work:
    """A training of random patches, as `training.loop` runs it; in the layout that training chooses unless named."""
    network = place_network(build_sample(sample), place)
    if layout is not None:
        network = lay_out(network, layout, sample.n_dimensions)
    state = TrainingState(network.train(), copy.deepcopy(network), make_optimizer(network, FAST))
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(sample.batch_size, sample.n_channels, *sample.patch_size, generator=generator).to(place)
    target = torch.randint(N_LABELS, (sample.batch_size, *sample.patch_size), generator=generator).to(place)
    inputs, recipe = Inputs(image, Target(target)), Recipe(fix_loss().value, False, FAST, "bfloat16")
    return Work(descend=partial(_descend, state, inputs, recipe), renew=partial(_renew, state, recipe))


def _descend(state: TrainingState, inputs: Inputs, recipe: Recipe) -> None:
    descend(state, state.network, inputs, recipe)


def _renew(state: TrainingState, recipe: Recipe) -> None:
    state.iteration += 1
    renew(state, recipe, rate=recipe.optimizer.learning_rate)


def measure_gvoxels(sample: Sample) -> float:
    """Billions of voxels per second that one process makes batches of, with published augmentation.

    Counted by the processor time of one thread, which other programs stretch least.
    """
    with tempfile.TemporaryDirectory() as folder:
        maker = store_batches(Path(folder), sample)
        maker.make(0)
        began = time.thread_time()  # without the threads that decompress, of which a worker has none
        for index in range(1, N_BATCHES + 1):
            maker.make(index)
        spent_s = time.thread_time() - began
    n_voxels = N_BATCHES * count_batch_voxels(sample.sketch, sample.patch_size, sample.batch_size)
    return float(f"{n_voxels / spent_s / GIGA:.4g}")


def store_batches(folder: Path, sample: Sample) -> BatchMaker:
    """Batches for a sample, cut from one random case that is stored in a folder."""
    rng = np.random.default_rng(0)
    image = rng.standard_normal((sample.n_channels, *CASE_SHAPE), dtype=np.float32)
    segmentation = draw_nested_balls(CASE_SHAPE)
    whole = ((0, DEPTH), (0, HEIGHT), (0, WIDTH))
    placement = Placement(original_shape=CASE_SHAPE, box=whole, axis_order=(0, 1, 2), network_shape=CASE_SHAPE)
    prepared = Prepared(image, segmentation, (1.0, 1.0, 1.0), placement)
    write_case(folder, "probe", prepared, source="probe", patch_size=sample.patch_size)
    return BatchMaker(
        folder=folder,
        case_ids=("probe",),
        patch_size=sample.patch_size,
        batch_size=sample.batch_size,
        foreground_share=FOREGROUND_SHARE,
        augmentation=decide_augmentation(patch_size=sample.patch_size).value,
        mirroring_axes=(),
        seed=0,
    )


def draw_nested_balls(shape: tuple[int, int, int]) -> np.ndarray:
    """Label 2 inside label 1, int16: in one piece each, because turning labels costs by the length of their borders."""
    axes = (np.linspace(-1, 1, size) ** 2 for size in shape)
    radius = np.sqrt(sum(np.meshgrid(*axes, indexing="ij")))
    return ((radius < OUTER).astype(np.int16) + (radius < INNER)).astype(np.int16)
