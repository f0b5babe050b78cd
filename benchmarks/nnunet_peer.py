"""How does nnU-Net train for a stated time? Runs in an environment of its own, started by `against_nnunet.py`.

    PEER_PYTHON benchmarks/nnunet_peer.py prepare --dataset-id 4 --configuration 3d_fullres --processes 2
    PEER_PYTHON benchmarks/nnunet_peer.py train --dataset-id 4 --configuration 3d_fullres --fold 0 --seconds 600 ...

The trainer is nnU-Net's default one: its network, loss, optimiser, augmentation and polynomial schedule. Its 1000
epochs of 250 iterations are fitted to the time: the schedule runs over the share of the time (or of the iterations)
that is spent, so that it ends when training ends. Left out is what does not change the final weights and would only
take time from it: validation on patches after every epoch, pictures of the curves, and checkpoints on the way. The
clock starts when the first batches wait.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from batchgenerators.utilities.file_and_folder_operations import load_json
from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprints, plan_experiments, preprocess
from nnunetv2.paths import nnUNet_preprocessed
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.dataset_name_id_conversion import maybe_convert_to_dataset_name

WARM_UP = 1  # iterations that do not count in a rate: the allocator and the caches fill
LEAST_COUNTED = 4  # iterations that a rate is measured over, however short the window is


class FittedTrainer(nnUNetTrainer):
    """nnU-Net's default trainer, with its schedule over a stated time or number of iterations."""

    def train_for(self, *, seconds: float | None, iterations: int | None, least: int = 1) -> dict[str, float]:
        """Train until the time or the iterations are spent, but at least so many. Returns what it took."""
        self.on_train_start()
        self.network.train()
        ends: list[float] = []
        began = time.monotonic()
        share = 0.0
        while share < 1 or len(ends) < least:
            self.lr_scheduler.step(min(share, 1) * self.num_epochs)
            self.train_step(next(self.dataloader_train))
            ends.append(time.monotonic() - began)
            share = len(ends) / iterations if iterations else ends[-1] / float(seconds or 0)
        self.on_train_end()
        first = WARM_UP if len(ends) > WARM_UP else 0
        counted_s = ends[-1] - ends[first - 1] if first else ends[-1]
        return {"iterations": len(ends), "spent_s": ends[-1], "iteration_s": counted_s / (len(ends) - first)}


def prepare(arguments: argparse.Namespace) -> dict[str, Any]:
    """Fingerprint, default plans, and preprocessed cases."""
    extract_fingerprints([arguments.dataset_id], num_processes=arguments.processes)
    plan_experiments([arguments.dataset_id])
    preprocess([arguments.dataset_id], configurations=(arguments.configuration,), num_processes=[arguments.processes])
    settings = _read_plans(arguments)["configurations"][arguments.configuration]
    return {"patch_size": list(settings["patch_size"]), "batch_size": settings["batch_size"]}


def train(arguments: argparse.Namespace) -> dict[str, Any]:
    """Train one fold, and predict its validation cases unless only the rate is asked for."""
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    np.random.seed(arguments.seed)
    plans = _read_plans(arguments) | {"continue_training": False}
    dataset = load_json(str(_find_folder(arguments) / "dataset.json"))
    trainer = FittedTrainer(
        plans, arguments.configuration, arguments.fold, dataset, device=torch.device(arguments.device)
    )
    least = WARM_UP + LEAST_COUNTED if arguments.rate_only else 1
    took = trainer.train_for(seconds=arguments.seconds, iterations=arguments.iterations, least=least)
    if not arguments.rate_only:
        trainer.perform_actual_validation()
    parameters = sum(parameter.numel() for parameter in trainer.network.parameters())
    return took | {"parameters": parameters, "predictions": str(Path(trainer.output_folder) / "validation")}


def _find_folder(arguments: argparse.Namespace) -> Path:
    return Path(nnUNet_preprocessed.require()) / maybe_convert_to_dataset_name(arguments.dataset_id)


def _read_plans(arguments: argparse.Namespace) -> dict[str, Any]:
    plans: dict[str, Any] = load_json(str(_find_folder(arguments) / "nnUNetPlans.json"))
    return plans


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("prepare", "train"))
    parser.add_argument("--dataset-id", type=int, required=True)
    parser.add_argument("--configuration", default="3d_fullres")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--iterations", type=int)
    parser.add_argument("--rate-only", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--answer", type=Path, required=True)
    arguments = parser.parse_args()
    answer = prepare(arguments) if arguments.step == "prepare" else train(arguments)
    arguments.answer.write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main()
