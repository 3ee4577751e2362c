"""The accuracy self-test against exact binomial probabilities."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest

from detector.base.findings import Severity
from detector.quality.accuracy import SIGNIFICANCE, clean_accuracy_finding, probability_of_at_most


def _exact(correct: int, num_images: int) -> Fraction:
    right, wrong = Fraction(99, 100), Fraction(1, 100)
    terms = (comb(num_images, k) * right**k * wrong ** (num_images - k) for k in range(correct + 1))
    return sum(terms, Fraction(0))


@pytest.mark.parametrize(("correct", "num_images"), [(0, 1), (8, 10), (7, 10), (95, 100), (94, 100), (480, 500)])
def test_binomial_tail_is_exact(correct: int, num_images: int) -> None:
    assert probability_of_at_most(correct, num_images) == pytest.approx(float(_exact(correct, num_images)), rel=1e-9)


@pytest.mark.parametrize(("num_images", "most_errors"), [(1, 1), (10, 2), (50, 4), (100, 5), (500, 13)])
def test_errors_beyond_chance_are_an_error(num_images: int, most_errors: int) -> None:
    fine = clean_accuracy_finding((num_images - most_errors) / num_images, num_images)
    assert (fine.severity, fine.code) == (Severity.INFO, "clean_accuracy")
    assert _exact(num_images - most_errors, num_images) >= SIGNIFICANCE
    if most_errors < num_images:
        low = clean_accuracy_finding((num_images - most_errors - 1) / num_images, num_images)
        assert (low.severity, low.code) == (Severity.ERROR, "low_clean_accuracy")
        assert "preprocessing" in low.message
        assert _exact(num_images - most_errors - 1, num_images) < SIGNIFICANCE


def test_no_images_is_not_a_clean_bill() -> None:
    finding = clean_accuracy_finding(0.0, 0)
    assert finding.severity is Severity.WARNING
    assert "could not be checked" in finding.message


def test_many_images_do_not_overflow() -> None:
    assert clean_accuracy_finding(0.99, 100_000).severity is Severity.INFO
    assert clean_accuracy_finding(0.98, 100_000).severity is Severity.ERROR


@pytest.mark.parametrize(("accuracy", "num_images"), [(-0.1, 10), (1.1, 10), (float("nan"), 10), (0.5, -1)])
def test_impossible_figures_are_refused(accuracy: float, num_images: int) -> None:
    with pytest.raises(ValueError):
        clean_accuracy_finding(accuracy, num_images)
