"""The bytes of one pickle, read forward once: never past their end, the limits, or the end of a frame."""

from __future__ import annotations

import struct

from detector.base.errors import CorruptModelError, UnsafeModelError
from detector.base.limits import ModelFileLimits
from detector.model_file.refusals import corrupt, dangerous, over_limit

U2, U4, U8 = (struct.Struct(layout) for layout in ("<H", "<I", "<Q"))
I4, FLOAT = struct.Struct("<i"), struct.Struct(">d")

_EXPECTED = "a pickle as torch.save writes it"
_LONGEST_NAME = 256  # bytes of a global's module or name


class PickleBytes:
    """A position in the bytes, and where the opcode in hand begins; `entry` names the pickle in errors."""

    def __init__(self, data: memoryview, limits: ModelFileLimits, entry: str, start: int) -> None:
        self.limits = limits
        self.position = start
        self._data = data
        self._entry = entry
        self._start = start
        self._end = min(len(data), start + limits.pickle_bytes)
        self._opcode_at = start
        self._frame_end = 0

    @property
    def where(self) -> str:
        """The opcode in hand, for errors."""
        return f"{self._entry}, byte {self._opcode_at - self._start}"

    def malformed(self, what: str) -> CorruptModelError:
        """The error of bytes that no pickler writes."""
        return corrupt(what, self.where, _EXPECTED)

    def misused(self, what: str) -> UnsafeModelError:
        """The error of opcodes that mean something, but nothing that a network needs."""
        return dangerous(what, self.where, _EXPECTED)

    def opcode(self) -> int:
        """The next one; errors are told of it from now on."""
        self._opcode_at = self.position
        return self.byte()

    def take(self, count: int) -> memoryview:
        """The next `count` bytes."""
        start = self.position
        self.position += count
        if self.position > self._end:
            raise self._ended()
        return self._data[start : self.position]

    def byte(self) -> int:
        """The same as take(1)[0], in half the time: it is called for every opcode."""
        at = self.position
        self.position += 1
        if at >= self._end:
            raise self._ended()
        return self._data[at]

    def number(self, layout: struct.Struct) -> int:
        """An integer of this layout."""
        number: int = layout.unpack(self.take(layout.size))[0]
        return number

    def long_integer(self) -> int:
        """One whose length stands before it."""
        length = self.byte()
        if length > self.limits.integer_bytes:
            raise over_limit("bytes in one integer", self.where, self.limits.integer_bytes)
        return int.from_bytes(self.take(length), "little", signed=True)

    def real(self) -> float:
        """A floating point number."""
        real: float = FLOAT.unpack(self.take(FLOAT.size))[0]
        return real

    def text(self, length: int) -> str:
        """UTF-8 of so many bytes."""
        if length > self.limits.string_bytes:
            raise over_limit("bytes in one string", self.where, self.limits.string_bytes)
        try:
            return str(self.take(length), "utf-8")
        except UnicodeDecodeError as error:
            raise self.malformed("a string that is not UTF-8") from error

    def string(self, length: int) -> bytes:
        """A copy of so many bytes."""
        if length > self.limits.pickle_bytes:
            raise over_limit("bytes in one string", self.where, self.limits.pickle_bytes)
        return bytes(self.take(length))

    def line(self) -> str:
        """Text up to the end of the line."""
        length = bytes(self._data[self.position : self.position + _LONGEST_NAME]).find(b"\n")
        if length < 0:
            raise self.malformed("a global with an endless name")
        line = self.text(length)
        self.take(1)
        return line

    def begin_frame(self) -> None:
        """Read the length of a frame, which none of the opcodes in it may cross."""
        length = self.number(U8)
        if self._frame_end or length == 0 or length > self._end - self.position:
            raise self.malformed("a frame inside a frame or beyond the end of the file")
        self._frame_end = self.position + length

    def check_frame(self) -> None:
        """After an opcode."""
        if not self._frame_end:
            return
        if self.position > self._frame_end:
            raise self.malformed("an opcode that crosses the end of its frame")
        if self.position == self._frame_end:
            self._frame_end = 0

    def check_end(self) -> None:
        """After the last opcode."""
        if self._frame_end not in (0, self.position):
            raise self.malformed("a frame that reaches beyond the end of the pickle")

    def _ended(self) -> CorruptModelError | UnsafeModelError:
        if self.position > len(self._data):
            return self.malformed("the pickle is truncated")
        return over_limit("bytes in one pickle", self.where, self.limits.pickle_bytes)
