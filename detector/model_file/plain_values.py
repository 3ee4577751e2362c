"""The attributes of modules as plain data: text, numbers, tuples of these; what could be more than data is refused."""

from __future__ import annotations

from detector.base.limits import ModelFileLimits
from detector.model_file.allowed import GlobalName, Role
from detector.model_file.pickle_values import Call, Inert, describe
from detector.model_file.records import PlainValue
from detector.model_file.refusals import over_limit, unsafe


class PlainValues:
    """Turns values of the pickle machine into plain data; what it spends of values and text adds up."""

    def __init__(self, limits: ModelFileLimits) -> None:
        self._limits = limits
        self._values = 0
        self._text = 0

    def spend(self, values: int, where: str) -> None:
        """Count so many values that are looked at; raises UnsafeModelError beyond the limit."""
        self._values += values
        if self._values > self._limits.values:
            raise over_limit("attribute values", where, self._limits.values)

    def plain(self, value: object, where: str, depth: int = 0) -> PlainValue:
        """The value as plain data; classes become their dotted names, lists and sets tuples, dicts tuples of pairs.

        Raises
        ------
        UnsafeModelError
            It is none, is nested too deeply, or is too much.
        """
        self.spend(1, where)
        if depth > self._limits.nesting:
            raise unsafe("values nested too deeply, or in themselves", where, f"at most {self._limits.nesting}")
        match value:
            case str():
                self._read(value, where)
                return value
            case None | bool() | int() | float():
                return value
            case list() | tuple():
                return tuple(self.plain(item, where, depth + 1) for item in value)
            case set():
                for item in value:
                    self._read(item, where)  # before they are compared
                return tuple(self.plain(item, where, depth + 1) for item in sorted(value))
            case dict():
                return tuple(self.plain(pair, where, depth + 1) for pair in value.items())
            case GlobalName(role=Role.MODULE | Role.INERT):
                return str(value)
            case Call(function=GlobalName(role=Role.PARTIAL)):
                return self._partial(value, where, depth)
            case Inert():
                return (str(value.function), *(self.plain(part, where, depth + 1) for part in value.parts))
            case bytes():
                return f"{len(value)} bytes"
        raise unsafe(f"{describe(value)} as an attribute", where, "plain values")

    def _partial(self, value: Call, where: str, depth: int) -> PlainValue:
        """`partial(LayerNorm, eps=1e-6)` as `("functools.partial", "...LayerNorm", (), (("eps", 1e-6),))`."""
        match value.arguments, value.state:
            case (GlobalName(role=Role.MODULE) as cls,), (again, tuple() as preset, dict() | None as options, None):
                if again == cls:
                    rest = (self.plain(preset, where, depth + 1), self.plain(options or {}, where, depth + 1))
                    return ("functools.partial", str(cls), *rest)
        raise unsafe("functools.partial of something other than a module class", where, "plain values")

    def _read(self, text: str, where: str) -> None:
        self._text += len(text)
        if self._text > self._limits.text:
            raise over_limit("characters in attributes", where, self._limits.text)
