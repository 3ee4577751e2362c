"""What a caller says of how photographs of their own become network input, beside the name of a profile.

Numbers come from a command line or a program and are checked when they are made, so that a mean of 0 to 255, which
would blind every network, is an error and not an answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from detector.base.errors import UsageError
from detector.rounds.profile import INPUT_SIZE, UNCROPPED_SIZE, Preprocessing, Triple

SMALLEST_INPUT, LARGEST_INPUT = 32, 512  # pixels a side of a network's input


@dataclass(frozen=True)
class Preparation:
    """How images are made ready otherwise than a profile says.

    Attributes
    ----------
    resize
        Whether images of other sizes than the profile's are resized to it and cropped, instead of left out.
    size
        Pixels a side of the network's input; the shorter side of an image becomes 8/7 of it (256 for 224), as for
        torchvision's published weights. None: as the profile has both.
    mean, deviation
        For each channel in the order in which the network sees them, of values from 0 to 1. None: as the profile has
        them.

    Raises
    ------
    UsageError
        Sizes or numbers are not of this kind.
    """

    resize: bool = False
    size: int | None = None
    mean: Triple | None = None
    deviation: Triple | None = None

    def __post_init__(self) -> None:
        if self.size is not None and not SMALLEST_INPUT <= self.size <= LARGEST_INPUT:
            expected = f"{SMALLEST_INPUT} to {LARGEST_INPUT} pixels a side of the network's input"
            raise _refused("--resize", f"{self.size} pixels", expected)
        if (self.mean is None) != (self.deviation is None):
            raise _refused("--mean and --std", "one of them alone", "both, or neither")
        if self.mean is not None and self.deviation is not None:
            _check_numbers("--mean", self.mean, least=0.0)
            _check_numbers("--std", self.deviation, least=math.ulp(0.0))

    @classmethod
    def of(
        cls,
        resize: bool | int = False,
        mean: Sequence[float] | None = None,
        deviation: Sequence[float] | None = None,
    ) -> Preparation:
        """From what a caller gives: `resize` may be the size itself.

        Raises
        ------
        UsageError
            Sizes or numbers are not of this kind.
        """
        size = None if isinstance(resize, bool) else resize
        return cls(bool(resize), size, _triple("--mean", mean), _triple("--std", deviation))

    def applied(self, profile: Preprocessing) -> Preprocessing:
        """The profile as it is to be used; its name tells what is done otherwise."""
        told, changed = [profile.name], profile
        if self.resize:
            crop = self.size or profile.crop
            uncropped = profile.uncropped if self.size is None else round(crop * UNCROPPED_SIZE / INPUT_SIZE)
            changed = replace(changed, crop=crop, uncropped=uncropped, resized=True)
            told.append(f"resized to {crop} pixels")
        if self.mean is not None:
            changed = replace(changed, mean=self.mean, deviation=self.deviation)
            told.append("mean and deviation as given")
        return replace(changed, name=", ".join(told))

    def described(self, profile: str) -> str:
        """The name of a profile, and all that is done otherwise: answers under different words are not comparable."""
        told = [profile]
        if self.resize:
            told.append("resized" if self.size is None else f"resized to {self.size} pixels")
        if self.mean is not None:
            told.append(f"mean {_listed(self.mean)}, deviation {_listed(self.deviation or ())}")
        return ", ".join(told)


AS_THEY_ARE = Preparation()
"""Nothing is done otherwise."""


def _listed(numbers: Sequence[float]) -> str:
    return " ".join(f"{number:g}" for number in numbers)


def _triple(option: str, numbers: Sequence[float] | None) -> Triple | None:
    if numbers is None:
        return None
    if len(numbers) != 3:
        raise _refused(option, f"{len(numbers)} numbers", "three, one for each channel")
    red, green, blue = map(float, numbers)
    return red, green, blue


def _check_numbers(option: str, numbers: Triple, least: float) -> None:
    if all(map(math.isfinite, numbers)) and all(least <= number <= 1 for number in numbers):
        return
    kind = "numbers from 0 to 1" if least == 0 else "numbers above 0, at most 1"
    raise _refused(
        option, _listed(numbers), f"{kind}, for images in [0, 1]", "divide by 255 what is meant for 0 to 255"
    )


def _refused(option: str, what: str, expected: str, next_step: str = "see docs/infer.md") -> UsageError:
    return UsageError(what, where=option, expected=expected, next_step=next_step)
