"""What goes between this process and the child that parses for it: a JSON object, and blocks of raw bytes.

Nothing else, and never a pickle: the child may have been taken over by the file that it reads, so that what comes from
it is as hostile as the file. Lengths are compared with limits before anything is allocated, the JSON is read strictly,
and whoever asked checks every field that it uses.
"""

from __future__ import annotations

import json
import os
import select
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from detector.base.strict_json import parse_json

Header = dict[str, Any]

_MAGIC = b"PTD1"
_FRAME = struct.Struct("<4sII")  # magic, bytes of the header, number of blocks
_LENGTH = struct.Struct("<Q")
_MOST_BLOCKS = 16
_AT_ONCE = 1 << 20  # bytes asked for in one call


class MessageError(Exception):
    """What came is no message, or more than was to be expected. Never leaves the room of whoever asked."""


class EndOfMessagesError(Exception):
    """The other side has gone, in the middle of a message or before one."""


@dataclass(frozen=True)
class Message:
    """A JSON object and blocks of bytes."""

    header: Header
    blocks: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Sizes:
    """How large a message may be that comes in: bytes of the header, and of all blocks."""

    header: int
    blocks: int = 0


class Channel:
    """Messages over a connected descriptor, one way and back; `patience` bounds, in seconds, each wait."""

    def __init__(self, descriptor: int, patience: float | None = None) -> None:
        self._descriptor = descriptor
        self._patience = patience

    def send(self, header: Header, blocks: Sequence[bytes | memoryview] = ()) -> None:
        """Send a message.

        Raises
        ------
        EndOfMessagesError
            The other side has gone.
        TimeoutError
            It takes nothing.
        """
        text = json.dumps(header).encode("ascii")
        lengths = b"".join(_LENGTH.pack(len(block)) for block in blocks)
        for part in (_FRAME.pack(_MAGIC, len(text), len(blocks)) + lengths + text, *blocks):
            self._write(memoryview(part))

    def receive(self, most: Sizes) -> Message:
        """The next message.

        Raises
        ------
        MessageError
            It is malformed, or larger than `most`.
        EndOfMessagesError
            The other side has gone.
        TimeoutError
            Nothing came.
        """
        magic, length, count = _FRAME.unpack(self._read(_FRAME.size))
        if magic != _MAGIC or length > most.header or count > _MOST_BLOCKS:
            raise MessageError(f"a frame of {length} bytes and {count} blocks")
        lengths = [_LENGTH.unpack(self._read(_LENGTH.size))[0] for _ in range(count)]
        if sum(lengths) > most.blocks:
            raise MessageError(f"{sum(lengths)} bytes in blocks")
        try:
            header = parse_json(self._read(length).decode("ascii"))
        except ValueError as error:
            raise MessageError(f"a header that cannot be read ({error})") from error
        if type(header) is not dict:
            raise MessageError("a header that is no JSON object")
        return Message(header, tuple(self._read(one) for one in lengths))

    def _read(self, count: int) -> bytes:
        content = bytearray()
        while len(content) < count:
            self._wait(select.POLLIN if self._patience is not None else 0)
            try:
                part = os.read(self._descriptor, min(count - len(content), _AT_ONCE))
            except ConnectionError:
                part = b""
            if not part:
                raise EndOfMessagesError
            content += part
        return bytes(content)

    def _write(self, content: memoryview) -> None:
        content = content.cast("B") if content.nbytes else content
        while content.nbytes:
            self._wait(select.POLLOUT if self._patience is not None else 0)
            try:
                content = content[os.write(self._descriptor, content[:_AT_ONCE]) :]
            except (BrokenPipeError, ConnectionError) as error:
                raise EndOfMessagesError from error

    def _wait(self, events: int) -> None:
        if not events or self._patience is None:
            return
        poll = select.poll()
        poll.register(self._descriptor, events)
        end = time.monotonic() + self._patience
        if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
            raise TimeoutError
