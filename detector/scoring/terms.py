"""What answers were given under: answers of two detectors, or of two time budgets, do not belong into one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

_LONGEST = 40  # characters of a value in a message


@dataclass(frozen=True)
class Terms:
    """Of one evaluation.

    Attributes
    ----------
    round
        The name of the folder of models; where it lies may differ between machines.
    bundle, bundle_sha256
        The learned parameters, by name and by what is in their files.
    seconds
        The time budget of a model.
    preprocessing
        As set, "learned" where it was not.
    tampered_probability
        What a tampered network is answered with.
    detector
        The version of the code.
    """

    round: str
    bundle: str
    bundle_sha256: str
    seconds: float
    preprocessing: str
    tampered_probability: float
    detector: str

    def to_document(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: object) -> Self:
        """From the JSON form.

        Raises
        ------
        ValueError
            It is none.
        """
        names = {field.name: type_ for field, type_ in zip(fields(cls), _TYPES, strict=True)}
        if not isinstance(document, Mapping) or any(type(document.get(name)) is not names[name] for name in names):
            raise ValueError(f"expected an object with {', '.join(names)}")
        return cls(**{name: document[name] for name in names})

    def differing(self, other: Terms) -> dict[str, tuple[str, str]]:
        """By name what the other ones say otherwise: this value and the other as text, checksums and the like cut."""
        mine, theirs = asdict(self), asdict(other)
        return {name: (_shortened(mine[name]), _shortened(theirs[name])) for name in mine if mine[name] != theirs[name]}


def _shortened(value: str | float) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


_TYPES = (str, str, str, float, str, float, str)
