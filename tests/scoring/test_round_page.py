"""The page of a round: complete, self-contained, and harmless whatever models and classes are called."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from detector.rounds.reading import LeftOut
from detector.scoring.answers import Answer
from detector.scoring.metrics import round_metrics
from detector.scoring.round_page import round_page
from detector.scoring.terms import Terms

TERMS = Terms("round2-test", "universal", "0" * 64, 60.0, "learned", 0.99, "0.1.0")
RNG = np.random.default_rng(3)
ANSWERS = tuple(
    Answer(
        model=f"id-{number:08d}",
        architecture=("resnet18", "vgg11bn")[number % 3 == 0],
        truth=bool(number % 2),
        probability=float(np.clip(RNG.normal(0.3 + 0.4 * (number % 2), 0.3), 0.01, 0.99)),
        verdict="poisoned",
        seconds=1.0 + number,
        exit_code=0,
        trigger_type="polygon" if number % 2 else "",
    )
    for number in range(30)
)
HOSTILE = "<script>alert(1)</script>\"'&{{ 7 * 7 }}\u202e"
VOID = {"meta", "circle", "path", "polyline", "rect"}


class Reader(HTMLParser):
    """Tags with their attributes, all text, and whether every tag that opens is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.open = "", list[str]()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page(answers: tuple[Answer, ...] = ANSWERS, terms: Terms = TERMS) -> str:
    return round_page(terms, answers, round_metrics(answers), [LeftOut("model-3", HOSTILE)])


def test_it_is_well_formed_and_complete() -> None:
    read = Reader(page())
    assert read.open == []
    for text in ("round2-test", "30 models judged", "Worst answers", "model-3", "resnet18", "trigger: polygon"):
        assert text in read.text
    assert all(answer.model in read.text for answer in ANSWERS)
    scores = round_metrics(ANSWERS).scores
    assert scores is not None and f"{scores.cross_entropy:.3f} \xb1 {scores.cross_entropy_half_width:.3f}" in read.text


def test_plots_have_alternatives_and_stay_within_their_frame() -> None:
    read = Reader(page())
    assert len(read.all("svg")) == 4
    assert all(one["role"] == "img" and one["aria-label"] for one in read.all("svg"))
    (curve,) = read.all("polyline")
    points = np.array([[float(x) for x in pair.split(",")] for pair in str(curve["points"]).split()])
    assert points[0].tolist() == [30, 210] and points[-1].tolist() == [230, 10]
    area = np.sum(np.diff(points[:, 0]) * (points[1:, 1] + points[:-1, 1]) / 2)
    scores = round_metrics(ANSWERS).scores
    assert scores is not None and (210 * 200 - area) / 200**2 == pytest.approx(scores.roc_auc, abs=1e-3)
    assert max(float(one["width"] or 0) for one in read.all("rect")) == 160.0


def test_nothing_is_loaded_and_only_the_script_that_sorts_runs() -> None:
    text = page()
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [one["content"] for one in Reader(text).all("meta") if "http-equiv" in one]
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert not re.search(r"(src|href)\s*=|https?:|url\(|@import", text)


def test_hostile_names_stay_text() -> None:
    hostile = {"model": HOSTILE, "architecture": HOSTILE, "error": HOSTILE, "trigger_type": HOSTILE}
    answers = (*ANSWERS, replace(ANSWERS[1], **hostile, probability=0.0, findings=(HOSTILE,)))  # type: ignore[arg-type]
    text = page(answers, replace(TERMS, round=HOSTILE, bundle=HOSTILE))
    read = Reader(text)
    assert len(read.all("script")) == 1 and read.open == []
    assert "<script>alert" not in text and "\u202e" not in text
    assert "<script>alert(1)</script>\"'&{{ 7 * 7 }}\\u202e" in read.text  # shown as it is
    assert all(not name.startswith("on") for _, attributes in read.tags for name in attributes)


def test_the_worst_answers_come_first() -> None:
    answers = (
        *ANSWERS,
        replace(ANSWERS[1], model="id-00000101", probability=0.001),
        replace(ANSWERS[0], model="id-00000100", probability=0.9999),
    )
    worst = page(answers).partition("Worst answers")[2]
    assert 0 < worst.index("id-00000100") < worst.index("id-00000101") < worst.index("All models")
    right = replace(ANSWERS[1], model="id-00000102", probability=0.9)
    assert "id-00000102" not in page((right, ANSWERS[0])).partition("Worst answers")[2].partition("All models")[0]


def test_without_labels_the_table_alone() -> None:
    text = page(tuple(replace(answer, truth=None) for answer in ANSWERS))
    assert "nothing can be scored" in text and "<svg" not in text
    assert text.count("<tr>") == 31


def test_what_is_cheaper_and_what_is_not_validated_are_told() -> None:
    first, *others = ANSWERS
    shown = Reader(page((replace(first, findings=("warning:configuration_dropped", "warning:not_validated")), *others)))
    told = "1 of 30 models was judged by a cheaper configuration for lack of time."
    assert 0 < shown.text.index(told) < shown.text.index("What the answers are worth")
    assert shown.text.count("poisoned, not validated") == 1
    usual = Reader(page()).text
    assert "cheaper configuration" not in usual and "not validated" not in usual


def test_one_class_alone_has_no_curve() -> None:
    assert "<polyline" not in page(ANSWERS[1::2])
