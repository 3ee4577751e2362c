"""theta = {PM, SM, RM, p, |S|, |D|}: how a network is pruned and measured (arXiv 2101.12016, Section 3).

Plain data, valid by construction, with its form as a JSON object and the schema of that: the one place that knows both.
Pruning methods and the numbers that belong to them are those that are registered (`detector/pruning/method.py`).
`SelectionRule` says whose exact arithmetic turns theta into filters: the paper's text, or the letter of NIST's
reference implementation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from detector.pruning.method import Parameter, methods


class PruningMethod(StrEnum):
    """PM: names of the methods that the program itself speaks of; which ones there are, says `methods()`.

    The first three are the paper's; the others do not prune but provoke.
    """

    REMOVE = "Remove"
    RESET = "Reset"
    TRIM = "Trim"
    AMPLIFY = "Amplify"
    STIMULATE = "Stimulate"


class SamplingMethod(StrEnum):
    """SM: which filters of the ranking each of the |S| variants selects."""

    RANDOM = "Random"
    UNIFORM = "Uniform"
    TARGETED = "Targeted"


class RankingMethod(StrEnum):
    """RM: the key by which the filters of a layer are sorted, ascending."""

    L1 = "L1"
    L2 = "L2"
    LINF = "Linf"
    STDEV = "stdev"


class SelectionRule(StrEnum):
    """Whose arithmetic: the paper's text (n = ceil(C p), true norms) or NIST's code to the letter (int(C p), ...)."""

    PAPER = "paper"
    NIST = "nist"


class LayerRange(StrEnum):
    """Which of the prunable layers are touched: all, or one third of them in the order of execution."""

    ALL = "all"
    EARLY = "early"
    MIDDLE = "middle"
    LATE = "late"


@dataclass(frozen=True)
class Theta:
    """One point of the search space.

    Attributes
    ----------
    pruning_method
        Name of a registered method.
    p
        Share of each layer's filters that a variant prunes, 0 < p < 1.
    num_pruned_models
        |S|, the number of pruned variants, >= 1.
    num_images
        |D|, the number of example images used, >= 1.
    trim_k
        Trim's own number: half width of its interval in standard deviations; unused by the other methods.
    seed
        For Random sampling only, >= 0: the same seed gives the same filters.
    gain
        Amplify's factor, or Stimulate's constant in standard deviations of the channel; unused by the others.
    layers
        Which layers are touched. Remove takes ALL only: what it removes reaches through the whole network.
    own
        The method's numbers that have no attribute above: sorted pairs of name and value. What is not given is filled
        in with the method's default.
    """

    pruning_method: str
    sampling_method: SamplingMethod
    ranking_method: RankingMethod
    p: float
    num_pruned_models: int
    num_images: int
    trim_k: float = 0.5
    rule: SelectionRule = SelectionRule.PAPER
    seed: int = 0
    gain: float = 3.0
    layers: LayerRange = LayerRange.ALL
    own: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.p < 1:
            raise ValueError(f"expected 0 < p < 1, got {self.p}")
        if self.num_pruned_models < 1:
            raise ValueError(f"expected at least one pruned model, got {self.num_pruned_models}")
        if self.num_images < 1:
            raise ValueError(f"expected at least one image, got {self.num_images}")
        if self.seed < 0:
            raise ValueError(f"expected a seed of at least 0, got {self.seed}")
        if self.pruning_method not in methods():
            raise ValueError(f"expected a pruning method, one of {', '.join(methods())}, got {self.pruning_method!r}")
        if not methods()[self.pruning_method].takes_parts and self.layers is not LayerRange.ALL:
            raise ValueError(f"expected all layers with {self.pruning_method}, got {self.layers}")
        object.__setattr__(self, "own", self._completed())
        for name, parameter in all_parameters().items():
            if name in _ATTRIBUTES or name in dict(self.own):
                parameter.check(self.number(name))

    def number(self, name: str) -> float:
        """The value of a method's parameter; KeyError if it is none of this theta's method."""
        return float(getattr(self, name)) if name in _ATTRIBUTES else dict(self.own)[name]

    def numbers(self) -> dict[str, float]:
        """The values of all parameters of this theta's method, by name."""
        return {parameter.name: self.number(parameter.name) for parameter in methods()[self.pruning_method].parameters}

    def _completed(self) -> tuple[tuple[str, float], ...]:
        known = {one.name: one.default for one in methods()[self.pruning_method].parameters}
        defaults = {name: value for name, value in known.items() if name not in _ATTRIBUTES}
        unknown = sorted(dict(self.own).keys() - defaults.keys())
        if unknown:
            raise ValueError(f"expected parameters of {self.pruning_method} in own, got {', '.join(unknown)}")
        return tuple(sorted((defaults | dict(self.own)).items()))


_ATTRIBUTES = ("trim_k", "gain")  # parameters of methods that every stored theta holds, whatever its method
THETA_KEYS = tuple(name for name in Theta.__dataclass_fields__ if name != "own")  # of every JSON form


def all_parameters() -> dict[str, Parameter]:
    """The parameters of all registered methods by name."""
    return {parameter.name: parameter for method in methods().values() for parameter in method.parameters}


def theta_to_document(theta: Theta) -> dict[str, Any]:
    """The JSON form: one flat object, with the numbers of the method beside the rest."""
    document = asdict(theta)
    return document | dict(document.pop("own"))


def theta_from_document(document: Mapping[str, Any]) -> Theta:
    """Back from the JSON form, which is valid against `theta_schema`.

    Raises
    ------
    ValueError
        A name is unknown or a number out of bounds.
    KeyError
        Something is missing.
    """
    name = str(document["pruning_method"])
    own = [one.name for one in methods()[name].parameters if one.name not in _ATTRIBUTES] if name in methods() else []
    return Theta(
        pruning_method=PruningMethod(name) if name in tuple(PruningMethod) else name,
        sampling_method=SamplingMethod(document["sampling_method"]),
        ranking_method=RankingMethod(document["ranking_method"]),
        p=float(document["p"]),
        num_pruned_models=int(document["num_pruned_models"]),  # 15.0 is an integer to JSON Schema
        num_images=int(document["num_images"]),
        trim_k=float(document["trim_k"]),
        rule=SelectionRule(document["rule"]),
        seed=int(document["seed"]),
        gain=float(document["gain"]),
        layers=LayerRange(document["layers"]),
        own=tuple((key, float(document[key])) for key in own if key in document),
    )


def theta_schema() -> dict[str, Any]:
    """JSON Schema of the JSON form, with every registered method and parameter."""
    parameters = {name: _parameter_schema(parameter) for name, parameter in all_parameters().items()}
    properties = {
        "pruning_method": {"enum": list(methods())},
        "sampling_method": {"enum": list(SamplingMethod)},
        "ranking_method": {"enum": list(RankingMethod)},
        "p": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "num_pruned_models": {"type": "integer", "minimum": 1, "maximum": 1000},
        "num_images": {"type": "integer", "minimum": 1, "maximum": 10000},
        "rule": {"enum": list(SelectionRule)},
        "seed": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
        "layers": {"enum": list(LayerRange), "description": "Which third of the layers is touched."},
    }
    return {
        "type": "object",
        "required": [*THETA_KEYS],
        "properties": properties | parameters,
        "additionalProperties": False,  # last: of a method that is gone the name is complained of first
    }


def _parameter_schema(parameter: Parameter) -> dict[str, Any]:
    bounds = {"exclusiveMinimum": parameter.low, "maximum": parameter.high}
    return {"type": "number", **bounds, "description": parameter.description}
