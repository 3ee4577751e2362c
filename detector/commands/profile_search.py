"""Which preprocessing a detection measures with, found by what the network says of its clean examples.

Nothing is tried where the documented profile has no error. Where it has, the others that fit the images are tried, on
as many images as a fraction of the time that is left allows.
"""

from __future__ import annotations

from dataclasses import dataclass

from detector.base.budget import Budget
from detector.examples.choice import ImageChoice
from detector.examples.chosen import ChosenExamples
from detector.examples.images import Examples
from detector.examples.listing import Listing
from detector.examples.profile_choice import ProfileChoice, candidate_profiles, choose_profile, of_same_size
from detector.measurement.model_under_test import Array, ModelUnderTest
from detector.rounds.preprocessing import Preprocessing
from detector.signals.reading import unpruned_readings

_SHARE = 0.2  # of the time that is left, for trying other profiles


@dataclass(frozen=True)
class ProfileSearch:
    """Among the profiles that fit the images: listed only where there is something to find, for that reads headers.

    Attributes
    ----------
    num_classes, smallest_input
        Of the network: its classes, and the fewest pixels a side that it takes.
    choices
        Of images by which profiles may be compared, the largest first.
    """

    listing: Listing
    num_classes: int | None
    smallest_input: int
    choices: tuple[ImageChoice, ...]
    budget: Budget

    def best(
        self, model: ModelUnderTest, examples: ChosenExamples
    ) -> tuple[ProfileChoice, ModelUnderTest, ChosenExamples] | None:
        """The choice, and model and examples made ready by it; None where there was no time to try others.

        `model` has answered to the examples of `choices[0]` at least.
        """
        documented = examples.preprocessing
        assert model.answered is not None
        answered = model.answered[1].names
        if _accuracy(*model.answered) == 1.0:
            return choose_profile([documented], documented, lambda _: 1.0), model, examples
        listed = of_same_size(documented) if documented.resized else candidate_profiles(self.listing, self.num_classes)
        candidates = [profile for profile in listed if profile.crop >= self.smallest_input]
        shown = self._shown(model, len(candidates))
        if shown is None:
            return None
        tried: dict[Preprocessing, tuple[ModelUnderTest, ChosenExamples]] = {}

        def accuracy(profile: Preprocessing) -> float | None:
            prepared = examples if profile == documented else examples.under(profile, self.listing, self.budget)
            known = prepared.subset(shown)
            same = profile == documented and known.names == answered
            network = model if same else model.under(profile)
            tried[profile] = network, prepared
            logits = network.unpruned(known)
            return None if logits is None else _accuracy(logits, known)

        choice = choose_profile(candidates, documented, accuracy)
        return choice, *tried[choice.profile]

    def _shown(self, model: ModelUnderTest, candidates: int) -> ImageChoice | None:
        """The most images on which so many candidates fit."""
        left, predicted = _SHARE * self.budget.remaining(), model.measurer.predicted_seconds
        return next((one for one in self.choices if predicted(candidates, one.num_images) <= left), None)


def _accuracy(logits: Array, examples: Examples) -> float:
    return float(unpruned_readings(logits, examples.labels, ("accuracy",))[0])
