"""How does a comparison become a page that can be sent to anyone?

`report.html` is one file: its style is inside, its figures are inside, and a policy in its head forbids the browser
to load anything else. `report.md` says the same with figures as files beside it, `results.csv` holds every score.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from autoseg.evaluation.benchmark import Benchmark
from autoseg.publishing.content import make_document
from autoseg.publishing.document import Block, Document, Folded, Picture
from autoseg.publishing.markdown import to_markdown
from autoseg.publishing.overlays import MethodOverlay
from autoseg.publishing.tidy import write_results
from autoseg.serialization import replacing, write_text

FIGURES = "figures"
MEDIA_TYPES = {"svg": "image/svg+xml", "jpg": "image/jpeg"}


def write_page(
    benchmark: Benchmark,
    folder: Path,
    *,
    overlays: Sequence[MethodOverlay] = (),
    label_names: Sequence[str] = (),
) -> Path:
    """Write `report.html`, `report.md` with its `figures/`, and `results.csv`.

    Args:
        benchmark: what is shown.
        folder: where; made if it is not there.
        overlays: best, median and worst cases of methods, as far as there are any.
        label_names: name of label 0, 1, ... for the legend of the overlays.

    Returns:
        The path of `report.html`.
    """
    document = make_document(benchmark, overlays=overlays, label_names=label_names)
    for picture in list_pictures(document):
        with replacing(folder / FIGURES / f"{picture.name}.{picture.ending}") as temporary:
            temporary.write_bytes(picture.content)
    write_text(folder / "report.md", to_markdown(document, figures=FIGURES))
    write_results(benchmark, folder / "results.csv")
    path = folder / "report.html"
    write_text(path, to_html(document))
    return path


def list_pictures(document: Document) -> list[Picture]:
    """Every figure of the document, folded ones included."""
    return [picture for section in document.sections for picture in _find_pictures(section.blocks)]


def _find_pictures(blocks: Sequence[Block]) -> list[Picture]:
    found: list[Picture] = []
    for block in blocks:
        if isinstance(block, Picture):
            found.append(block)
        elif isinstance(block, Folded):
            found += _find_pictures(block.blocks)
    return found


def to_html(document: Document) -> str:
    """The document as one HTML file; every text in it is escaped by the template."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("autoseg.publishing"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["source"] = to_data_address
    style = resources.files("autoseg.publishing").joinpath("templates", "report.css").read_text(encoding="utf-8")
    return environment.get_template("report.html").render(document=document, style=style)


def to_data_address(picture: Picture) -> str:
    """The figure itself as an address, so that no file stands beside the page."""
    return f"data:{MEDIA_TYPES[picture.ending]};base64,{base64.b64encode(picture.content).decode()}"
