"""The machine is that of the runs, whenever and wherever they were."""

from __future__ import annotations

from autoseg.pipeline.benchmarking.circumstances import add_means, observe
from autoseg.pipeline.benchmarking.grounds import CommonGround
from autoseg.pipeline.benchmarking.reproducing import describe_machine, phrase_differences


def test_runs_that_met_the_same_are_described_once() -> None:
    one = observe("cpu", 1)
    assert describe_machine([one, one]) == one.words
    assert phrase_differences([one, one]) == ""


def test_runs_of_two_machines_are_all_told_and_one_sentence_warns() -> None:
    one = observe("cpu", 1).model_copy(update={"device": "cpu (old)"})
    other = one.model_copy(update={"device": "cpu (new)", "versions": {**one.versions, "monai": "1.5"}})
    told = describe_machine([one, other, one])
    assert told["device"] == "cpu (old), cpu (new)"
    assert told["monai"] == "1.5"  # of the runs that it says something of
    assert told["torch"] == one.versions["torch"]
    assert told["not the same for all runs"].startswith("Runs were done under different circumstances (device): ")


def test_means_are_told_as_what_they_came_to(ground: CommonGround) -> None:
    words = add_means(observe("cpu", 2), ground.settings, "cpu", "workers").words
    assert (words["memory layout"], words["compiled"]) == ("channels_last", "no")
    assert (words["augmentation by"], words["runs at a time"]) == ("workers", "2")
