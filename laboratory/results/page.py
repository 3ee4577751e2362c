"""The page `docs/results.md`: text made from the numbers, so that it cannot say what they do not.

Whatever is concluded is concluded by a threshold that is named beside it. Figures are rounded, so that the last bits
of linear algebra, which differ between machines, do not show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from detector.learning.evaluation.metrics import Metrics
from detector.learning.evaluation.rounding import rounded
from detector.learning.regressions import Regression, is_useful
from detector.learning.search.candidates import (
    MAX_SECONDS,
    SIGNALS_BESIDE,
    SIGNALS_TOGETHER,
    SIGNALS_UNPRUNED,
    Candidate,
    seconds,
    signals_left_out,
)
from detector.learning.search.logistic import PENALTIES as LOGISTIC_PENALTIES
from detector.learning.search.procedures import LEAK, OBSERVABLE, PAPER, PARTS, PUBLISHED, READINGS, covariate_names
from detector.learning.search.searching import RIDGE_PENALTIES
from detector.pruning.theta import PruningMethod, Theta
from detector.signals.features import Reduction
from detector.signals.registry import SIGNALS
from laboratory.results.analysis import Results
from laboratory.results.controls import InSample
from laboratory.results.unseen import Unseen

PLOTS = "figures"  # the folder beside the page

_TARGET_AUC, _TARGET_CROSS_ENTROPY, _TARGET_P, _TARGET_UNSEEN = 0.90, 0.45, 0.01, 0.75
_SHOWN = 15  # of the candidates that were tried
_RISING = 0.02  # of the ROC-AUC over the last step of the learning curve


def page(results: Results, round_name: str, fresh_name: str, unseen_name: str) -> str:
    """The whole page, in Markdown; the names are those of the rounds."""
    sections = [
        "# Results\n\nWritten by `make results` from the measurements in `measurements/`; not to be edited.",
        _summary(results, round_name, fresh_name, unseen_name),
        _models(results, round_name),
        _held_out(results),
        _by_architecture(results),
        _in_sample(results),
        _leak(results),
        _by_sources(results),
        _other_starts(results),
        _never_fitted_on(results, fresh_name, unseen_name),
        _learning(results),
        _time(results),
        _bundle(results),
        _tried(results),
    ]
    return "\n\n".join(sections) + "\n"


def _summary(results: Results, round_name: str, fresh_name: str, unseen_name: str) -> str:
    found, fresh, unseen = results.metrics(PUBLISHED), results.fresh, results.unseen
    assert found.chance is not None  # every row of an analysis is permuted
    where = f"`{round_name}`, held out"
    rows = _target_rows(found, found.chance.p_roc_auc, where)
    if fresh:
        rows += _target_rows(fresh.metrics, fresh.p_value, f"`{fresh_name}`, never fitted on")
    reached = _auc(unseen.metrics) if unseen else "not measured"
    met = unseen is not None and unseen.metrics.roc_auc >= _TARGET_UNSEEN
    rows.append((f"`{unseen_name}`, never fitted on: ROC-AUC", "at least 0.75", reached, met))
    table = _table(("figure", "target", "found", "met"), [(*row[:3], "yes" if row[3] else "**no**") for row in rows])
    missed = [row[0] for row in rows if not row[3]]
    verdict = f"Not met: {'; '.join(missed)}." if missed else "All targets are met."
    verdict += " An estimate meets a target; where its interval reaches beyond, that is not sure."
    return (
        f"## In short\n\nThe default bundle's procedure on the round `{round_name}` ({found.num_models} models, "
        f"{found.num_poisoned} poisoned), and the bundle on rounds that it was not fitted on, with 95 % intervals:\n\n"
        f"{table}\n\n{verdict} {_worth(found)}{_designed(results, round_name, fresh_name)}\n\n{_parts(results)}"
    )


def _parts(results: Results) -> str:
    """What the parts of the published procedure tell alone, and what provoking the network adds to not touching it."""
    known = {row.procedure for row in results.rows}
    rows = [
        (str(part[0]), _auc(results.metrics(part)), _loss(results.metrics(part))) for part in PARTS if part in known
    ]
    gap = results.beyond_unpruned
    adds = "adds" if gap.interval[0] > 0 else "does not surely add"
    methods = sorted({theta.pruning_method for theta in results.learned[0].selected.candidate.thetas})
    return (
        "What its parts tell alone, held out by the same regression:\n\n"
        + _table(("fitted on", "ROC-AUC", "CE"), rows)
        + f"\n\nWhat is measured of variants {adds} to what the unpruned network answers: {gap.value:+.3f} in ROC-AUC "
        f"({gap.interval[0]:+.3f} to {gap.interval[1]:+.3f}). The thetas that the default bundle measures are of "
        f"{', '.join(methods)}."
    )


def _target_rows(found: Metrics, p: float, where: str) -> list[tuple[str, str, str, bool]]:
    """The ROC-AUC, the cross-entropy and the permutation test, each with its target and whether it is met."""
    return [
        (f"{where}: ROC-AUC", "at least 0.90", _auc(found), found.roc_auc >= _TARGET_AUC),
        (f"{where}: cross-entropy", "at most 0.45", _loss(found), found.cross_entropy <= _TARGET_CROSS_ENTROPY),
        (f"{where}: permutation test of the ROC-AUC", "p < 0.01", f"p = {p:.4f}", p < _TARGET_P),
    ]


def _designed(results: Results, round_name: str, fresh_name: str) -> str:
    if not results.fresh:
        return ""
    return (
        " The procedure (how many thetas, variants and images, which signals, which mapping) was designed with the "
        f"models of `{round_name}` at hand, so their figures flatter, held out as they are; not with those of "
        f"`{fresh_name}`. [measurements/README.md](../measurements/README.md) says how and when each round was made."
    )


def _worth(found: Metrics) -> str:
    base = found.base_rate_cross_entropy
    gain = base - found.cross_entropy
    sure = "more than" if gain > found.half_width else "no more than"
    return (
        f"The base rate alone has a cross-entropy of {base:.3f}; the method gains {gain:.3f}, {sure} the half width of "
        f"its interval ({found.half_width:.3f})."
    )


def _models(results: Results, round_name: str) -> str:
    rows = [
        (one.architecture, str(len(one.names)), str(int(one.poisoned.sum())), str(len(one.thetas)))
        for one in results.readings
    ]
    table = _table(("architecture", "models", "poisoned", "thetas"), rows)
    out = (
        f"\n\nLeft out, with too few models to cross-validate: {', '.join(results.left_out)}."
        if results.left_out
        else ""
    )
    effort = results.effort
    return (
        f"## What was measured and tried\n\nThe round `{round_name}`, made by `laboratory.roundgen`:\n\n"
        f"{table}{out}\n\n"
        f"theta: {_methods(results)}. {_slow(results)}\n\n"
        f"Signals: {', '.join(_measured_signals(results))}. {_signals_left_out(results)}"
        "Of each theta alone: each of the variants' signals, all of them, "
        f"either beside the classifier's weights, and these alone; "
        f"{', '.join(f'`{one}`' for one in Reduction)} of the variants. Of as many thetas together as fit the time "
        f"(all that share the usual |D|; those of pruning; those of each other "
        f"method): the means of {'; '.join(' and '.join(one) for one in SIGNALS_TOGETHER)}; and of all of the "
        "variants' signals. Beside what the unpruned network answers, of one theta and of several: "
        f"{'; '.join(' and '.join(one) for one in SIGNALS_BESIDE)}; and {' and '.join(SIGNALS_UNPRUNED)} alone.\n\n"
        "Mappings: least squares on the accuracies as in the paper, clipped; ridge regression (penalty per model "
        f"{', '.join(map(str, RIDGE_PENALTIES))}), its score calibrated by a logistic regression of one variable: "
        "where that gains less than a parameter costs (Schwarz), the base rate is the answer; and L2 logistic "
        f"regression (penalty per model {', '.join(map(str, LOGISTIC_PENALTIES))}; the last leaves the base rate). "
        "Features are standardised within each architecture, by at least 0.02 of their unit. The default bundle's "
        "procedure is the last of these mappings, pooled, on the best of the sets of several thetas beside what the "
        "unpruned network answers.\n\n"
        "Everything that learns from labels happens inside the fold: the search (of single thetas in the paper's two "
        "stages), signals, reduction, penalty, calibration, and the choice of scope. Nested cross-validation of 5 "
        f"folds, repeated {effort.repeats} times; {effort.permutations} permutations, each through all of it. Folds "
        "hold pairs of a clean and a poisoned model, and permutations swap labels inside pairs, so every fold stays "
        "balanced."
    )


def _measured_signals(results: Results) -> list[str]:
    left_out = signals_left_out(results.readings)
    return [name for name in SIGNALS.names() if name in results.readings[0].versions and name not in left_out]


def _signals_left_out(results: Results) -> str:
    reasons = signals_left_out(results.readings).values()
    return f"Left out of the search: {'; '.join(reasons)}. " if reasons else ""


def _methods(results: Results) -> str:
    thetas = {theta for candidate in results.searches[0].candidates for theta in candidate.thetas}
    counts = [(sum(theta.pruning_method == method for theta in thetas), method) for method in PruningMethod]
    return ", ".join(f"{count} {method}" for count, method in counts if count)


def _slow(results: Results) -> str:
    if not results.too_slow:
        return f"All of them take at most T_max = {MAX_SECONDS:.0f} s in the median (L_exec <= 1)."
    names = "; ".join(map(theta_text, results.too_slow))
    return f"Left out, as they take more than T_max = {MAX_SECONDS:.0f} s in the median (L_exec > 1): {names}."


def _held_out(results: Results) -> str:
    rows = [
        (*map(str, row.procedure), *_metric_columns(row.metrics)) for row in results.rows if row.architecture is None
    ]
    return (
        "## Held out\n\nAll models together. In brackets 95 % intervals; the last columns are the mean under permuted "
        "labels and the share of permutations that do as well, the true labels counted in. FP and FN are shares of all "
        "models, off by 0.5 or more: by NIST's formula an answer of just 0.5, a base rate, is wrong either way.\n\n"
        + _table(("searched", "fitted", *_HEADER), rows)
    )


def _by_architecture(results: Results) -> str:
    rows = [
        (one.architecture, name, *_metric_columns(results.metrics(procedure, one.architecture)))
        for one in results.readings
        for name, procedure in (("the default bundle's", PUBLISHED), ("the paper's", PAPER))
    ]
    return (
        "## By architecture\n\n" + _table(("architecture", "procedure", *_HEADER), rows) + "\n\n"
        f"![Error and cross-entropy]({PLOTS}/architectures.svg)\n\n![FP and FN]({PLOTS}/false_answers.svg)\n\n"
        f"![Accuracies of pruned models]({PLOTS}/accuracies.svg)"
    )


def _in_sample(results: Results) -> str:
    table = _table(
        ("architecture", "in-sample error", "in-sample CE", "of noise: error", "CE", "held-out error", "CE"),
        [_in_sample_row(results, one) for one in results.in_sample],
    )
    return (
        "## The paper's figure\n\nThe paper fits least squares on the accuracies, scores on the same models, and takes "
        "the best of all configurations. So computed, on our data, on random numbers of the same shape in place of the "
        f"accuracies (mean of 20 draws), and held out:\n\n{table}\n\n{_flattery(results)}"
    )


def _in_sample_row(results: Results, one: InSample) -> tuple[str, ...]:
    held_out = results.metrics(PAPER, one.architecture)
    return (
        one.architecture,
        f"{one.best.error_rate:.1%} ({one.best.false_positives:.1%} + {one.best.false_negatives:.1%})",
        f"{one.cross_entropy:.3f}",
        f"{one.noise_error:.1%}",
        f"{one.noise_cross_entropy:.3f}",
        f"{held_out.error_rate:.1%}",
        f"{held_out.cross_entropy:.3f}",
    )


def _flattery(results: Results) -> str:
    inside = np.mean([one.best.error_rate for one in results.in_sample])
    noise = np.mean([one.noise_error for one in results.in_sample])
    outside = results.metrics(PAPER).error_rate
    return (
        f"On average the in-sample error is {inside:.1%}, that of noise {noise:.1%}, the held-out one {outside:.1%}. "
        f"In-sample figures flatter by {outside - inside:.1%}, and noise is "
        + ("no worse than" if noise <= inside else f"worse by {noise - inside:.1%} than")
        + " what was measured."
    )


def _leak(results: Results) -> str:
    found, gap = results.metrics(LEAK), results.beyond_leak
    chance = found.chance
    assert chance is not None
    names = ", ".join(covariate_names(results.readings))
    leaks = chance.p_roc_auc < _TARGET_P or found.auc_interval[0] > 0.5
    verdict = "Labels can be told" if leaks else "Within chance: labels cannot be told"
    beats = "beats" if gap.interval[0] > 0 else "does not surely beat"
    return (
        f"## Does the round leak?\n\nThe same procedure on what no pruning has touched ({names}): ROC-AUC "
        f"{_auc(found)}, p = {chance.p_roc_auc:.3f}, cross-entropy {_loss(found)}. {verdict} from these numbers "
        "(p < 0.01, or an interval above 0.5, would say that they can). The default bundle's procedure "
        f"{beats} that, by {gap.value:+.3f} in ROC-AUC ({gap.interval[0]:+.3f} to {gap.interval[1]:+.3f}, "
        f"models resampled in pairs). {_observable(results)}"
    )


def _observable(results: Results) -> str:
    found, readings = results.metrics(OBSERVABLE), results.metrics(READINGS)
    chance = found.chance
    assert chance is not None and readings.chance is not None
    return (
        "Without the training log, which no detector is given (its accuracy counts triggered images too), the rest of "
        f"these numbers has a ROC-AUC of {_auc(found)}, p = {chance.p_roc_auc:.3f}. All readings of the unpruned "
        "network's answers together, margin, entropy and number of classes among them, which the default bundle may "
        f"use: {_auc(readings)}, p = {readings.chance.p_roc_auc:.3f}."
    )


def _by_sources(results: Results) -> str:
    title = "## Which triggers are found\n\n"
    if not results.by_sources:
        return f"{title}On which classes the triggers work is not known."
    rows = [
        (one.sources, str(one.metrics.num_poisoned), _auc(one.metrics), _loss(one.metrics))
        for one in results.by_sources
    ]
    table = _table(("the trigger works on", "poisoned models", "ROC-AUC", "CE"), rows)
    best = max(results.by_sources, key=lambda one: rounded(one.metrics.roc_auc))
    worst = min(results.by_sources, key=lambda one: rounded(one.metrics.roc_auc))
    return (
        f"{title}The held-out answers of the default bundle's procedure for all clean models and a part of the "
        f"poisoned ones:\n\n{table}\n\nFound best are triggers that work on {best.sources}, worst those that work on "
        f"{worst.sources}."
    )


def _other_starts(results: Results) -> str:
    title = "## Networks that no fitted model started from\n\n"
    if results.other_starts is None:
        return f"{title}Training began at nothing, or that is not known."
    found = results.other_starts
    aucs = ", ".join(f"{auc:.3f}" for auc in found.aucs.values())
    return (
        f"{title}The models of each architecture start from one of {len(found.aucs)} networks that know signs already, "
        "clean and poisoned ones alike. Fitted on the models of all starts but one, the others "
        f"have a ROC-AUC of {aucs}, {np.mean(list(found.aucs.values())):.3f} in the mean (p = {found.p_value:.3f})."
    )


def _never_fitted_on(results: Results, fresh_name: str, unseen_name: str) -> str:
    rounds = (
        (fresh_name, "of the same kind", results.fresh, _TARGET_AUC),
        (unseen_name, "a family of triggers that was never fitted on", results.unseen, _TARGET_UNSEEN),
    )
    parts = [*(_never_fitted(*one) for one in rounds), _alone(results, unseen_name)]
    return "## Rounds that were never fitted on\n\n" + "\n\n".join(filter(None, parts))


def _never_fitted(name: str, kind: str, judged: Unseen | None, target: float) -> str:
    if judged is None:
        return f"There are no measurements of `{name}` yet."
    found = judged.metrics
    met = "met" if found.roc_auc >= target else "not met"
    return (
        f"The default bundle on `{name}` ({found.num_models} models, {found.num_poisoned} of them poisoned; {kind}): "
        f"ROC-AUC {_auc(found)}, p = {judged.p_value:.4f} (labels shuffled within architectures), cross-entropy "
        f"{_loss(found)}, Brier score {found.brier:.3f}, FP {found.false_positives:.1%}, FN "
        f"{found.false_negatives:.1%}. The target of {target:.2f} is {met}.\n\n"
        + _table(("architecture", "models", "CE", "ROC-AUC", "FP", "FN"), [_unseen_row(*one) for one in judged.own])
    )


def _unseen_row(architecture: str, own: Metrics) -> tuple[str, ...]:
    shares = f"{own.false_positives:.1%}", f"{own.false_negatives:.1%}"
    return architecture, str(own.num_models), _loss(own), _auc(own), *shares


def _alone(results: Results, unseen_name: str) -> str:
    found = results.unseen_alone
    if found is None or found.chance is None:
        return ""
    verdict = (
        "models of that family to fit on would help"
        if found.roc_auc >= _TARGET_UNSEEN
        else "it is not seen that models of that family to fit on would suffice"
    )
    return (
        f"Searched and fitted on the models of `{unseen_name}` themselves, and held out, the same procedure has a "
        f"ROC-AUC of {_auc(found)}, p = {found.chance.p_roc_auc:.3f}: {verdict} (threshold {_TARGET_UNSEEN:.2f})."
    )


def _learning(results: Results) -> str:
    rows = [
        (str(point.models), f"{point.aucs.mean():.3f}", f"{point.aucs.min():.3f}-{point.aucs.max():.3f}")
        for point in results.curve
    ]
    table = _table(("models of each architecture", "ROC-AUC of the others", "range of the draws"), rows)
    last = results.curve[-1].aucs
    before = results.curve[-2 if len(rows) > 1 else -1].aucs
    rise, error = float(last.mean() - before.mean()), float(np.hypot(last.std(), before.std()) / np.sqrt(len(last)))
    verdict = "more models would help" if rise > max(_RISING, 2 * error) else "it is not seen that more would help"
    return (
        f"## Learning curve\n\nThe default bundle's procedure on part of the models, {results.effort.draws} "
        f"draws each:\n\n{table}\n\nThe last step changes the ROC-AUC by {rise:+.3f} (standard error "
        f"{error:.3f}): {verdict} (threshold {_RISING} and two standard errors).\n\n"
        f"![Learning curve]({PLOTS}/learning_curve.svg)"
    )


def _time(results: Results) -> str:
    rows = []
    for one in results.timings:
        for name, line, other in (
            ("\\|S\\|", one.against_models, "\\|D\\|"),
            ("\\|D\\|", one.against_images, "\\|S\\|"),
        ):
            fit = "one size only" if line.slope is None else f"{line.intercept:.2f} + {line.slope:.3f} {name}"
            sizes = ", ".join(map(str, line.sizes))
            rows.append((one.architecture, name, f"{other} = {line.fixed}", sizes, fit))
    table = _table(("architecture", "against", "at", "sizes", "T in seconds"), rows)
    return f"## Time\n\nMedian seconds of a measurement and straight lines:\n\n{table}\n\n![Time]({PLOTS}/time.svg)"


def _bundle(results: Results) -> str:
    rows = [_bundle_row(results, one) for one in results.learned]
    table = _table(("architecture", "signals", "reduction", "theta", "T (s)"), rows)
    useless = [one.readings.architecture for one in results.learned if not _is_useful(results, one)]
    note = f"\n\nNothing beats the base rate for {', '.join(useless)}: it is the answer there." if useless else ""
    return f"## The default bundle\n\n{table}{note}"


def _is_useful(results: Results, one: Regression) -> bool:
    return is_useful(one, results.metrics(PUBLISHED, one.readings.architecture))


def _bundle_row(results: Results, one: Regression) -> tuple[str, ...]:
    candidate = one.selected.candidate
    time = sum(seconds(one.readings, theta) for theta in candidate.thetas)
    if not _is_useful(results, one):
        return one.readings.architecture, "base rate", "", "", ""
    signals, thetas = ", ".join(candidate.signals), thetas_text(candidate.thetas)
    return one.readings.architecture, signals, candidate.reduction, thetas, f"{time:.1f}"


def _tried(results: Results) -> str:
    pooled = results.searches[0]
    order = np.argsort(rounded(pooled.losses, 6), kind="stable")[:_SHOWN]
    rows = [(*_candidate_text(pooled.candidates[number]), f"{pooled.losses[number]:.4f}") for number in order]
    return (
        f"## Everything that was tried\n\n[tried.csv](tried.csv) lists all {len(pooled.candidates)} candidates with "
        "the squared leave-one-out error of ridge regression at the best penalty, pooled and by architecture, and the "
        "cross-entropy of those that L2 logistic regression chose among. Chosen among as they are, these are in-sample "
        "figures; the base rate alone has about 0.25, or 0.69. The first of the pooled ridge regression:\n\n"
        + _table(("theta", "signals", "reduction", "loss"), rows)
    )


def tried_table(results: Results) -> str:
    """A CSV file of all candidates with their inner scores, pooled and by architecture."""
    logistic = results.learned[0].selected
    names = ("pooled", *(one.architecture for one in results.readings), "pooled, L2 logistic")
    losses = [dict(zip(one.candidates, one.losses, strict=True)) for one in results.searches]
    losses.append(dict(zip(logistic.candidates, logistic.tried, strict=True)))
    rows = [["theta", "signals", "reduction", *names]]
    for candidate in dict.fromkeys(candidate for one in losses for candidate in one):
        found = [f"{one[candidate]:.4f}" if candidate in one else "" for one in losses]
        rows.append([*_candidate_text(candidate), *found])
    return "".join(";".join(row) + "\n" for row in rows)


def _candidate_text(candidate: Candidate) -> tuple[str, str, str]:
    thetas = thetas_text(candidate.thetas) if candidate.pruned else "none"
    return thetas, " + ".join(candidate.signals), candidate.reduction if candidate.pruned else "none"


def thetas_text(thetas: Sequence[Theta]) -> str:
    """The points of a candidate: the only one, or how many of which methods are measured together."""
    if len(thetas) == 1:
        return theta_text(thetas[0])
    methods = " + ".join(f"{count} {method}" for method, count in Counter(one.pruning_method for one in thetas).items())
    return f"{methods} S={thetas[0].num_pruned_models} D={thetas[0].num_images} together"


def theta_text(theta: Theta) -> str:
    """One point of the search space in a few words."""
    extras: dict[str, str] = {
        PruningMethod.TRIM: f" k={theta.trim_k:g}",
        PruningMethod.AMPLIFY: f" x{theta.gain:g}",
        PruningMethod.STIMULATE: f" +{theta.gain:g}",
    }
    method = f"{theta.pruning_method}{extras.get(theta.pruning_method, '')}"
    size = f"S={theta.num_pruned_models} D={theta.num_images}"
    return f"{method} {theta.sampling_method} {theta.ranking_method} p={theta.p:g} {theta.layers} {size}"


_HEADER = ("CE", "Brier", "ROC-AUC", "accuracy", "FP", "FN", "permuted CE", "p", "permuted AUC", "p")


def _metric_columns(found: Metrics) -> tuple[str, ...]:
    chance = found.chance
    assert chance is not None
    return (
        _loss(found),
        f"{found.brier:.3f}",
        _auc(found),
        f"{1 - found.error_rate:.1%}",
        f"{found.false_positives:.1%}",
        f"{found.false_negatives:.1%}",
        f"{chance.cross_entropy:.3f}",
        f"{chance.p_cross_entropy:.3f}",
        f"{chance.roc_auc:.3f}",
        f"{chance.p_roc_auc:.3f}",
    )


def _auc(found: Metrics) -> str:
    return f"{found.roc_auc:.3f} ({found.auc_interval[0]:.3f}-{found.auc_interval[1]:.3f})"


def _loss(found: Metrics) -> str:
    return f"{found.cross_entropy:.3f} (+-{found.half_width:.3f})"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
