"""Which configuration a detection measures: the costliest that fits its time, and if that fails a cheaper one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from detector.base.budget import Budget
from detector.base.cpus import usable_cpus
from detector.base.errors import DeadlineError
from detector.commands.account import Account
from detector.commands.profile_search import ProfileSearch
from detector.commands.remarks import dropped
from detector.examples.choice import ImageChoice
from detector.examples.chosen import ChosenExamples
from detector.examples.images import Examples
from detector.examples.own_labels import own_labels
from detector.mapping.configuration import Configuration
from detector.measurement.model_under_test import Array, MeasuredLogits, ModelUnderTest


def costliest_first(configurations: Iterable[Configuration]) -> list[Configuration]:
    """In the order in which they are tried."""
    return sorted(configurations, key=lambda configuration: -configuration.cost)


def with_enough_examples(configurations: Sequence[Configuration], available: int) -> Sequence[Configuration]:
    """Of configurations, the costliest first, those that were learned on no more images than there are, or the last.

    Readings of fewer images than in training are others; configurations that do not know their experience are left.
    """
    enough = [one for one in configurations if not one.experience or one.num_images <= available]
    return enough or configurations[-1:]


@contextmanager
def dropping(configurations: Iterable[Configuration], budget: Budget, account: Account) -> Iterator[None]:
    """Tells that all of them are dropped where the budget ends within."""
    try:
        yield
    except DeadlineError:
        left = budget.remaining()
        account.find(*(dropped(configuration, 0.0, left, begun=False) for configuration in configurations))
        raise


class Attempts:
    """Measures one model within the budget, and tells the account of configurations that it had to drop.

    With a `search`, the preprocessing is found as soon as the network has answered for the first time; `model` and
    `examples` are then of that preprocessing.
    """

    def __init__(
        self,
        model: ModelUnderTest,
        examples: ChosenExamples,
        budget: Budget,
        account: Account,
        search: ProfileSearch | None = None,
    ) -> None:
        self.model = model
        self.examples = examples
        self._budget = budget
        self._account = account
        self._search = search

    def first_that_fits(self, configurations: Iterable[Configuration]) -> tuple[Configuration, MeasuredLogits] | None:
        """The first that is measured as a whole, and all logits; None where none is."""
        for configuration in configurations:
            logits = self._measured(configuration)
            if logits is not None:
                return configuration, logits
        return None

    def unpruned(self, images: ImageChoice, num_passes: int = 0) -> tuple[Examples, Array] | None:
        """The examples, and logits (N, C) of the network as it is; None where they, and so many passes more, do not
        fit."""
        logits = self._unpruned(self.examples.subset(images), num_passes)
        if logits is not None and self._search is not None:
            search, self._search = self._search, None
            with self._account.stage("preprocessing"):
                self._prepare(search)
            logits = self._unpruned(self.examples.subset(images), num_passes)
        return None if logits is None else (self.examples.subset(images), logits)

    def _unpruned(self, chosen: Examples, num_passes: int) -> Array | None:
        if self.model.answered is not None and self.model.answered[1].names == chosen.names:
            return self.model.answered[0]
        with self._account.stage("unpruned"):
            return self.model.unpruned(chosen, num_passes)

    def _prepare(self, search: ProfileSearch) -> None:
        found = search.best(self.model, self.examples)
        if found is None:
            return
        choice, model, examples = found
        self._account.find(choice.finding)
        if choice.profile != self.examples.preprocessing:
            self.model, self.examples = model, examples
            self._account.tell(preprocessing=choice.profile)

    def _measured(self, configuration: Configuration) -> MeasuredLogits | None:
        """All logits, or None where the configuration does not fit what is left of the budget."""
        measurer, number = self.model.measurer, configuration.num_passes
        # Ahead: later configurations find the rankings, or are not begun.
        ahead = not measurer.image_seconds and usable_cpus() > 1
        variants = self.model.variants(configuration.thetas, ahead=ahead)
        answered = self.unpruned(configuration.images, number)
        chosen = answered[0] if answered else self.examples.subset(configuration.images)
        needed = measurer.predicted_seconds(number + (answered is None), len(chosen))
        begun = measurer.fits(number, len(chosen))
        if answered is not None and begun:
            unpruned = answered[1]
            self.model.record.hashing.result()  # done by now, or the time for it is taken here, where it is counted
            with self._account.stage("variants"):
                answers = self.model.measured(
                    variants, sum(configuration.num_pruned_models), chosen, configuration.probes
                )
            if answers is not None:
                pruned, probed = answers
                probes = probed if configuration.probes else None
                labels = chosen.labels if chosen.labelled else own_labels(unpruned)
                return MeasuredLogits(unpruned, pruned, labels, chosen.names, probes, chosen.labelled)
        self._account.find(
            dropped(configuration, needed, self._budget.remaining(), begun=answered is not None and begun)
        )
        return None
