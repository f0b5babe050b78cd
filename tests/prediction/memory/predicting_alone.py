"""A program: predict a small case, and print what it held beyond its libraries and networks and what was foreseen.

Four numbers in GB: measured and foreseen until all windows are computed, measured and foreseen until the segmentation
is there. It is started by test_budget.py, for a peak is a process's own.
"""

from __future__ import annotations

import sys

import numpy as np
import torch

from autoseg.data.geometry import Geometry
from autoseg.data.labels import Labels
from autoseg.decision import fixed
from autoseg.fingerprinting.fingerprint import CaseFacts, Fingerprint
from autoseg.networks.build import build_network, place_network
from autoseg.networks.device import forget_peak_memory, measure_peak_memory_gb
from autoseg.planning.devices import DeviceFacts
from autoseg.planning.plan import Plan
from autoseg.planning.planner import make_plan
from autoseg.prediction.configuration_predictor import ConfigurationPredictor
from autoseg.prediction.memory.budget import Allowance, decide_spending
from autoseg.prediction.memory.case_load import Speaker, measure_load
from autoseg.prediction.options import PredictionOptions
from autoseg.prediction.passes import predict_case, prepare_case
from autoseg.prediction.restoring.restore import restore

SHAPE, SPACING, CPU = (32, 128, 128), (3.0, 1.0, 1.0), torch.device("cpu")
NAMES = ("background", *(f"part{i}" for i in range(1, 30)))
N_NETWORKS = 3
PATCH, AXES = (16, 128, 128), (1, 2)


def make_small_plan() -> Plan:
    facts = CaseFacts(id="a", shape_after_cropping=SHAPE, spacing_mm=SPACING)
    labels = Labels(names=NAMES, values=tuple(range(len(NAMES))))
    fingerprint = Fingerprint(dataset="Noise", channels=("mr",), labels=labels, cases=(facts,))
    plan = make_plan(fingerprint, DeviceFacts(device="cpu", memory_gb=8.0, n_threads=1, gflops=60.0))
    settings = plan.find_configuration("3d_fullres")
    settings = settings.model_copy(
        update={
            "patch_size": fixed(PATCH, "small"),
            "spacing_mm": fixed(SPACING, "its own"),
            "mirroring_axes": fixed(AXES, "few"),
            "features": fixed(tuple(min(n // 4, 32) for n in settings.features.value), "few"),
        }
    )
    return plan.model_copy(update={"configurations": {"3d_fullres": settings}})


def main(mirroring: str) -> None:
    plan, options = make_small_plan(), PredictionOptions(mirroring=mirroring, step=1.0)
    settings = plan.find_configuration("3d_fullres")
    load = measure_load("a", Geometry(SHAPE, SPACING), 4, (Speaker(plan, "3d_fullres", N_NETWORKS, options),), "cpu")
    spending = decide_spending([load], Allowance(64e9))
    networks = tuple(place_network(build_network(settings, 1, len(NAMES)).eval(), CPU) for _ in range(N_NETWORKS))
    predictor = ConfigurationPredictor(plan, "3d_fullres", networks, CPU, options)
    image = np.random.default_rng(0).normal(size=(1, *SHAPE)).astype(np.float32)
    restore(
        predict_case([predictor], prepare_case([predictor], image[:, :1, :9, :9], SPACING)).members
    )  # loads the rest
    forget_peak_memory(CPU)
    before = measure_peak_memory_gb(CPU)
    cases = prepare_case([predictor], image, SPACING)
    said = predict_case([predictor], cases, resources=spending.resources, count_agreement=True)
    computing = measure_peak_memory_gb(CPU) - before
    restore(said.members, slab_bytes=spending.resources.slab_bytes)
    peak, whole = spending.peak, measure_peak_memory_gb(CPU) - before
    print(computing, peak.computing / 1e9, whole, (peak.computing + peak.restoring) / 1e9)


main(sys.argv[1])
