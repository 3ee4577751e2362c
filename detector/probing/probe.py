"""A probe: a kind and the values of its parameters. Plain data that bundles store, checked against the registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.base.errors import ParametersError
from detector.probing.kind import Family, Images, Value
from detector.probing.kinds import KINDS, kind_named


@dataclass(frozen=True)
class Probe:
    """What is done to images, valid by construction; made by `Probe.make`.

    Attributes
    ----------
    kind
        A name of the registry.
    parameters
        The value of every parameter of the kind, by name, in the registry's order.
    """

    kind: str
    parameters: tuple[tuple[str, Value], ...]

    def __post_init__(self) -> None:
        if self.parameters != _checked(self.kind, dict(self.parameters)):
            raise _invalid(
                f"{self.kind}: parameters are missing or out of order", "all of them, in the registry's order"
            )

    @classmethod
    def make(cls, kind: str, **values: Value) -> Probe:
        """A probe of that kind; parameters that are not given have their defaults.

        Raises
        ------
        ParametersError
            There is no such kind or parameter, or a value is outside its bounds.
        """
        return cls(kind, _checked(kind, values))

    @classmethod
    def from_document(cls, document: Mapping[str, object]) -> Probe:
        """The probe that `to_document` wrote; ParametersError as in `make`, or where its kind has changed since."""
        match document:
            case {"kind": str(kind), "version": int(version), "parameters": dict(values)} if len(document) == 3:
                known = kind_named(kind).version
                if version != known:
                    raise _invalid(f"{kind}: stored by version {version} of this kind of probe", f"version {known}")
                if set(values) != set(KINDS[kind].parameters):
                    raise _invalid(f"{kind}: it has parameters {sorted(values)}", _names(kind))
                return cls.make(kind, **values)
        raise _invalid("not the form of a probe", "an object with kind, version and parameters")

    def to_document(self) -> dict[str, object]:
        """In JSON's types."""
        return {"kind": self.kind, "version": KINDS[self.kind].version, "parameters": dict(self.parameters)}

    @property
    def family(self) -> Family:
        """Which triggers it resembles."""
        return KINDS[self.kind].family

    @property
    def strength(self) -> float | None:
        """How much is done, in the kind's own unit; None where the kind knows no more and less."""
        name = KINDS[self.kind].strength
        return None if name is None else float(dict(self.parameters)[name])

    @property
    def series(self) -> tuple[str, tuple[tuple[str, Value], ...]]:
        """What it shares with the probes that differ from it in nothing but strength."""
        name = KINDS[self.kind].strength
        return self.kind, tuple(item for item in self.parameters if item[0] != name)

    def __call__(self, images: Images) -> Images:
        """The probed images: clipped to [0, 1] and rounded to 8 bits, as a file would hold them.

        Parameters
        ----------
        images
            float32 (N, 3, S, S), RGB in [0, 1]; pixels of 8 bits, divided by 255.
        """
        changed = KINDS[self.kind].apply(images, dict(self.parameters))
        return _levels(changed).astype(np.float32) / np.float32(255)

    def on_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The same for pixels (N, 3, S, S) of 8 bits, RGB."""
        images = pixels.astype(np.float32) / np.float32(255)
        return _levels(KINDS[self.kind].apply(images, dict(self.parameters)))


def _levels(images: Images) -> NDArray[np.uint8]:
    levels = np.clip(images, 0, 1)
    levels *= 255  # in place: a bank of probes is little work beside the network only if it stays out of memory
    return np.rint(levels, out=levels).astype(np.uint8)


def _checked(kind: str, values: Mapping[str, object]) -> tuple[tuple[str, Value], ...]:
    parameters = kind_named(kind).parameters
    unknown = sorted(set(values) - set(parameters))
    if unknown:
        raise _invalid(f"{kind} has no parameter {unknown[0]!r}", _names(kind))
    complete = {name: values.get(name, parameter.default) for name, parameter in parameters.items()}
    for name, parameter in parameters.items():
        if not parameter.accepts(complete[name]):
            raise _invalid(f"{kind}: {name} is {complete[name]!r}", str(parameter))
    return tuple((name, parameter.normal(complete[name])) for name, parameter in parameters.items())


def _names(kind: str) -> str:
    return f"parameters {', '.join(KINDS[kind].parameters)}"


def _invalid(what: str, expected: str) -> ParametersError:
    next_step = "use parameters that this version of the detector knows"
    return ParametersError(what, where="probe", expected=expected, next_step=next_step)


def schema() -> dict[str, object]:
    """JSON schema of a probe's document, made from the registry."""
    return {"oneOf": [_kind_schema(name) for name in KINDS]}


def _kind_schema(name: str) -> dict[str, object]:
    kind = KINDS[name]
    parameters = {
        "type": "object",
        "required": list(kind.parameters),
        "additionalProperties": False,
        "properties": {key: parameter.schema() for key, parameter in kind.parameters.items()},
    }
    return {
        "type": "object",
        "description": kind.description,
        "required": ["kind", "version", "parameters"],
        "additionalProperties": False,
        "properties": {"kind": {"const": name}, "version": {"const": kind.version}, "parameters": parameters},
    }
