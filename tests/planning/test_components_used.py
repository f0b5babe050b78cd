from __future__ import annotations

from autoseg.planning.components_used import list_components
from autoseg.planning.editing import edit_plan
from autoseg.planning.plan import Plan


def test_names_of_autoseg_are_no_components(cpu_plan: Plan) -> None:
    assert list_components(cpu_plan, "2d") == {}


def test_every_dotted_path_is_found_under_its_key(cpu_plan: Plan) -> None:
    texts = ["2d.network=a:N", "2d.loss.terms.b.c:L=1", "2d.optimizer.name=a:O", "2d.optimizer.schedule=a:S"]
    texts += ["2d.augmentation.custom=[a:T, a:U]", "normalization.CT.scheme=a:Z"]
    plan = edit_plan(cpu_plan, texts)
    assert list_components(plan, "2d") == {
        "normalization.CT.scheme": "a:Z",
        "network": "a:N",
        "loss.terms.b.c:L": "b.c:L",
        "optimizer.name": "a:O",
        "optimizer.schedule": "a:S",
        "augmentation.custom[0]": "a:T",
        "augmentation.custom[1]": "a:U",
    }
    assert list_components(plan, "3d_fullres") == {"normalization.CT.scheme": "a:Z"}
