"""The card beside a model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoseg.pipeline.project import Project
from autoseg.pipeline.sharing.trained import find_trained
from autoseg.sharing.card import NO_LICENCE, CardFacts, write_card


@pytest.fixture
def facts(untrained: Project) -> CardFacts:
    trained = find_trained(untrained.workspace.root)
    return CardFacts(
        plan=trained.plan,
        names=trained.names,
        trainings=trained.trainings,
        fingerprint=None,
        reports={},
        afterwards="nothing (for a test)",
        needs=(),
        version="0",
        command="autoseg install m.zip",
    )


def test_what_nobody_said_is_said_to_be_so(facts: CardFacts) -> None:
    card = write_card(facts)
    assert NO_LICENCE in card
    assert "no facts of its cases are known" in card
    assert "No cross-validation was stored" in card


def test_code_that_is_missing_is_named(facts: CardFacts) -> None:
    assert "What it needs" not in write_card(facts)
    assert "`my_package.nets:MyNet` on PYTHONPATH" in write_card(replace(facts, needs=("my_package.nets:MyNet",)))


def test_a_persons_words_stay_on_their_line(facts: CardFacts) -> None:
    card = write_card(replace(facts, author="A\n# B | <script>"))
    assert "- Author: A # B \\| \\<script\\>" in card


def test_imported_weights_say_where_from(facts: CardFacts) -> None:
    told = {"imported_from": "nnU-Net v2", "nnunet_trainer": "nnUNetTrainer", "epochs": 1000}
    card = write_card(replace(facts, trainings=(replace(facts.trainings[0], facts=told),), n_cases=260))
    assert "2d imported from nnU-Net v2, trained by nnUNetTrainer" in card
    assert "| 2d | 0 | - | 1000 epochs |" in card
    assert "of 260 cases" in card
