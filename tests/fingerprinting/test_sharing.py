"""Does nothing that names a case or a file leave the house?"""

from __future__ import annotations

from pathlib import Path

from autoseg.data.layouts import read_dataset
from autoseg.data.phantom import write_phantom_dataset
from autoseg.fingerprinting.fingerprint_file import read_fingerprint
from autoseg.fingerprinting.measuring import measure_fingerprint
from autoseg.fingerprinting.sharing import anonymize
from autoseg.serialization import dump_json, write_json


def test_ids_and_files_are_gone_and_numbers_are_kept(tmp_path: Path) -> None:
    write_phantom_dataset(tmp_path / "data", n_cases=6, n_test=0)
    measured = measure_fingerprint(read_dataset(tmp_path / "data"))
    write_json(tmp_path / "fingerprint.json", measured)
    shared = anonymize(read_fingerprint(tmp_path / "fingerprint.json"))
    text = dump_json(shared)
    assert not any(facts.id in text or set(facts.files.values()) & set(text.split('"')) for facts in measured.cases)
    assert [facts.id for facts in shared.cases] == [f"case_{number:03}" for number in range(1, 7)]
    assert (shared.spacings_mm == measured.spacings_mm).all()
    assert shared.intensities == measured.intensities


def test_warnings_name_the_numbers(tmp_path: Path) -> None:
    write_json(
        tmp_path / "named.json",
        {
            "channels": ["CT"],
            "labels": ["background", "a"],
            "cases": [
                {"id": "Anna", "spacing_mm": [30, 1, 1], "shape_after_cropping": [9, 64, 64]},
                {"id": "Bob", "spacing_mm": [3, 1, 1], "shape_after_cropping": [90, 64, 64], "repeat": 4},
            ],
        },
    )
    named = read_fingerprint(tmp_path / "named.json")
    assert named.warnings[0].where == "Anna"
    assert anonymize(named).warnings[0].message.startswith("case_001: spacing is (30.0, 1.0, 1.0) mm")
