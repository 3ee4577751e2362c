"""The page is well-formed, says the verdict first, and shows hostile names as the text that they are."""

from __future__ import annotations

import dataclasses
import io
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from detector.base.errors import ExitCode
from detector.base.findings import Finding, Severity
from detector.mapping.known import Known
from detector.report.answers import ExampleAnswer
from detector.report.document import to_document
from detector.report.html import page
from detector.report.report import Basis, ModelSummary, Report
from detector.rounds.preprocessing import PROFILES
from tests.report.test_explanation import CLEAN, POISONED

HOSTILE = "<script>alert(1)</script>\" onload='x' &amp; {{ 7 * 7 }} \u202e"
FRAME = {"html", "head", "meta", "style", "body", "main"}
VOID = {"meta", "link", "img", "br"}
SHAPES = {"svg", "line", "path", "circle", "rect", "text", "g", "polyline"}
TEXTS = {"h1", "h2", "p", "ul", "li", "dl", "dt", "dd", "div", "span", "code", "figure", "figcaption", "title"}
TABLE = {"table", "thead", "tbody", "tr", "th", "td"}


class Page(HTMLParser):
    """Every element and text of a page; an end without its beginning fails."""

    def __init__(self, report: Report, examples: Path | None = None) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.source = page(to_document(report), examples)
        self.feed(self.source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and data.strip():
            self.texts.setdefault(self.open[-1], []).append(data)


@pytest.fixture
def hostile() -> Page:
    model = ModelSummary(HOSTILE, "0" * 64, 10, "zip", "module", "resnet18", 5)
    findings = (Finding(Severity.INFO, "a", f"note {HOSTILE}"), Finding(Severity.TAMPERED, "b", "the stride is odd"))
    answers = (ExampleAnswer(HOSTILE, 0, 1, 2),)
    report = dataclasses.replace(
        POISONED, basis=Basis.TAMPERED, model=model, findings=findings, answers=answers, error=HOSTILE,
        command=("infer", HOSTILE), settings={HOSTILE: HOSTILE}, strongest_probe={"kind": HOSTILE},
    )  # fmt: skip
    return Page(report)


def test_the_verdict_comes_first() -> None:
    found = Page(POISONED)
    assert found.texts["h1"] == ["LIKELY POISONED"]
    assert found.texts["p"][1].startswith(f"{POISONED.probability:.3f} is the probability")
    assert found.source.index("<h1") < found.source.index("<h2")


def test_findings_stand_in_order_of_gravity(hostile: Page) -> None:
    assert hostile.texts["span"][:2] == ["tampered", "info"]


@pytest.mark.hostile
def test_nothing_hostile_becomes_an_element_or_is_computed(hostile: Page) -> None:
    assert {tag for tag, _ in hostile.elements} <= FRAME | SHAPES | TEXTS | TABLE
    assert not any(name.startswith("on") for _, pairs in hostile.elements for name in pairs)
    assert "49" not in "".join(text for text in hostile.texts["dd"]) and "{{ 7 * 7 }}" in hostile.source
    assert "\u202e" not in hostile.source and "<script" not in hostile.source


def test_the_page_loads_nothing(hostile: Page) -> None:
    policies = [
        pairs["content"] for _, pairs in hostile.elements if pairs.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    assert not any(tag in ("script", "link", "iframe") or "href" in pairs for tag, pairs in hostile.elements)
    assert "http" not in hostile.source.replace("http-equiv", "")


def test_known_networks_are_drawn_by_their_labels_with_words_for_those_who_see_nothing() -> None:
    found = Page(CLEAN)
    drawn = [pairs.get("class") for tag, pairs in found.elements if tag in ("circle", "path")]
    contributions = CLEAN.contributions or ()
    assert drawn.count("clean") == 1 + sum(len(one.clean) for one in contributions)  # and once in the legend
    assert drawn.count("poisoned") == 1 + sum(len(one.poisoned) for one in contributions)
    labels = [pairs["aria-label"] for tag, pairs in found.elements if pairs.get("role") == "img"]
    assert len(labels) == 1 + len(contributions)
    below = sum(value < contributions[0].value for value in contributions[0].clean)
    assert any(f"{below} of 18 clean and" in str(label) for label in labels)


def test_pruned_variants_have_a_bar_each() -> None:
    from tests.report.test_report import _full

    found = Page(_full())
    assert [tag for tag, _ in found.elements].count("rect") == 15
    assert "variant 3: 90.0%" in found.texts["title"]


def test_images_are_shown_where_their_folder_is_given(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label in range(2):
        pixels = rng.integers(0, 256, (54, 54, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"class_{label}_example_0.png")
    answers = tuple(ExampleAnswer(f"class_{label}_example_0.png", label, 0, 1) for label in (0, 1, 2))
    probe: dict[str, Any] = {"kind": "inversion", "version": 1, "parameters": {"strength": 1.0}}
    report = dataclasses.replace(CLEAN, preprocessing=PROFILES["small"], answers=answers, strongest_probe=probe)
    images = [pairs for tag, pairs in Page(report, tmp_path).elements if tag == "img"]
    assert len(images) == 4 and all(pairs["alt"] for pairs in images)  # two images, each as it is and inverted
    plain, inverted = (_pixels(str(pairs["src"])) for pairs in images[:2])
    np.testing.assert_array_equal(plain, 255 - inverted)
    assert not [tag for tag, _ in Page(report).elements if tag == "img"]
    assert not [tag for tag, _ in Page(report, tmp_path / "gone").elements if tag == "img"]


def _pixels(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(b64decode(uri.partition(",")[2]))).convert("RGB")).astype(int)


def test_what_the_bundle_is_worth_is_drawn() -> None:
    answers = Known((0.1, 0.3, 0.6), (0.4, 0.9))
    assert POISONED.mapping is not None and POISONED.mapping.held_out is not None
    worth = dataclasses.replace(POISONED.mapping.held_out, answers=answers)
    found = Page(dataclasses.replace(POISONED, mapping=dataclasses.replace(POISONED.mapping, held_out=worth)))
    roc, _ = [pairs["points"] for tag, pairs in found.elements if tag == "polyline"]
    assert roc is not None and roc.split() == [
        "0.0,200.0",
        "0.0,100.0",
        "66.7,100.0",
        "66.7,0.0",
        "133.3,0.0",
        "200.0,0.0",
    ]
    labels = [str(pairs["aria-label"]) for tag, pairs in found.elements if pairs.get("role") == "img"]
    assert any("of 1 networks answered 0.90 on average, 100 percent are poisoned" in label for label in labels)
    assert "polyline" not in Page(POISONED).source


def test_differences_from_the_reference_are_drawn_and_told() -> None:
    differences = [{"path": "layer2.0.conv2", "what": "stride", "expected": "(2, 2)", "found": "(1, 1)"}]
    evidence: dict[str, Any] = {"nearest": "resnet50", "num_deviations": 1, "differences": differences}
    finding = Finding(Severity.TAMPERED, "graph_deviates", "a stride", evidence)
    found = Page(dataclasses.replace(POISONED, basis=Basis.TAMPERED, findings=(finding,)))
    assert "What differs from the reference resnet50" in found.texts["h2"]
    assert {"stride: (2, 2)", "stride: (1, 1)"} <= set(found.texts["text"])
    assert "(1, 1)" in found.texts["td"]


@pytest.mark.hostile
def test_hostile_layers_are_text() -> None:
    differences = [{"path": HOSTILE, "what": HOSTILE, "expected": "nothing", "found": HOSTILE}] * 50
    for nearest in ("resnet50", HOSTILE):
        evidence: dict[str, Any] = {"nearest": nearest, "num_deviations": 50, "differences": differences}
        finding = Finding(Severity.TAMPERED, "graph_deviates", "odd", evidence)
        found = Page(dataclasses.replace(POISONED, basis=Basis.TAMPERED, findings=(finding,)))
        assert {tag for tag, _ in found.elements} <= FRAME | SHAPES | TEXTS | TABLE
        assert not any(name.startswith("on") for _, pairs in found.elements for name in pairs)
        assert "\u202e" not in found.source and "<script" not in found.source


def test_a_report_of_nothing_has_a_page_too() -> None:
    found = Page(Report(0.5, Basis.NEUTRAL, ExitCode.MODEL_REFUSED, error="model.pt: a tar file"))
    assert found.texts["h1"] == ["REFUSED"]
    assert "role" not in found.source.partition("<main>")[2]  # nothing is drawn
