"""Plans from a fingerprint and of a dataset, edited, checked and compared, as a person meets them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from autoseg.cli import plan_tables
from autoseg.planning.plan import Plan
from autoseg.planning.plan_file import read_plan
from autoseg.serialization import write_json

Run = Callable[..., int]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def fingerprint(tmp_path: Path) -> Path:
    """The least that a fingerprint can be."""
    path = tmp_path / "hospital.json"
    case = {"spacing_mm": [3.0, 0.8, 0.8], "shape_after_cropping": [60, 200, 180]}
    labels = {"names": ["background", "liver"], "values": [0, 1]}
    write_json(path, {"dataset": "Liver", "channels": ["MRI"], "labels": labels, "cases": [case] * 12})
    return path


@pytest.fixture
def plan_file(run: Run, fingerprint: Path, capsys: Captured) -> Path:
    path = fingerprint.with_name("plan.yaml")
    assert run("plan", "--fingerprint", fingerprint, "--output", path) == 0
    capsys.readouterr()
    return path


def read_json_output(capsys: Captured) -> dict[str, object]:
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def test_a_fingerprint_alone_gives_a_whole_plan(run: Run, fingerprint: Path, capsys: Captured) -> None:
    assert run("plan", "--fingerprint", fingerprint, "--json") == 0
    plan = Plan.model_validate(read_json_output(capsys))
    assert (plan.budget.device.value, plan.budget.memory_gb.value) == ("cuda", 8.0)
    assert plan.configurations["3d_fullres"].n_dimensions == 3
    assert len(plan.seal) > 30


def test_rules_size_network_and_memory_reach_the_plan(run: Run, fingerprint: Path, capsys: Captured) -> None:
    assert run("plan", "--fingerprint", fingerprint, "--rules", "nnunet", "--gpu-memory", "11", "--json") == 0
    published = Plan.model_validate(read_json_output(capsys))
    assert (published.wishes.rules, published.budget.memory_gb.value) == ("nnunet", 11)
    assert run("plan", "--fingerprint", fingerprint, "--size", "xl", "--network", "residual", "--json") == 0
    large = Plan.model_validate(read_json_output(capsys))
    assert large.wishes.size == "xl"
    assert large.configurations["2d"].network.value == "residual_unet"


def test_the_table_shows_every_configuration_and_what_it_costs(run: Run, fingerprint: Path, capsys: Captured) -> None:
    assert run("plan", "--fingerprint", fingerprint, "--device", "cpu", "--train-time", "10m") == 0
    shown = capsys.readouterr().out
    for words in ("3d_fullres", "training GB", "h in all", "GB on disk"):
        assert words in shown
    assert run("plan", "--fingerprint", fingerprint, "--rules", "nnunet") == 0
    assert "No 3d_lowres: the patch covers" in capsys.readouterr().out


def test_a_narrow_terminal_turns_the_table_on_its_side(
    run: Run, fingerprint: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_tables.stdout, "width", 60)
    assert run("plan", "--fingerprint", fingerprint) == 0
    shown = capsys.readouterr().out
    assert max(len(line) for line in shown.splitlines() if "│" in line) <= 60
    assert [line.split("│")[1].strip() for line in shown.splitlines() if "│" in line][:2] == ["patch", "batch"]


def test_several_memories_give_a_plan_each(run: Run, fingerprint: Path, capsys: Captured) -> None:
    assert run("plan", "--fingerprint", fingerprint, "--gpu-memory", "6", "--gpu-memory", "24", "--json") == 0
    plans = {name: Plan.model_validate(one) for name, one in read_json_output(capsys).items()}
    assert {name: plan.budget.memory_gb.value for name, plan in plans.items()} == {"6gb": 6, "24gb": 24}


def test_what_is_set_is_kept_and_the_rest_follows(
    run: Run, plan_file: Path, fingerprint: Path, capsys: Captured
) -> None:
    again = plan_file.with_name("again.yaml")
    spacing = "3d_fullres.spacing_mm=[3.0,2.4,2.4]"
    assert run("plan", "--fingerprint", fingerprint, "--from", plan_file, "--set", spacing, "--output", again) == 0
    shown = capsys.readouterr().err
    assert shown.index("Kept as set by hand:") < shown.index("3d_fullres.spacing_mm = [3, 2.4, 2.4]")
    assert shown.index("Changed with it:") < shown.index("3d_fullres.patch_size: ")
    assert read_plan(again).pinned == ("3d_fullres.spacing_mm",)
    assert run("plan", "--check", again, "--fingerprint", fingerprint) == 0
    assert "0 errors, 1 piece of advice" in capsys.readouterr().out


def test_a_check_names_every_problem_with_its_line(run: Run, plan_file: Path, capsys: Captured) -> None:
    text = plan_file.read_text().replace("\n    batch_size:\n", "\n    batchsize:\n", 1)
    text = text.replace("  value: 5\n", "  value: 1\n", 1)
    plan_file.write_text(text)
    assert run("plan", "--check", plan_file, "--json") == 2
    findings = json.loads(capsys.readouterr().out)
    rows = text.splitlines()
    assert {rows[one["line"] - 1].strip() for one in findings} == {"value: 1", "2d:", "batchsize:"}
    assert {one["severity"] for one in findings} == {"error"}
    assert run("plan", "--check", plan_file) == 2
    assert f"{plan_file}: 3 errors, 0 pieces of advice." in capsys.readouterr().out


def test_a_variant_is_checked_against_the_fingerprint_of_its_workspace(
    run: Run, plan_file: Path, fingerprint: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = plan_file.parent / "variants" / "8gb"
    folder.mkdir(parents=True)
    plan_file.rename(folder / "plan.yaml")
    monkeypatch.chdir(folder)
    assert run("plan", "--check", "plan.yaml") == 0
    assert "The rules were not asked" in capsys.readouterr().err
    fingerprint.rename(fingerprint.with_name("fingerprint.json"))
    assert run("plan", "--check", "plan.yaml") == 0
    assert "The rules were not asked" not in capsys.readouterr().err


def test_a_comparison_tells_values_reasons_and_costs(run: Run, plan_file: Path, capsys: Captured) -> None:
    other = plan_file.with_name("other.yaml")
    other.write_text(plan_file.read_text().replace("  value: 5\n", "  value: 3\n", 1))
    assert run("plan", "--diff", plan_file, other) == 0
    shown = capsys.readouterr().out
    assert "n_folds\n  - 5   (5 folds, as published" in shown
    assert "  + 3   (set by hand)" in shown
    assert "2d.memory_gb" in shown
    assert run("plan", "--diff", plan_file, plan_file, "--json") == 0
    assert read_json_output(capsys)["differences"] == []


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "Plan what? Give a DATASET, or --fingerprint FILE"),
        (["--check", "{plan}", "--set", "a=1"], "--set does not go with --check"),
        (["--diff", "{plan}", "{plan}", "--gpu-memory", "8"], "--gpu-memory does not go with --diff"),
        (["somewhere", "--fingerprint", "{fingerprint}"], "DATASET does not go with --fingerprint"),
        (["--fingerprint", "{fingerprint}", "--workspace", "x"], "--workspace does not go with --fingerprint"),
        (["--fingerprint", "{fingerprint}", "--size", "s"], "--size s: there is no such choice. Known: m, l, xl."),
        (["--fingerprint", "{fingerprint}", "--rules", "nnunett"], "Did you mean nnunet?"),
        (["--fingerprint", "{fingerprint}", "--augmentation", "storng"], "Did you mean strong?"),
        (["--fingerprint", "{fingerprint}", "--network", "residal"], "Did you mean residual"),
        (["--fingerprint", "{fingerprint}", "--gpu-memory", "much"], "expected auto, or GB"),
        (["--fingerprint", "{fingerprint}", "--gpu-memory", "8", "--gpu-memory", "auto"], "Give GB where you plan"),
        (["--fingerprint", "{fingerprint}", "--gpu-memory", "8", "--gpu-memory", "8.0"], "is given twice"),
        (["--fingerprint", "{fingerprint}", "--set", "2d.batch_size"], "expected KEY=VALUE"),
        (["--fingerprint", "{fingerprint}", "--set", "2d.batchsize=1"], "Did you mean 2d.batch_size?"),
        (["--fingerprint", "{fingerprint}", "--set", "3d_fullres.patch_size=[32,48]"], "but the configuration has 3"),
        (["--fingerprint", "{fingerprint}", "--set", "2d.patch_size=[30,33]"], "need a multiple of"),
        (["--fingerprint", "{fingerprint}", "--train-time", "5m", "--epochs", "3"], "each set the length"),
        (["--fingerprint", "nowhere.json"], "there is no such file"),
        (["--check", "{fingerprint}"], "is not a plan"),
        (["somewhere", "--variant", "a", "--gpu-memory", "8", "--gpu-memory", "9"], "--variant names one plan"),
    ],
)
def test_nonsense_ends_in_one_clear_line(
    run: Run, plan_file: Path, fingerprint: Path, capsys: Captured, words: list[str], line: str
) -> None:
    assert run("plan", *(word.format(plan=plan_file, fingerprint=fingerprint) for word in words)) == 2
    (shown,) = [row for row in capsys.readouterr().err.splitlines() if row.startswith("error:")]
    assert line in shown


def test_a_plan_that_stands_hands_on_what_was_set_by_hand(
    run: Run, phantom: Path, tmp_path: Path, capsys: Captured
) -> None:
    plan = ("plan", phantom, "--workspace", tmp_path / "w", "--train-time", "5m")
    assert run(*plan, "--set", "2d.batch_size=3") == 0
    assert run(*plan) == 0
    assert "2d.batch_size = 3 (set by hand; the rule says" in capsys.readouterr().err
    assert read_plan(tmp_path / "w" / "plan.yaml").pinned == ("2d.batch_size",)
    assert run(*plan, "--fresh") == 0
    assert read_plan(tmp_path / "w" / "plan.yaml").pinned == ()
    assert (tmp_path / "w" / "plan.old1.yaml").is_file()


def test_two_gpus_get_a_variant_each(run: Run, phantom: Path, tmp_path: Path, capsys: Captured) -> None:
    memories = ("--gpu-memory", "8", "--gpu-memory", "24")
    assert run("plan", phantom, "--workspace", tmp_path, *memories) == 0
    assert "One preprocessed store for 8gb/3d_fullres, 24gb/3d_fullres." in capsys.readouterr().out
    for name in ("8gb", "24gb"):
        assert read_plan(tmp_path / "variants" / name / "plan.yaml").budget.device.value == "cuda"
    assert run("explain", phantom, "budget.memory_gb", "--workspace", tmp_path, "--variant", "24gb", "--json") == 0
    assert read_json_output(capsys)["value"] == 24
    assert run("explain", phantom, "--workspace", tmp_path, "--variant", "9gb") == 2
    assert "There is no variant 9gb. Did you mean 8gb?" in capsys.readouterr().err
    assert not (tmp_path / "variants" / "9gb").exists()


def test_a_gpu_that_is_not_here_can_be_named(run: Run, fingerprint: Path, capsys: Captured) -> None:
    assert run("plan", "--fingerprint", fingerprint, "--device", "cuda", "--gpu-memory", "11", "--json") == 0
    assert read_json_output(capsys)["budget"]["memory_gb"]["value"] == 11


def test_auto_takes_back_a_memory_that_was_asked_for(run: Run, phantom: Path, tmp_path: Path) -> None:
    plan = ("plan", phantom, "--workspace", tmp_path)
    assert run(*plan, "--gpu-memory", "3") == 0
    assert run(*plan) == 0
    assert read_plan(tmp_path / "plan.yaml").budget.memory_gb.value == 3
    assert run(*plan, "--gpu-memory", "auto") == 0
    made = read_plan(tmp_path / "plan.yaml")
    assert (made.wishes.gpu_memory_gb, made.budget.memory_gb.source) == (None, "rule")


def test_a_preset_of_augmentation_is_asked_for_and_taken_back(run: Run, phantom: Path, tmp_path: Path) -> None:
    plan = ("plan", phantom, "--workspace", tmp_path)
    assert run(*plan, "--augmentation", "strong") == 0
    assert run(*plan) == 0
    strong = read_plan(tmp_path / "plan.yaml")
    assert strong.wishes.augmentation == "strong"
    assert strong.configurations["3d_fullres"].augmentation.reason.startswith("strong: ")
    assert strong.configurations["3d_fullres"].augmentation.value.elastic.probability > 0
    assert run(*plan, "--augmentation", "default") == 0
    usual = read_plan(tmp_path / "plan.yaml")
    assert usual.configurations["3d_fullres"].augmentation.value.elastic.probability == 0
    assert "augmentation" not in usual.wishes.model_dump()


def test_a_preset_that_was_asked_for_goes_before_transforms_that_were_set(
    run: Run, phantom: Path, tmp_path: Path
) -> None:
    plan = ("plan", phantom, "--workspace", tmp_path)
    assert run(*plan, "--set", "2d.augmentation.scaling.probability=0.9") == 0
    assert run(*plan, "--augmentation", "off") == 0
    made = read_plan(tmp_path / "plan.yaml")
    assert made.pinned == ()
    assert made.configurations["2d"].augmentation.value.scaling.probability == 0
