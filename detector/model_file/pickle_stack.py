"""The stack and the memo of the pickle machine, and the work that it may do: all three are bounded by `Limits`."""

from __future__ import annotations

from detector.model_file.pickle_bytes import PickleBytes
from detector.model_file.refusals import over_limit


class PickleStack:
    """Objects, marks among them, and the memo; errors name the opcode in hand of `source`."""

    def __init__(self, source: PickleBytes) -> None:
        self.source = source
        self.limits = source.limits
        self._steps = 0
        self._objects: list[object] = []
        self._marks: list[int] = []
        self._memo: dict[int, object] = {}

    def spend(self, steps: int) -> None:
        """Count work: an opcode is one step, and each object that it moves or copies another."""
        self._steps += steps
        if self._steps > self.limits.opcodes:
            raise over_limit("pickle opcodes", self.source.where, self.limits.opcodes)

    def check_size(self) -> None:
        """After an opcode."""
        if len(self._objects) > self.limits.stack:
            raise over_limit("objects on the pickle stack", self.source.where, self.limits.stack)

    def push(self, value: object) -> None:
        """Onto the top."""
        self._objects.append(value)

    def pop(self) -> object:
        """The topmost object, above the last mark."""
        if len(self._objects) <= (self._marks[-1] if self._marks else 0):
            raise self.source.malformed("an opcode that takes more objects than there are")
        return self._objects.pop()

    def pop_several(self, count: int) -> tuple[object, ...]:
        """So many objects, the topmost last."""
        self.spend(count)
        items = [self.pop() for _ in range(count)]
        return tuple(reversed(items))

    def pop_to_mark(self) -> list[object]:
        """All objects above the last mark, and the mark."""
        if not self._marks:
            raise self.source.malformed("an opcode without its mark")
        mark = self._marks.pop()
        items = self._objects[mark:]
        del self._objects[mark:]
        self.spend(len(items))
        return items

    def mark(self) -> None:
        """Set a mark."""
        if len(self._marks) >= self.limits.stack:
            raise over_limit("marks on the pickle stack", self.source.where, self.limits.stack)
        self._marks.append(len(self._objects))

    def remember(self, index: int) -> None:
        """Note the topmost object in the memo."""
        value = self.pop()
        self.push(value)
        self._memo[index] = value
        if len(self._memo) > self.limits.memo:
            raise over_limit("objects in the pickle memo", self.source.where, self.limits.memo)

    def remember_next(self) -> None:
        """At the next index of the memo."""
        self.remember(len(self._memo))

    def recall(self, index: int) -> None:
        """Push what the memo has there."""
        if index not in self._memo:
            raise self.source.malformed(f"memo entry {index} is used before it is set")
        self.push(self._memo[index])

    def last(self) -> object:
        """The one object that is left at the end."""
        if len(self._objects) != 1 or self._marks:
            raise self.source.malformed(f"{len(self._objects)} objects left at the end of the pickle")
        return self._objects[0]
