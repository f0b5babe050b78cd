"""Names become methods, and a name that nothing has says what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoseg.errors import UsageError
from autoseg.pipeline.benchmarking.methods import parse_methods, parse_predictions


def test_networks_floors_own_networks_and_predictions_are_told_apart(tmp_path: Path) -> None:
    found = parse_methods(["unet, threshold", "my_package:MyNet,unet"], {"reader": tmp_path})
    assert [(one.name, one.kind) for one in found] == [
        ("unet", "network"),
        ("threshold", "floor"),
        ("my_package:MyNet", "network"),
        ("reader", "predictions"),
    ]
    assert "Isensee" in found[0].source
    assert (found[2].file_name, found[3].source) == ("my_package_MyNet", str(tmp_path))


def test_an_unknown_name_is_told_with_all_there_are() -> None:
    with pytest.raises(UsageError, match=r"--methods: unett is not known. Did you mean unet\?") as told:
        parse_methods(["unett"], {})
    for word in ("fcn8s", "through extras: ", "swin_unetr", "threshold, mean_shape", "package.module:Name"):
        assert word in str(told.value)
    assert "\n" not in str(told.value)
    with pytest.raises(UsageError, match="Did you mean mean_shape"):
        parse_methods(["meanshape"], {})
    with pytest.raises(UsageError, match="names no method"):
        parse_methods([" , "], {})


def test_predictions_are_named_folders_that_are_there(tmp_path: Path) -> None:
    assert parse_predictions([f"nnunet={tmp_path}"]) == {"nnunet": tmp_path}
    for word in ("nnunet", "=folder", "nnunet="):
        with pytest.raises(UsageError, match="expected name=FOLDER"):
            parse_predictions([word])
    with pytest.raises(UsageError, match="named twice"):
        parse_predictions(["a=b", "a=c"])
    with pytest.raises(UsageError, match="is the name of a method already"):
        parse_methods(["unet"], {"unet": tmp_path})
    with pytest.raises(UsageError, match="no such folder"):
        parse_methods([], {"reader": tmp_path / "nowhere"})
