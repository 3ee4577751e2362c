"""What an entry of the registry says of a round: where its examples and labels lie, and how its networks see images."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from detector.rounds.example_names import ExampleRule
from detector.rounds.profile import Preprocessing


@dataclass(frozen=True)
class Errata:
    """Models that are not to be learned from: their numbers by split of the data (train, test), and why."""

    reason: str
    models: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class RoundLayout:
    """One round of TrojAI, or one of ours.

    Attributes
    ----------
    name
        Also that of its preprocessing profile.
    example_folders
        What the folder of clean examples beside a model is called, in the training data or on the server.
    examples
        How the examples are named and where their classes are.
    profile
        What the networks of the round were trained with.
    num_classes
        Fewest and most classes of a network.
    data_set
        NIST's name of the data, as folders and archives have it, if any.
    label_column
        The column of METADATA.csv that says whether a model is poisoned.
    """

    name: str
    example_folders: tuple[str, ...]
    examples: ExampleRule
    profile: Preprocessing
    num_classes: tuple[int, int]
    data_set: str | None = None
    label_column: str = "poisoned"
    errata: Errata | None = field(default=None)

    def __post_init__(self) -> None:
        if self.profile.name != self.name:
            raise ValueError(f"expected a profile of the name {self.name!r}, got {self.profile.name!r}")
        if not 2 <= self.num_classes[0] <= self.num_classes[1]:
            raise ValueError(f"expected fewest and most classes, got {self.num_classes}")

    def is_named_in(self, folder: str) -> bool:
        """Whether a folder of this name says that the round is in it: round1, round-01, NIST's name of the data."""
        stem, number = re.fullmatch(r"(.*?)([0-9]*)", self.name, re.DOTALL).groups()  # type: ignore[union-attr]
        names = [rf"{re.escape(stem)}[-_ ]?0*{number}" if number else re.escape(stem)]
        names += [re.escape(self.data_set)] if self.data_set else []
        return re.search(rf"({'|'.join(names)})(?![0-9])", folder, re.IGNORECASE) is not None

    def takes(self, num_classes: int) -> bool:
        """Whether a network with so many classes can be of the round."""
        return self.num_classes[0] <= num_classes <= self.num_classes[1]
