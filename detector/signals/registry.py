"""The registry of signals: what is read off the logits of a network, of its variants, under probes, or off its weights.

A signal is a file in this folder that ends with an entry, and one import in `detector/signals/__init__.py`. All that
lists signals (readings, schemas, the report) asks this registry. A signal's function returns finite numbers whatever
the logits hold. Another version of a signal is another signal: whoever changes what it computes, or its numbers,
counts it up, and what was stored or learned with the old version is no longer taken for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.base.registry import Registry
from detector.graph.ir import Graph
from detector.probing.probe import Probe
from detector.signals.answers import Answers, Labels, Logits

Array = NDArray[np.float64]


class Scope(StrEnum):
    """What a signal is read off."""

    VARIANT = "variant"  # each pruned variant: one number a variant
    PROBE = "probe"  # the network as it is, on images that were changed by probes
    NETWORK = "network"  # the network as it is: its answers to the images, or its weights


@dataclass(frozen=True)
class Context:
    """All that is known of one network when its signals are read.

    Attributes
    ----------
    unpruned
        Logits (N, C) of the network as it is, N >= 1; they may hold anything.
    labels
        The true classes of the images, (N,).
    graph, arrays
        The reference graph of its architecture, and the arrays of its state dict by name; weights may be anything.
    probes, probed
        The K probes that were applied to the images, and the logits (K, N, C) for what became of them; K may be 0.
    """

    unpruned: Logits
    labels: Labels
    graph: Graph
    arrays: Mapping[str, NDArray[Any]]
    probes: tuple[Probe, ...] = ()
    probed: Logits | None = None


@dataclass(frozen=True)
class VariantSignal:
    """A number for each pruned variant.

    Attributes
    ----------
    name, version
        As readings and bundles keep them.
    read
        From the Answers of S variants (S,) numbers.
    relative
        Whether it is told as the difference to the unpruned network.
    description
        What the number is, in a few words.
    """

    name: str
    version: int
    read: Callable[[Answers], Array]
    relative: bool = True
    description: str = ""

    @property
    def scope(self) -> Scope:
        """What it is read off."""
        return Scope.VARIANT


@dataclass(frozen=True)
class ModelSignal:
    """Numbers of the network itself, read off it as it is (scope NETWORK) or off its answers under probes (PROBE).

    Attributes
    ----------
    name, version
        As readings and bundles keep them.
    scope
        NETWORK or PROBE; a signal of scope PROBE is read only where there are probes.
    numbers
        Names of the K numbers, in order.
    read
        From the Context (K,) numbers.
    description
        What they are of, in a few words.
    """

    name: str
    version: int
    scope: Scope
    numbers: tuple[str, ...]
    read: Callable[[Context], Array]
    description: str = ""

    def __post_init__(self) -> None:
        if self.scope is Scope.VARIANT or not self.numbers or len(set(self.numbers)) < len(self.numbers):
            raise ValueError(f"expected a scope of the network's own and names, each once, of the signal {self.name!r}")


Signal = VariantSignal | ModelSignal

SIGNALS: Registry[Signal] = Registry("signal")


def per_variant() -> tuple[str, ...]:
    """Names of the signals with a number for each variant, in the order of the registry."""
    return tuple(signal.name for signal in SIGNALS if isinstance(signal, VariantSignal))


def per_model() -> tuple[str, ...]:
    """Names of the others."""
    return tuple(signal.name for signal in SIGNALS if isinstance(signal, ModelSignal))


def without_probes() -> tuple[str, ...]:
    """Names of the signals that are read where no images are probed."""
    return tuple(signal.name for signal in SIGNALS if signal.scope is not Scope.PROBE)


def is_per_variant(name: str) -> bool:
    """Whether the signal has a number for each variant; UnknownEntryError if there is no such signal."""
    return isinstance(SIGNALS[name], VariantSignal)


def variant_signal(name: str) -> VariantSignal:
    """The entry; ValueError if it is none of a variant's."""
    signal = SIGNALS[name]
    if not isinstance(signal, VariantSignal):
        raise ValueError(f"expected a signal of variants, got {name!r}")
    return signal


def model_signal(name: str) -> ModelSignal:
    """The entry; ValueError if it is a variant's."""
    signal = SIGNALS[name]
    if not isinstance(signal, ModelSignal):
        raise ValueError(f"expected a signal of the network itself, got {name!r}")
    return signal
