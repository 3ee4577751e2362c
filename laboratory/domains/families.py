"""What each family of readings tells alone, on the same networks and by the same left-out domains as the bundle.

The paper's way stands as it is: the accuracies of the variants under Reset, and least squares. Every other family gets
all numbers of its signals, standardised, and an L2 logistic regression whose penalty is chosen inside the fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from detector.graph.reference import reference_graph
from detector.learning.evaluation.metrics import cross_entropies, roc_auc
from detector.learning.evaluation.rounding import rounded
from detector.learning.regression.logistic import fit_logistic, logistic, with_constant
from detector.learning.regression.ridge import least_squares
from detector.mapping.configuration import Clip
from detector.pruning.theta import PruningMethod
from detector.signals.features import Reduction, feature_vector, make_features
from detector.signals.reading import variant_readings
from detector.signals.registry import Context, Scope, model_signal, per_model, per_variant
from laboratory.domains.answers import ModelAnswers
from laboratory.domains.evaluation import CLIP, folds_of, left_out
from laboratory.domains.readings import Domains

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]
Learn = Callable[[Array, Labels, Array], Array]
"""From features (M, F) and labels (M,) of some models, and features (N, F) of others, probabilities (N,) of these."""

_PENALTIES = (1.0, 0.3, 0.1, 0.03)


@dataclass(frozen=True)
class Family:
    """A family of readings: what is read of one model, (F,) or (0,) where it was not measured, and how it is learned
    from; `note` tells both."""

    name: str
    note: str
    read: Callable[[ModelAnswers], Array]
    learn: Learn


@dataclass(frozen=True)
class Told:
    """Held-out figures of a family: nested cross-validation of all models, and mean and worst of left-out domains."""

    family: Family
    models: int
    roc_auc: float
    cross_entropy: float
    mean_domain: float
    worst_domain: float


def families() -> tuple[Family, ...]:
    """All of them, the paper's first."""
    signals, logit = "all signals of variants, logistic", _logistic
    return (
        Family("the paper's", "accuracies under Reset, least squares", _accuracies, _squares),
        Family("pruning", f"Reset: {signals}", partial(_variants, methods=(PruningMethod.RESET,)), logit),
        Family("amplification", f"Amplify: {signals}", partial(_variants, methods=(PruningMethod.AMPLIFY,)), logit),
        Family("stimulation", f"Stimulate: {signals}", partial(_variants, methods=(PruningMethod.STIMULATE,)), logit),
        Family("unpruned", "answers of the network as it is, logistic", _unpruned, logit),
        Family("weights", "last layer, logistic", _weights, logit),
        Family("probing", "all signals of probes, logistic", _probing, logit),
    )


def tell(family: Family, answers: Sequence[ModelAnswers], domains: Domains) -> Told | None:
    """Of the models that the family was measured of, or None where that is none; `domains` are of the same models, in
    the same order."""
    found = [family.read(one) for one in answers]
    rows = np.array([row for row, one in enumerate(found) if len(one)], dtype=np.int64)
    if not len(rows):
        return None
    features, part = np.array([found[row] for row in rows]), domains.part(rows)
    nested = _nested(family.learn, features, part.labels)
    aucs = [_auc_without(family.learn, features, part.labels, out) for _, _, out in left_out(part)]
    losses = cross_entropies(nested, part.labels)
    return Told(family, len(rows), roc_auc(nested, part.labels), float(losses.mean()), float(np.mean(aucs)), min(aucs))


def _nested(learn: Learn, features: Array, labels: Labels) -> Array:
    said = np.empty(len(labels))
    for inside, outside in folds_of(labels).splits():
        said[outside] = learn(features[inside], labels[inside], features[outside])
    return said


def _auc_without(learn: Learn, features: Array, labels: Labels, out: Mask) -> float:
    """Of the models that are left `out`, by a fit of the others."""
    return roc_auc(learn(features[~out], labels[~out], features[out]), labels[out])


def _squares(features: Array, labels: Labels, others: Array) -> Array:
    return least_squares(features, labels).probabilities(others, Clip(*CLIP))


def _logistic(features: Array, labels: Labels, others: Array) -> Array:
    """The penalty has the least cross-entropy on folds of the models that are learned from."""
    losses = np.zeros(len(_PENALTIES))
    for inside, outside in folds_of(labels).splits():
        said = (_answered(features[inside], labels[inside], features[outside], penalty) for penalty in _PENALTIES)
        losses += [cross_entropies(one, labels[outside]).sum() for one in said]
    return _answered(features, labels, others, _PENALTIES[int(np.argmin(rounded(losses)))])


def _answered(features: Array, labels: Labels, others: Array, penalty: float) -> Array:
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    scaled = [with_constant((one - mean) / np.where(deviation > 0, deviation, 1.0)) for one in (features, others)]
    coefficients = fit_logistic(scaled[0], labels[:, None], penalty)
    answers: Array = np.clip(logistic(scaled[1] @ coefficients)[:, 0], *CLIP)
    return answers


def _accuracies(answers: ModelAnswers) -> Array:
    labels = answers.labels[answers.rows]
    found = [(one.argmax(axis=2) == labels).mean(axis=1) for one in _measured(answers, (PruningMethod.RESET,))]
    return np.concatenate([*found, np.empty(0)])


def _variants(answers: ModelAnswers, methods: Sequence[str]) -> Array:
    """Mean, deviation, smallest and largest over the variants of every signal, theta by theta."""
    labels, unpruned = answers.labels[answers.rows], answers.unpruned[answers.rows]
    measured, names = _measured(answers, methods), per_variant()
    if not measured:
        return np.empty(0)
    readings = [dict(zip(names, variant_readings(one, unpruned, labels).T, strict=True)) for one in measured]
    return feature_vector(make_features(names, Reduction.SUMMARY, [len(one) for one in measured]), readings, {})


def _measured(answers: ModelAnswers, methods: Sequence[str]) -> list[NDArray[np.float32]]:
    """The logits of the variants of these methods, theta by theta."""
    pairs = zip(answers.thetas, answers.variants, strict=True)
    return [logits for theta, logits in pairs if theta.pruning_method in methods]


def _unpruned(answers: ModelAnswers) -> Array:
    return _numbers(answers, [name for name in _of_scope(Scope.NETWORK) if name != _WEIGHTS])


def _probing(answers: ModelAnswers) -> Array:
    return _numbers(answers, _of_scope(Scope.PROBE))


def _weights(answers: ModelAnswers) -> Array:
    return np.array(answers.weights, dtype=np.float64)


_WEIGHTS = "classifier_weights"


def _of_scope(scope: Scope) -> list[str]:
    return [name for name in per_model() if model_signal(name).scope is scope]


def _numbers(answers: ModelAnswers, names: Sequence[str]) -> Array:
    graph = reference_graph(answers.architecture)
    context = Context(answers.unpruned, answers.labels, graph, {}, answers.probes, answers.probed)
    return np.concatenate([model_signal(name).read(context) for name in names])
