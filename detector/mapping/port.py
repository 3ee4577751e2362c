"""The port of mappings: from named features to the probability of a trojan, and the registry of all that do so.

A mapping is a file in this folder and one import in `detector/mapping/__init__.py`. Applying one is plain arithmetic,
whoever fitted it. An entry may say how it is fitted, too, as a function of arrays: `configure` then learns with it by
its name; nothing here imports what learning needs. The JSON form carries name and version, and comes from files that
anyone may have edited, so that `from_document` checks all of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from detector.base.registry import Registry


@dataclass(frozen=True)
class Applied:
    """What a mapping says of one model.

    Attributes
    ----------
    probability
        Of the model being poisoned, in [0, 1] unless `raw_is_probability`; not yet clipped.
    raw
        The mapping's own value, on its own scale.
    base
        What it would say if all features were 0, on the scale of `raw`.
    contributions
        By the name of a feature what it adds; `math.fsum` of base and contributions is `raw`. Empty where a mapping
        cannot be taken apart like this.
    """

    probability: float
    raw: float
    base: float
    contributions: Mapping[str, float]


class FittedMapping(ABC):
    """A mapping that has been fitted. Subclasses are frozen dataclasses.

    Attributes
    ----------
    name, version
        As bundles keep them.
    raw_is_probability
        Whether `raw` is itself the probability, which may then lie beyond 0 and 1 and is worth telling.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    raw_is_probability: ClassVar[bool] = False

    @abstractmethod
    def apply(self, features: Mapping[str, float]) -> Applied:
        """What it says of a model with these features; DetectorError if one is missing or not finite."""

    @abstractmethod
    def fields(self) -> dict[str, Any]:
        """Its own part of the JSON form."""

    @classmethod
    @abstractmethod
    def from_fields(cls, fields: Mapping[str, Any], features: Sequence[str]) -> FittedMapping:
        """Back from `fields`, to be applied to features of these names; ValueError says what is wrong with them."""


FitMapping = Callable[[Sequence[str], NDArray[np.float64], NDArray[np.int64]], FittedMapping]
"""From names of F features, the features (M, F) of M models and their labels (M,), 1 = poisoned, both among them."""


@dataclass(frozen=True)
class MappingType:
    """An entry of the registry: a kind of mapping.

    `fit` is how `configure` fits it, as `train_mapping` asks by the mapping's name. None: it has no way of its own;
    others fit it, as the regressions of `detector.learning.fitting` fit the weighted sums.
    """

    fitted: type[FittedMapping]
    fit: FitMapping | None = None

    @property
    def name(self) -> str:
        """As bundles call it."""
        return self.fitted.name


MAPPINGS: Registry[MappingType] = Registry("mapping")


def mapping_to_document(mapping: FittedMapping) -> dict[str, Any]:
    """The JSON form."""
    return {"name": mapping.name, "version": mapping.version, **mapping.fields()}


def mapping_from_document(document: Mapping[str, Any], features: Sequence[str]) -> FittedMapping:
    """Back from the JSON form, for features of these names.

    Raises
    ------
    UnknownEntryError
        There is no mapping of that name.
    ValueError
        It is of another version, or its numbers are not what they should be.
    """
    fitted = MAPPINGS[str(document["name"])].fitted
    if document["version"] != fitted.version:
        told = f"version {document['version']} of the mapping {fitted.name!r}"
        raise ValueError(f"expected version {fitted.version}, got {told}")
    return fitted.from_fields({key: document[key] for key in document if key not in ("name", "version")}, features)
