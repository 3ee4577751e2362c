"""Which configuration a detection measures: the costliest that fits its time, and if that fails a cheaper one."""

from __future__ import annotations

from collections.abc import Iterable

from detector.base.clock import Budget
from detector.base.cpus import usable_cpus
from detector.commands.account import Account
from detector.commands.remarks import dropped
from detector.examples.chosen import ChosenExamples
from detector.examples.images import Examples
from detector.mapping.configuration import Configuration
from detector.measurement.model_under_test import Array, Logits, ModelUnderTest


def costliest_first(configurations: Iterable[Configuration]) -> list[Configuration]:
    """In the order in which they are tried."""
    return sorted(configurations, key=lambda configuration: -configuration.cost)


class Attempts:
    """Measures one model within the budget, and tells the account of configurations that it had to drop."""

    def __init__(self, model: ModelUnderTest, budget: Budget, account: Account) -> None:
        self._model = model
        self._budget = budget
        self._account = account

    def first_that_fits(
        self, configurations: Iterable[Configuration], examples: ChosenExamples
    ) -> tuple[Configuration, Logits] | None:
        """The first that is measured as a whole, and all logits; None where none is."""
        for configuration in configurations:
            logits = self._measured(configuration, examples.subset(configuration.images))
            if logits is not None:
                return configuration, logits
        return None

    def unpruned(self, chosen: Examples, num_passes: int = 0) -> Array | None:
        """Logits (N, C) of the network as it is; None where they, and so many passes more, do not fit."""
        if self._model.answered is not None and self._model.answered[1].names == chosen.names:
            return self._model.answered[0]
        with self._account.stage("unpruned"):
            return self._model.unpruned(chosen, num_passes)

    def _measured(self, configuration: Configuration, chosen: Examples) -> Logits | None:
        """All logits, or None where the configuration does not fit what is left of the budget."""
        measurer, number = self._model.measurer, configuration.num_passes
        # Ahead: later configurations find the rankings, or are not begun.
        ahead = not measurer.image_seconds and usable_cpus() > 1
        variants = self._model.variants(configuration.thetas, ahead=ahead)
        unpruned = self.unpruned(chosen, number)
        needed = measurer.predicted_seconds(number + (unpruned is None), len(chosen))
        begun = unpruned is not None and measurer.fits(number, len(chosen))
        if unpruned is not None and begun:
            self._model.record.hashing.result()  # done by now, or the time for it is taken here, where it is counted
            with self._account.stage("variants"):
                answers = self._model.measured(
                    variants, sum(configuration.num_pruned_models), chosen, configuration.probes
                )
            if answers is not None:
                pruned, probed = answers
                return Logits(unpruned, pruned, chosen.labels, chosen.names, probed if configuration.probes else None)
        self._account.find(dropped(configuration, needed, self._budget.remaining(), begun=begun))
        return None
