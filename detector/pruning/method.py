"""What a pruning method says of itself, and the register in which the methods are found by name.

A method is one class in a file of `detector/pruning/methods/`, registered by one line of that package. Theta, its JSON
form and its schema, the choice of layers and the variants all follow from what is registered. Entries are our own code
and trusted; their names come from files, and one that is not registered is an error, never a default.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from detector.base.errors import ParametersError
from detector.graph.ir import Graph, Node, Op
from detector.pruning.variant import RowPatch, Rows, Variant, Weights

if TYPE_CHECKING:
    from detector.pruning.theta import Theta

Patches = tuple[RowPatch, ...]

_METHOD_NAME = re.compile(r"[A-Z][A-Za-z]{0,31}")
_PARAMETER_NAME = re.compile(r"[a-z][a-z_]{0,31}")


class UnsupportedNetworkError(ParametersError):
    """A pruning method cannot do a network; other methods may."""


@dataclass(frozen=True)
class Parameter:
    """A number that belongs to a method: `low` < value <= `high`, and what it is where nobody says.

    `usual` is where it is worth trying, if that is known.
    """

    name: str
    default: float
    low: float
    high: float
    description: str
    usual: tuple[float, float] | None = None

    def check(self, value: float) -> None:
        """Raise ValueError for a value that is out of bounds or no finite number."""
        if not (math.isfinite(value) and self.low < value <= self.high):
            raise ValueError(f"expected {self.low:g} < {self.name} <= {self.high:g}, got {value}")


@dataclass(frozen=True)
class Network:
    """What a method may read: parameters by state-dict name, the graph, and by convolution the norm behind it."""

    weights: Mapping[str, Weights]
    graph: Graph
    norms: Mapping[str, Node]

    def channel_writer(self, layer: Node) -> str:
        """The module that has the last word on the channels of convolution `layer`: its normalisation, or itself."""
        return self.norms.get(layer.name, layer).module


class Method(ABC):
    """A pruning method's description.

    Attributes
    ----------
    name
        As theta and stored files call it: letters, the first one a capital.
    version
        Raised whenever the same theta comes to give other variants.
    summary
        What happens to a selected filter, in a few words.
    parameters
        The numbers of the method's own.
    layer_kinds
        Of which layers filters are selected, in the order of `network.modules()`.
    spares_classifier
        Whether the layer that gives the classes is left alone under NIST's rule too; under the paper's it always is.
    takes_parts
        Whether it can be confined to a third of the layers.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    summary: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    layer_kinds: ClassVar[tuple[Op, ...]] = (Op.CONV, Op.BATCH_NORM)
    spares_classifier: ClassVar[bool] = False
    takes_parts: ClassVar[bool] = True

    def refusal(self, graph: Graph) -> str | None:
        """Why the method cannot do this network, naming the layer; None where it can."""
        return None

    def check(self, graph: Graph) -> None:
        """Raise UnsupportedNetworkError where the method cannot do the network."""
        reason = self.refusal(graph)
        if reason is not None:
            raise UnsupportedNetworkError(
                reason,
                where=graph.architecture,
                expected=f"a network that {self.name} can do",
                next_step="use another pruning method for this architecture",
            )


class FilterMethod(Method):
    """A method that changes the selected filters of each layer by themselves."""

    @abstractmethod
    def patches(self, layer: Node, rows: Rows, network: Network, theta: Theta) -> Patches:
        """What becomes of the filters `rows` (sorted, at least one) of `layer`; none where they stay as they are."""


class NetworkMethod(Method):
    """A method for which what it does to one layer depends on what it did to others."""

    @abstractmethod
    def variants(self, layers: Sequence[Node], network: Network, theta: Theta) -> Iterator[Variant]:
        """The |S| variants; `layers` are those whose filters are selected. All errors come at once."""


AnyMethod = FilterMethod | NetworkMethod
_registered: dict[str, AnyMethod] = {}


def methods() -> Mapping[str, AnyMethod]:
    """All registered methods by name, in the order of their registration."""
    return MappingProxyType(_registered)


def find_method(name: str) -> AnyMethod:
    """The method of that name; ParametersError if there is none."""
    if name not in _registered:
        raise ParametersError(
            f"no pruning method is called {name!r}",
            where="theta",
            expected=f"one of {', '.join(_registered)}",
            next_step="use a version of the detector that has the method, or another bundle",
        )
    return _registered[name]


def register(method: AnyMethod) -> None:
    """Make a method known by its name.

    Raises
    ------
    ValueError
        If the name is taken or no name, or a parameter's name stands for another parameter of another method.
    """
    if method.name in _registered or not _METHOD_NAME.fullmatch(method.name):
        raise ValueError(f"expected a new name of letters for a pruning method, got {method.name!r}")
    others = {parameter.name: parameter for other in _registered.values() for parameter in other.parameters}
    for parameter in method.parameters:
        if not _PARAMETER_NAME.fullmatch(parameter.name) or others.get(parameter.name, parameter) != parameter:
            raise ValueError(f"expected a new name for another parameter than the known one, got {parameter.name!r}")
    _registered[method.name] = method


@contextmanager
def registered(method: AnyMethod) -> Iterator[None]:
    """A method that is known for the length of a `with` block."""
    register(method)
    try:
        yield
    finally:
        del _registered[method.name]
