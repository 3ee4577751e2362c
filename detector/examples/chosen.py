"""The images of a model that several measurements ask for, decoded once, and which of them each one uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from detector.base.budget import Budget
from detector.examples.choice import ImageChoice
from detector.examples.images import Examples, Listing, decode, select
from detector.rounds.preprocessing import Preprocessing
from detector.sandbox.sandbox import Sandbox


@dataclass(frozen=True)
class ChosenExamples:
    """All `examples` that any choice asks for, and how they were decoded; `selections` are indices of the listing.

    `sandbox` is where they were decoded, None for this process.
    """

    examples: Examples
    preprocessing: Preprocessing
    selections: Mapping[ImageChoice, tuple[int, ...]]
    sandbox: Sandbox | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(
        cls,
        listing: Listing,
        choices: Iterable[ImageChoice],
        preprocessing: Preprocessing,
        budget: Budget | None = None,
        sandbox: Sandbox | None = None,
    ) -> ChosenExamples:
        """Decode them; ExamplesError if none can be used, DeadlineError if the budget ends before."""
        selections = {choice: select(listing, choice.num_images, choice.rule) for choice in choices}
        wanted = sorted(set().union(*selections.values()))
        examples = decode(listing, wanted, preprocessing, budget, sandbox=sandbox)
        return cls(examples, preprocessing, selections, sandbox)

    def under(self, preprocessing: Preprocessing, listing: Listing, budget: Budget | None = None) -> ChosenExamples:
        """The same choices under another profile: of the pixels that are decoded where it crops to the same size."""
        if preprocessing.crop != self.preprocessing.crop:
            return ChosenExamples.of(listing, self.selections, preprocessing, budget, self.sandbox)
        return replace(self, examples=self.examples.prepared(preprocessing), preprocessing=preprocessing)

    def subset(self, *choices: ImageChoice) -> Examples:
        """Those of these choices together, each once."""
        return self.examples.subset(set().union(*(self.selections[choice] for choice in choices)))
