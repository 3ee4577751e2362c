"""The page is well-formed, says the verdict first, and shows hostile names as the text that they are."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from detector.base.findings import Finding, Severity
from detector.report.html import report_html
from detector.report.report import Basis, ModelSummary, Report

HOSTILE = "<script>alert(1)</script>\" onload='x' &amp;"
VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """Every element and text of a page; an end without its beginning fails."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)


@pytest.fixture
def page() -> Page:
    model = ModelSummary(HOSTILE, "0" * 64, 10, "zip", "module", "resnet18", 5)
    findings = (Finding(Severity.INFO, "a", f"note {HOSTILE}"), Finding(Severity.TAMPERED, "b", "the stride is odd"))
    return Page(report_html(Report(0.95, Basis.TAMPERED, model=model, findings=findings)))


def test_the_verdict_comes_first(page: Page) -> None:
    assert page.texts["h1"] == [f"{HOSTILE}: tampered"]
    assert page.texts["p"][0].startswith("0.950 is the probability")


def test_findings_stand_in_order_of_gravity(page: Page) -> None:
    assert page.texts["li"] == ["tampered: the stride is odd", f"info: note {HOSTILE}"]


def test_nothing_hostile_becomes_an_element(page: Page) -> None:
    tags = {tag for tag, _ in page.elements}
    assert tags <= {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "ul", "li", "pre"}
    assert all(
        name in {"lang", "charset", "content", "http-equiv", "name"} for _, pairs in page.elements for name in pairs
    )


def test_the_page_loads_nothing(page: Page) -> None:
    policies = [pairs["content"] for _, pairs in page.elements if pairs.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_a_report_of_nothing_has_a_page_too() -> None:
    assert Page(report_html(Report(0.5, Basis.NEUTRAL))).texts["h1"] == ["no model: not measured"]
