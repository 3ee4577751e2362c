"""The verdict in words: what it is, why, how far to trust it, and what to do next. Every renderer shows these words.

Words follow the warnings: where a network is unlike those that the bundle was judged on, the headline says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, assert_never

import numpy as np

from detector.base.errors import ExitCode, printable
from detector.base.findings import Finding, Severity
from detector.mapping.configuration import Figures
from detector.model_file.refusals import DANGER_STEP
from detector.report.contributions import Contribution
from detector.report.report import Basis, MappingSummary, Report
from detector.report.verdict import Judgement, judgement

_MOST_REASONS = 3
_USUAL = (0.1, 0.9)  # quantiles: between them eight in ten of the known networks
NOT_VALIDATED = (  # findings: not what the bundle was judged on
    "labels_are_answers",
    "other_image_size",
    "preprocessing_overridden",
)
_UNLIKE = (
    "beyond_experience",
    "many_wrong_answers",
    "too_few_examples",
    "too_few_classes",
)  # findings: why the base rate is answered in spite of a reading
_GRAVE = (Severity.TAMPERED, Severity.ERROR, Severity.WARNING)

_HEADLINES = {
    Judgement.POISONED: "LIKELY POISONED",
    Judgement.CLEAN: "LIKELY CLEAN",
    Judgement.UNDECIDED: "UNDECIDED",
    Judgement.UNKNOWN_ARCHITECTURE: "UNKNOWN ARCHITECTURE",
    Judgement.TAMPERED: "TAMPERED",
    Judgement.REFUSED: "REFUSED",
    Judgement.NOT_MEASURED: "UNDECIDED",
}


@dataclass(frozen=True)
class Explanation:
    """The verdict of a report, for people.

    Attributes
    ----------
    headline, meaning
        The verdict, and what its number says.
    validated
        Whether the bundle was judged on networks like this one; None where nothing was measured.
    reasons, trust, next_steps
        Sentences, the weightiest first.
    """

    judgement: Judgement
    headline: str
    meaning: str
    validated: bool | None
    reasons: tuple[str, ...]
    trust: tuple[str, ...]
    next_steps: tuple[str, ...]


def explanation(report: Report) -> Explanation:
    """The words for this report; all of them printable."""
    word, doubts = judgement(report), _doubts(report)
    headline = _HEADLINES[word]
    if word is Judgement.NOT_MEASURED and report.exit_code is not ExitCode.ANSWERED:
        headline = "NO ANSWER"
    if word in (Judgement.POISONED, Judgement.CLEAN) and doubts:
        headline += ", NOT VALIDATED"
    return Explanation(
        word,
        headline,
        _meaning(report),
        None if report.prediction is None else not doubts,
        _clean(_reasons(report, word)),
        _clean(_trust(report, doubts)),
        _clean(_next_steps(report, word, doubts)),
    )


def _clean(sentences: Iterable[str]) -> tuple[str, ...]:
    return tuple(map(printable, sentences))


def _meaning(report: Report) -> str:
    number = f"{report.probability:.3f}"
    match report.basis:
        case Basis.MEASURED:
            return f"{number} is the probability that this model is poisoned"
        case Basis.TAMPERED:
            return f"{number}, as set for networks that somebody has changed; it was not measured"
        case Basis.UNKNOWN_ARCHITECTURE:
            return f"{number} is the bundle's base rate: this network cannot be measured"
        case Basis.BASE_RATE:
            told = "cannot be judged" if report.prediction else "was not measured"
            return f"{number} is the bundle's base rate: this network {told}"
        case Basis.NEUTRAL:
            return f"{number} stands for no answer"
    assert_never(report.basis)


def _reasons(report: Report, word: Judgement) -> list[str]:
    match word:
        case Judgement.POISONED | Judgement.CLEAN:
            return _pulls(report)
        case Judgement.UNDECIDED:
            errors = [finding.message for finding in report.findings if finding.severity is Severity.ERROR]
            return errors or _unlike(report) or _pulls(report)
        case Judgement.UNKNOWN_ARCHITECTURE:
            return [finding.message for finding in report.findings if finding.code == "unknown_architecture"]
        case Judgement.TAMPERED:
            return [finding.message for finding in report.findings if finding.severity is Severity.TAMPERED]
        case Judgement.REFUSED | Judgement.NOT_MEASURED:
            return [report.error] if report.error is not None else [one.message for one in _gravest_first(report)]
    assert_never(word)


def _pulls(report: Report) -> list[str]:
    """The readings that pulled most."""
    ranked = sorted(report.contributions or (), key=lambda one: -one.weight)
    return [_pull(one) for one in ranked[:_MOST_REASONS]]


def _pull(one: Contribution) -> str:
    amount = one.pull if one.pull is not None else one.contribution
    side = "" if one.pull is None or amount is None else ("raises it: " if amount > 0 else "lowers it: ")
    return f"{side}{one.name}: {told(one.value)} ({among(one)})"


def among(one: Contribution) -> str:
    """Where most known networks have this reading: "clean 0.01-0.04, poisoned 0.03-0.11"."""
    sides = [("clean", one.clean), ("poisoned", one.poisoned)]
    ranges = [f"{side} {_interval(*usual_range(values))}" for side, values in sides if values]
    if ranges:
        return ", ".join(ranges)
    return (
        "the bundle keeps no range" if one.contribution is None else f"adds {one.contribution:+.2f}; no range is kept"
    )


def _interval(low: float, high: float) -> str:
    return f"{told(low)}-{told(high)}" if low >= 0 else f"{told(low)} to {told(high)}"


def usual_range(values: tuple[float, ...]) -> tuple[float, float]:
    """Between these lie eight in ten of the known networks."""
    low, high = np.quantile(values, _USUAL)
    return float(low), float(high)


def told(value: float) -> str:
    """A reading as text."""
    return f"{value:.2f}" if abs(value) < 1000 else f"{value:.3g}"


def _unlike(report: Report) -> list[str]:
    found = [finding for finding in report.findings if finding.code in _UNLIKE]
    return [sentence for finding in found for sentence in _unlike_lines(finding, report)]


def _unlike_lines(finding: Finding, report: Report) -> list[str]:
    outside = finding.evidence.get("features")
    if not isinstance(outside, dict):
        return [finding.message.removeprefix("undecided: ")]
    names = {one.feature: one for one in report.contributions or ()}
    return [_outside(name, bounds, names.get(name)) for name, bounds in outside.items()][:_MOST_REASONS]


def _outside(name: str, bounds: Any, one: Contribution | None) -> str:
    words = one.name if one else name
    where = f" ({among(one)})" if one and (one.clean or one.poisoned) else ""
    side = beyond(bounds, one)
    beside = "" if side is None else f", beyond all of them on the {side} side"
    return f"unlike any network known to the bundle: {words}: {told(bounds['value'])}{where}{beside}"


def beyond(bounds: Any, one: Contribution | None) -> Literal["poisoned", "clean"] | None:
    """On whose side a reading lies that no known network has; None where it is not known where each of them stands.

    `bounds` are `value`, `low` and `high` of the finding; poisoned networks stand where their median is.
    """
    if one is None or not one.clean or not one.poisoned:
        return None
    poisoned_is_up = np.median(one.poisoned) > np.median(one.clean)
    return "poisoned" if (bounds["value"] > bounds["high"]) == poisoned_is_up else "clean"


def _sides(report: Report) -> set[str | None]:
    """Of all readings that no known network has."""
    names = {one.feature: one for one in report.contributions or ()}
    found = [finding.evidence.get("features") for finding in report.findings if finding.code == "beyond_experience"]
    return {beyond(bounds, names.get(name)) for one in found if isinstance(one, dict) for name, bounds in one.items()}


def _gravest_first(report: Report) -> list[Finding]:
    return sorted(
        (one for one in report.findings if one.severity in _GRAVE), key=lambda one: _GRAVE.index(one.severity)
    )


def _doubts(report: Report) -> list[str]:
    """Why the figures of the bundle do not hold for this network."""
    if report.prediction is None or report.mapping is None:
        return []
    found = [finding for finding in report.findings if finding.code in NOT_VALIDATED]
    doubts = [finding.message for finding in sorted(found, key=lambda one: NOT_VALIDATED.index(one.code))]
    learned, own = report.mapping.provenance.architectures, report.model.architecture if report.model else None
    if learned and own is not None and own not in learned:
        doubts.append(f"no {own} was among the networks of the bundle: the answer is not validated for it")
    if report.mapping.held_out is None:
        doubts.append("these learned parameters were never tested on networks that they had not seen")
    return doubts


def _trust(report: Report, doubts: list[str]) -> list[str]:
    if report.prediction is None:
        return ["nothing was measured: the number says nothing about this file"]
    shown = {*NOT_VALIDATED, *_UNLIKE}
    others = [
        one.message for one in _gravest_first(report) if one.code not in shown and one.severity is Severity.WARNING
    ]
    return [*doubts, *_worth(report.mapping), *others]


def _worth(mapping: MappingSummary | None) -> list[str]:
    if mapping is None or mapping.held_out is None:
        return []
    figures: Figures = mapping.held_out
    auc = "" if figures.roc_auc is None else f", ROC-AUC {figures.roc_auc:.2f}"
    return [
        f"bundle {mapping.bundle}: of {figures.num_models} networks that it had not seen {figures.error_rate:.0%} were "
        f"judged wrongly{auc}"
    ]


def _next_steps(report: Report, word: Judgement, doubts: list[str]) -> list[str]:
    like_it = "for a firmer answer learn from networks like it (`configure`), or try another --bundle"
    match word:
        case Judgement.POISONED:
            steps = ["do not use it until somebody has looked into it: ask where it comes from, or train it anew"]
            return [*steps, like_it] if doubts else steps
        case Judgement.CLEAN:
            steps = ["no proof: only triggers like those of the known networks are looked for"]
            return [*steps, like_it] if doubts else steps
        case Judgement.UNDECIDED | Judgement.NOT_MEASURED:
            return _when_undecided(report, like_it)
        case Judgement.UNKNOWN_ARCHITECTURE:
            return ["treat it as untested; `inspect` tells what is in the file"]
        case Judgement.TAMPERED:
            return ["do not use it: compare it with a fresh copy from its source, and ask who has changed it"]
        case Judgement.REFUSED:
            return [_when_refused(report.error or "")]
    assert_never(word)


def _when_refused(error: str) -> str:
    """The warning not to open it elsewhere only where the refusal says that opening it would run something."""
    if DANGER_STEP in error:
        return "if somebody else made it, open it with no other program; ask for a fresh copy, or safetensors"
    if "cannot be opened" in error:
        return "check the path of the model file, and that you may read it"
    return "check the path and the file, or ask for a fresh copy; it may just be damaged, or no model"


def _when_undecided(report: Report, like_it: str) -> list[str]:
    codes = {finding.code for finding in report.findings}
    if report.error is not None:
        return ["do what the error says, and run it again"]
    if codes & {"low_clean_accuracy", "many_wrong_answers"}:
        return ["check that the examples are this network's own: classes in the file names, size, preprocessing"]
    if codes & {"too_few_examples", "too_few_classes"}:
        return ["give more clean examples of this network, ten or more, a few of each class"]
    if "out_of_time" in codes:
        return ["give it more time: --set infer_max_seconds=300"]
    if "nothing_learned" in codes:
        return ["name a --bundle that knows this architecture, or learn one from a round of it (`configure`)"]
    if _sides(report) == {"poisoned"}:
        return [f"treat it as suspect, for it reads as poisoned ones do, and more so than any known one; {like_it}"]
    return [f"treat it as untested; {like_it}"]
