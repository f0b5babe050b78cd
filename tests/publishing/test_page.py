"""The page is one file that a browser renders without a network, narrow, wide and on paper."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from autoseg.publishing import draw_benchmark_summary, write_page
from tests.publishing.browser import browse
from tests.publishing.made_up import make_benchmark, make_overlays

MEASURE = """<script>addEventListener('load', () => {
  const pictures = [...document.images];
  const open = document.querySelectorAll('details');
  open.forEach(one => one.open = true);
  document.documentElement.dataset.measured = [
    document.documentElement.clientWidth, document.documentElement.scrollWidth,
    pictures.length, pictures.filter(one => one.naturalWidth > 0).length,
    document.querySelectorAll('main section').length, open.length].join(' ');
});
addEventListener('error', () => document.title = 'error');
</script></head>"""


class Addresses(HTMLParser):
    """Every address that a page leads to or loads, and every identifier."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.linked: list[str] = []
        self.identifiers: list[str] = []
        self.tags: set[str] = set()
        self.without_words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.tags.add(tag)
        self.loaded += [given[name] for name in ("src", "srcset", "data", "poster") if name in given]
        (self.linked if tag == "a" else self.loaded).extend([given["href"]] if "href" in given else [])
        self.identifiers += [given["id"]] if "id" in given else []
        if (tag == "img" and not given.get("alt")) or (tag == "th" and "scope" not in given):
            self.without_words.append(tag)


@pytest.fixture(scope="session")
def html(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def test_everything_is_inside_the_one_file(html: str) -> None:
    found = Addresses(html)
    assert found.loaded
    assert all(address.startswith("data:") for address in found.loaded)
    assert all(address.startswith("#") for address in found.linked)
    assert not found.tags & {"script", "iframe", "object", "embed"}
    assert "url(" not in html
    assert "@import" not in html
    assert "default-src 'none'" in html


def test_contents_lead_to_sections_and_pictures_and_headers_have_words(html: str) -> None:
    found = Addresses(html)
    assert {f"#{name}" for name in found.identifiers} >= set(found.linked)
    assert len(set(found.identifiers)) == len(found.identifiers)
    assert found.without_words == []
    assert '<html lang="en">' in html


def measure(page: Path, width: int) -> list[int]:
    """Widths of window and content, pictures and decoded pictures, sections and folded parts, as a browser has them."""
    copy = page.parent / f"measured_{width}.html"
    text = re.sub(r"<meta http-equiv[^>]*>", "", page.read_text(encoding="utf-8"))
    frame = page.parent / f"frame_{width}.html"
    copy.write_text(text.replace("</head>", MEASURE), encoding="utf-8")
    frame.write_text(
        f"<iframe id=f style='width:{width}px;height:900px;border:0' src='{copy.name}'></iframe><script>"
        "addEventListener('load', () => {document.title = f.contentDocument.documentElement.dataset.measured})"
        "</script>",
        encoding="utf-8",
    )
    shown = browse(frame, "--allow-file-access-from-files", "--window-size=1600,1000", "--dump-dom")
    title = re.search(r"<title>([\d ]+)</title>", shown)
    assert title, shown[:500]
    return [int(number) for number in title[1].split()]


@pytest.mark.parametrize("width", [360, 1400])
def test_page_renders_without_scrolling_sideways(width: int, folder: Path) -> None:
    room, content, n_pictures, n_decoded, n_sections, n_folded = measure(folder / "report.html", width)
    assert width - 20 <= room <= width  # but for the bar that scrolls down
    assert content == room
    assert n_pictures == n_decoded == 8
    assert n_sections == 12
    assert n_folded == 10


def test_page_is_seen_and_printed(folder: Path) -> None:
    page = folder / "report.html"
    browse(page, f"--screenshot={folder / 'seen.png'}", "--window-size=1400,3000", "--hide-scrollbars")
    browse(page, f"--print-to-pdf={folder / 'printed.pdf'}", "--no-pdf-header-footer")
    assert (folder / "seen.png").stat().st_size > 100_000
    n_pages = max(int(number) for number in re.findall(rb"/Count (\d+)", (folder / "printed.pdf").read_bytes()))
    assert n_pages > 5


def test_sections_come_in_the_order_of_a_paper(html: str) -> None:
    wanted = "findings scores cases ranks labels learning costs overlays fairness settings definitions reproduce"
    assert re.findall(r'<section id="(\w+)"', html) == wanted.split()


def test_names_are_letters_and_never_markup(tmp_path: Path) -> None:
    evil = "<script>alert(\"1\")</script> & 'x' $a$ | `b`"
    made = make_benchmark(n_cases=8)
    cases = tuple(case.model_copy(update={"case_id": f"<b>{case.case_id}"}) for case in made.scored[0].pooled.cases)
    report = made.scored[0].pooled.model_copy(update={"cases": cases})
    method = made.scored[0].model_copy(update={"name": evil, "pooled": report, "failure": None})
    failed = made.methods[4].model_copy(update={"failure": "<img src=x onerror=alert(1)>"})
    nasty = made.model_copy(
        update={"methods": (method, failed), "comparisons": (), "ranking": None, "dataset": "<i>&", "command": "<u>"}
    )
    html = write_page(nasty, tmp_path).read_text(encoding="utf-8")
    assert not Addresses(html).tags & {"script", "b", "i", "u"}
    assert "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt; &amp; &#39;x&#39;" in html
    assert all(address.startswith("data:") for address in Addresses(html).loaded)
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "<script>" not in markdown
    assert r"\<script\>" in markdown


def test_page_of_five_labels_in_pixels_and_a_single_seed(tmp_path: Path) -> None:
    labels = tuple(f"label {number}" for number in range(5))
    made = make_benchmark(n_cases=12, labels=labels, is_flat=True, n_seeds=1)
    few = made.model_copy(update={"methods": made.methods[:2], "comparisons": (), "ranking": None})
    html = write_page(few, tmp_path, overlays=make_overlays(few, shape=(1, 32, 40))[:1]).read_text(encoding="utf-8")
    assert all(label in html for label in labels)
    assert "at 2 px" in html
    assert "Every metric of each of the 5 labels" in html
    assert "Seeds: standard deviation" not in html


def test_page_without_any_result_says_so(tmp_path: Path) -> None:
    made = make_benchmark(n_cases=8)
    nothing = made.model_copy(update={"methods": made.methods[4:5], "comparisons": (), "ranking": None})
    html = write_page(nothing, tmp_path).read_text(encoding="utf-8")
    assert "No method has a result." in html
    assert "failed: out of memory" in html


def test_summary_is_a_wide_picture(tmp_path: Path) -> None:
    from PIL import Image

    draw_benchmark_summary(make_benchmark(n_cases=8), tmp_path / "summary.png")
    with Image.open(tmp_path / "summary.png") as picture:
        assert picture.width == 1410
