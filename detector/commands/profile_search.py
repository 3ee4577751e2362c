"""Which preprocessing a detection measures with, found by what the network says of its clean examples.

Nothing is tried where the documented profile has no error. Where it has, the others that fit the images are tried, on
as many images as a fraction of the time that is left allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detector.base.budget import Budget
from detector.examples.choice import ImageChoice
from detector.examples.chosen import ChosenExamples
from detector.examples.images import Examples
from detector.examples.listing import Listing
from detector.examples.profile_choice import ProfileChoice, choose_profile
from detector.measurement.model_under_test import Array, ModelUnderTest
from detector.rounds.preprocessing import Preprocessing
from detector.signals.reading import unpruned_readings

_SHARE = 0.2  # of the time that is left, for trying other profiles


@dataclass(frozen=True)
class ProfileSearch:
    """The profiles that fit the images, and the choices of images by which they may be compared, the largest first."""

    listing: Listing
    candidates: Sequence[Preprocessing]
    choices: tuple[ImageChoice, ...]
    budget: Budget

    def best(self, model: ModelUnderTest, examples: ChosenExamples) -> tuple[ProfileChoice, ChosenExamples] | None:
        """The choice and the examples made ready by it; None where there was no time to try others.

        `model` has answered to the examples of `choices[0]` at least.
        """
        documented = examples.preprocessing
        assert model.answered is not None
        if _accuracy(*model.answered) == 1.0:
            return choose_profile([documented], documented, lambda _: 1.0), examples
        shown = self._shown(model)
        if shown is None:
            return None
        prepared = {documented: examples}

        def accuracy(profile: Preprocessing) -> float | None:
            prepared.setdefault(profile, examples.under(profile, self.listing, self.budget))
            known = prepared[profile].subset(shown)
            logits = model.under(profile).unpruned(known)
            return None if logits is None else _accuracy(logits, known)

        choice = choose_profile(self.candidates, documented, accuracy)
        return choice, prepared[choice.profile]

    def _shown(self, model: ModelUnderTest) -> ImageChoice | None:
        """The most images on which all candidates fit."""
        others, left = len(self.candidates), _SHARE * self.budget.remaining()
        return next(
            (one for one in self.choices if model.measurer.predicted_seconds(others, one.num_images) <= left), None
        )


def _accuracy(logits: Array, examples: Examples) -> float:
    return float(unpruned_readings(logits, examples.labels, ("accuracy",))[0])
