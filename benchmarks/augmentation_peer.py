"""How many patches per second does nnU-Net's own pipeline make? Started by `augmentation.py`, in its own environment.

    PEER_PYTHON benchmarks/augmentation_peer.py FOLDER --patch 40 56 40 --batch 2 --foreground-share 0.33

Reads CASE.npz (image, segmentation) in the folder, stores them with nnU-Net's writer, and then, for each line that
comes in, makes batches for so many seconds with nnU-Net's loader and the transforms of its default trainer
(batchgeneratorsv2), in this process and on one thread, and answers with patches per second. Deep supervision's copies
of the segmentation are left out, for autoseg makes them elsewhere.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from nnunetv2.training.data_augmentation.compute_initial_patch_size import get_patch_size
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
from nnunetv2.training.dataloading.nnunet_dataset import comp_blosc2_params, nnUNetDatasetBlosc2
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.label_handling.label_handling import LabelManager

ROTATION_RAD = np.pi / 6  # of its default trainer for a patch that is not flat
N_LOCATIONS = 10_000


def store(folder: Path, patch: tuple[int, ...]) -> Path:
    """Store the cases as nnU-Net's preprocessing does, in chunks for the patch, with the places of the foreground."""
    target = folder / "nnunet"
    target.mkdir()
    for path in sorted(folder.glob("*.npz")):
        arrays = np.load(path)
        image, segmentation = arrays["image"], arrays["segmentation"][None]
        rng, places = np.random.default_rng(0), {}
        for label in range(1, int(segmentation.max()) + 1):
            found = np.argwhere(segmentation == label)
            places[label] = found[rng.choice(len(found), min(len(found), N_LOCATIONS), replace=False)]
        blocks, chunks = comp_blosc2_params(image.shape, patch)
        where, facts = str(target / path.stem), {"class_locations": places}
        nnUNetDatasetBlosc2.save_case(image, segmentation, facts, where, chunks=chunks, blocks=blocks)
    return target


def make_loader(folder: Path, patch: tuple[int, ...], batch: int, foreground_share: float) -> nnUNetDataLoader:
    """Its loader with its transforms, as its default trainer puts them together."""
    angles = (-ROTATION_RAD, ROTATION_RAD)
    transforms = nnUNetTrainer.get_training_transforms(patch, angles, None, (0, 1, 2), False, use_mask_for_norm=[False])
    read = get_patch_size(patch, angles, angles, angles, (0.85, 1.25))
    labels = LabelManager({"background": 0, "outer": 1, "inner": 2}, None)
    return nnUNetDataLoader(
        nnUNetDatasetBlosc2(str(folder)),
        batch,
        read,
        patch,
        labels,
        foreground_share,
        None,
        None,
        transforms=transforms,
    )


def main() -> None:
    """Answer one rate for every line of seconds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--patch", type=int, nargs=3, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--foreground-share", type=float, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    patch = tuple(options.patch)
    loader = make_loader(store(options.folder, patch), patch, options.batch, options.foreground_share)
    loader.generate_train_batch()
    print("ready", flush=True)
    for line in sys.stdin:
        n_patches, began = 0, time.perf_counter()
        while time.perf_counter() - began < float(line):
            loader.generate_train_batch()
            n_patches += options.batch
        print(n_patches / (time.perf_counter() - began), flush=True)


if __name__ == "__main__":
    main()
