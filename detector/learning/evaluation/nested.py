"""Nested cross-validation of a choice among options, under the true labels and under all permutations at once.

The option that answers for a fold is chosen by models of the other folds, held out in their turn. Takes any `Folds`;
without others for the inside, the same folds serve there, too: a fit without the folds f and g judges g for the choice
in f, and f for that in g, so five folds take 5 + 10 fits, not 5 x 5.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from detector.learning.evaluation.folds import Folds, Indices, Mask
from detector.learning.evaluation.metrics import cross_entropies
from detector.learning.evaluation.rounding import rounded

Array = NDArray[np.float64]
Options = Callable[[Mask], Array]
"""Fitted on the models of a mask (N,): probabilities (options, N, P) of all models, under each of P sets of labels.

It holds the labels itself, and must not look at those of other models.
"""


Choice = Callable[[Array], Indices]
"""Of losses (options, rows, P) of single models the option (P,) that is chosen for each set of labels."""


def nested_probabilities(options: Options, labels: Indices, folds: Folds, inner: Folds | None = None) -> Array:
    """Probabilities (repeats, N, P) of every model by whichever option has the least cross-entropy on other folds.

    `labels` are (N, P). With `inner` folds (its first repeat) the choice is made by these, among the models that are
    not held out; leave-one-group-out outside and stratified folds inside, for instance.

    Raises
    ------
    ValueError
        Two folds only, and none for the inside: nobody would be left to fit on.
    """
    if inner is None:
        return np.array([_nested_in_itself(options, labels, row) for row in folds.numbers])
    return np.array([_nested(options, labels, row, inner.numbers[0], _least) for row in folds.numbers])


def held_out_losses(options: Options, labels: Indices, numbers: Indices, rows: Mask) -> Array:
    """Cross-entropies (options, rows, P) of the models of `rows`, by fits on these without their fold (N,).

    Raises
    ------
    ValueError
        All of these models are in one fold.
    """
    if len(np.unique(numbers[rows])) < 2:
        raise ValueError("expected models of two folds or more to choose by")
    found = []
    for fold in np.unique(numbers[rows]):
        held_out = rows & (numbers == fold)
        found.append((held_out[rows], _losses(options(rows & ~held_out), labels, held_out)))
    losses = np.empty((len(found[0][1]), int(rows.sum()), labels.shape[1]))
    for held_out, part in found:
        losses[:, held_out] = part
    return losses


def nested_by(choice: Choice, options: Options, labels: Indices, folds: Folds) -> Array:
    """Probabilities (repeats, N, P) of every model by whichever option `choice` takes on the other folds.

    The choice sees the loss of every single model, which `nested_probabilities` adds up; the same folds serve inside.
    """
    return np.array([_nested(options, labels, row, row, choice) for row in folds.numbers])


def least_moved(losses: Array) -> Indices:
    """Of losses (options, rows, P), options in the order of how far they move: the first that is no more than one
    standard error worse than the best, model by model (Breiman and others, 1984, section 3.4.3). Few models then move
    nothing; `best_options` would move for luck."""
    best = best_options(losses.mean(axis=1))
    behind = losses - np.take_along_axis(losses, best[None, None], axis=0)
    error = behind.std(axis=1, ddof=1) / np.sqrt(losses.shape[1])
    first: Indices = (rounded(behind.mean(axis=1) - error) <= 0).argmax(axis=0)
    return first


def best_options(losses: Array) -> Indices:
    """The option with the least loss for each set of labels, of losses (options, P); the first of equals."""
    best: Indices = rounded(losses).argmin(axis=0)
    return best


def chosen_answers(answers: Array, chosen: Indices) -> Array:
    """(N, P) of answers (options, N, P), with an option (P,) for each set of labels."""
    found: Array = np.take_along_axis(answers, chosen[None, None], axis=0)[0]
    return found


def _least(losses: Array) -> Indices:
    return best_options(losses.sum(axis=1))


def _nested(options: Options, labels: Indices, outer: Indices, inner: Indices, choice: Choice) -> Array:
    probabilities = np.empty(labels.shape)
    for fold in np.unique(outer):
        held_out = outer == fold
        chosen = choice(held_out_losses(options, labels, inner, ~held_out))
        probabilities[held_out] = chosen_answers(options(~held_out), chosen)[held_out]
    return probabilities


def _nested_in_itself(options: Options, labels: Indices, numbers: Indices) -> Array:
    """Losses are added up as they come: answers of all fits together would not fit the memory."""
    rows = {int(fold): numbers == fold for fold in np.unique(numbers)}
    if len(rows) < 3:
        raise ValueError("expected three folds or more, or other folds for the inside")
    losses = dict.fromkeys(rows, np.zeros(()))
    for pair in combinations(rows, 2):
        answers = options(~(rows[pair[0]] | rows[pair[1]]))
        for fold, other in (pair, pair[::-1]):
            losses[fold] = losses[fold] + _losses(answers, labels, rows[other]).sum(axis=1)
    probabilities = np.empty(labels.shape)
    for fold, held_out in rows.items():
        chosen = best_options(losses[fold])
        probabilities[held_out] = chosen_answers(options(~held_out), chosen)[held_out]
    return probabilities


def _losses(answers: Array, labels: Indices, rows: Mask) -> Array:
    return cross_entropies(answers[:, rows], labels[rows])
