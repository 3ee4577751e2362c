"""All signals of a model at once: from logits and weights to numbers by name.

The one way from what was measured to what mappings are fitted on and applied to, for a detection and for a sweep.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detector.signals.answers import Answers, Array, Labels, Logits
from detector.signals.registry import SIGNALS, Context, ModelSignal, Scope, per_variant, variant_signal


@dataclass(frozen=True)
class SignalReadings:
    """The signals of one model by name.

    Attributes
    ----------
    variants
        For each theta, of each signal of variants a number for each of them, (|S|,).
    numbers
        Of each other signal its numbers (K,), in the order that its entry names them.
    """

    variants: tuple[Mapping[str, Array], ...]
    numbers: Mapping[str, Array]


def read_signals(context: Context, pruned: Sequence[Logits]) -> SignalReadings:
    """All registered signals of one model; those of probes where there are probes.

    `pruned` holds for each theta the logits (|S|, N, C) of its variants for the images of the context.

    Raises
    ------
    ValueError
        If the shapes do not belong together, or a signal does not give as many numbers as it has names.
    """
    names = per_variant()
    readings = [variant_readings(logits, context.unpruned, context.labels, names) for logits in pruned]
    own = [signal for signal in SIGNALS if isinstance(signal, ModelSignal)]
    return SignalReadings(
        variants=tuple(dict(zip(names, one.T, strict=True)) for one in readings),
        numbers={one.name: _numbers(one, context) for one in own if one.scope is not Scope.PROBE or context.probes},
    )


def variant_readings(pruned: Logits, unpruned: Logits, labels: Labels, signals: Sequence[str] | None = None) -> Array:
    """Readings (S, len(signals)) of the variants, by default all signals of variants.

    Parameters
    ----------
    pruned, unpruned
        Logits (S, N, C) of the variants and (N, C) of the unpruned network for the same images, N >= 1.
    labels
        The true classes, (N,).
    signals
        Names. A relative signal is told as the difference to the unpruned network.

    Raises
    ------
    ValueError
        If the shapes do not belong together.
    """
    names = per_variant() if signals is None else signals
    relative = np.array([variant_signal(name).relative for name in names])
    before = unpruned_readings(unpruned, labels, names)
    return _read(pruned, labels, names) - np.where(relative, before, 0.0)


def unpruned_readings(unpruned: Logits, labels: Labels, signals: Sequence[str] | None = None) -> Array:
    """Readings (len(signals),) of the unpruned network, logits (N, C), as they are and relative to nothing."""
    readings: Array = _read(unpruned[None], labels, per_variant() if signals is None else signals)[0]
    return readings


def _read(logits: Logits, labels: Labels, signals: Sequence[str]) -> Array:
    answers = Answers.of(logits, labels)
    return np.stack([variant_signal(name).read(answers) for name in signals], axis=-1)


def _numbers(signal: ModelSignal, context: Context) -> Array:
    numbers = signal.read(context)
    if numbers.shape != (len(signal.numbers),):
        raise ValueError(f"expected {len(signal.numbers)} numbers of {signal.name}, got an array {numbers.shape}")
    return numbers
