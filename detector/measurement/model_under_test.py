"""A model that has been parsed and checked, ready to answer: unpruned, as variants, and under probes.

The one way from records to logits, for a detection and for a sweep. The weights are those of the file and may be
anything; the graph is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.base.background import Ahead
from detector.base.budget import Budget
from detector.examples.images import Examples
from detector.graph.ir import Graph
from detector.graph.reference import reference_graph
from detector.measurement.measure import Engine, Measurer
from detector.measurement.probes import probed_images
from detector.model_file.records import ModelRecord
from detector.probing.probe import Probe
from detector.pruning.theta import Theta
from detector.pruning.variant import Variant
from detector.pruning.variants import Rankings, make_variants
from detector.rounds.preprocessing import Preprocessing

Array = NDArray[np.float32]
MakeEngine = Callable[[Graph, Mapping[str, NDArray[Any]]], Engine]


@dataclass(frozen=True)
class MeasuredLogits:
    """What one model answers to the same images.

    Attributes
    ----------
    unpruned, pruned, probed
        (N, C) as it is; (S, N, C) of the variants, theta by theta; (K, N, C) as it is, under the probes.
    labels, names
        The true classes (N,), and the file names of the images.
    labelled
        Whether the classes are true ones; else they are the network's own answers, as it is.
    """

    unpruned: Array
    pruned: Array
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    probed: Array | None = None
    labelled: bool = True


class ModelUnderTest:
    """One model, and what it has said as it is.

    Parameters
    ----------
    architecture
        The name of the reference architecture that it was found to be.
    measurer
        Of an engine for the very arrays of the record.
    preprocessing
        How the examples were made input of the network, and what becomes of them under probes is.
    """

    def __init__(
        self, record: ModelRecord, architecture: str, measurer: Measurer, preprocessing: Preprocessing
    ) -> None:
        self.record = record
        self.architecture = architecture
        self.graph = reference_graph(architecture)
        self.measurer = measurer
        self._preprocessing = preprocessing
        self._rankings: Rankings = {}
        self._answered: tuple[Array, Examples] | None = None

    @classmethod
    def packed(
        cls,
        record: ModelRecord,
        architecture: str,
        preprocessing: Preprocessing,
        make_engine: MakeEngine,
        budget: Budget,
        workers: int,
    ) -> ModelUnderTest:
        """With an engine of its own, which `workers` threads run as long as the budget lasts."""
        engine = make_engine(reference_graph(architecture), record.tensors)
        return cls(record, architecture, Measurer(engine, budget, workers=workers), preprocessing)

    def under(self, preprocessing: Preprocessing) -> ModelUnderTest:
        """The same network, with its images made ready otherwise: it has said nothing yet."""
        return ModelUnderTest(self.record, self.architecture, self.measurer, preprocessing)

    @property
    def answered(self) -> tuple[Array, Examples] | None:
        """The latest logits (N, C) of the network as it is, and what they answer; None before there are any."""
        return self._answered

    def unpruned(self, examples: Examples, num_passes: int = 0) -> Array | None:
        """Logits (N, C) of the network as it is, measured unless it has just answered the same images.

        None where they, and so many passes more, are not expected within the budget.
        """
        if self._answered is None or self._answered[1].names != examples.names:
            logits = self.measurer.unpruned(examples.images, num_passes)
            if logits is None:
                return None
            self._answered = logits, examples
        return self._answered[0]

    def variants(self, thetas: Sequence[Theta], *, ahead: bool = False) -> Iterator[Variant]:
        """Those of all thetas; with `ahead` they are begun at once, beside whatever is done before they are asked for.

        Raises
        ------
        UnsupportedNetworkError
            A method cannot do this network.
        """
        made = (make_variants(self.record.tensors, self.graph, theta, self._rankings) for theta in thetas)
        variants = chain.from_iterable(made)
        return iter(Ahead(variants)) if ahead else variants

    def measured(
        self, variants: Iterator[Variant], num_variants: int, examples: Examples, probes: Sequence[Probe] = ()
    ) -> tuple[Array, Array] | None:
        """Logits (S, N, C) of the variants and (K, N, C) under the probes; None where the budget ends before them."""
        probed = (probed_images(probe, examples.pixels, self._preprocessing) for probe in probes)
        number = num_variants + len(probes)
        if not number:
            return np.empty((0, 0, 0), np.float32), np.empty((0, 0, 0), np.float32)
        logits = self.measurer.variants(variants, number, examples.images, probed)
        return None if logits is None else (logits[:num_variants], logits[num_variants:])
