"""A kind of work that is done in a confined child: parse a model file, decode images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from detector.sandbox.message import Channel, Header


@dataclass(frozen=True)
class Job:
    """`serve` runs confined, with the arguments, the content that was handed over (empty if none) and a channel to ask
    and answer on; `prepare` runs before, in the process that children are forked from: whatever is imported late must
    be there by then, for a confined process opens nothing. Both are functions of a module, found there by name.
    """

    name: str
    serve: Callable[[Header, memoryview, Channel], None]
    prepare: Callable[[], None]
