"""PNG files: what their first bytes say, and the parts that make up the picture (PNG specification, section 11).

Everything else, colour profiles, XMP, texts, is passed over unread: a decoder that never sees it cannot be made to
unpack it.
"""

from __future__ import annotations

import struct

from detector.base.limits import LIMITS
from detector.examples.parts import Header, Picture
from detector.examples.troubles import Trouble, UnusableError

HEADER_BYTES = 25  # as far as the bit depth

_HEADER = struct.Struct(">8sI4sIIB")  # signature, length and tag of the first chunk, width, height, bit depth
_START = (b"\x89PNG\r\n\x1a\n", 13, b"IHDR")
_CHUNK = struct.Struct(">I4s")
_AROUND = 12  # bytes: length, tag and checksum of a chunk

# What the pixels depend on, and what tells an animation.
_OF_THE_PICTURE = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL"})


def header(content: bytes) -> Header:
    """Size and bits a channel, from the first `HEADER_BYTES` bytes.

    Raises
    ------
    UnusableError
        It is no PNG file.
    """
    if len(content) < _HEADER.size:
        raise UnusableError(Trouble.NOT_PNG)
    *start, width, height, depth = _HEADER.unpack_from(content)
    if tuple(start) != _START:
        raise UnusableError(Trouble.NOT_PNG)
    return Header(width, height, depth)


def picture(content: bytes) -> Picture:
    """The file without what is no part of the picture; whether that is whole is for the decoder to find.

    Raises
    ------
    UnusableError
        It has two headers, of which the decoder would believe the other one, or far too many chunks.
    """
    kept, place, count = [content[:8]], 8, 0
    while place + _CHUNK.size <= len(content):
        length, tag = _CHUNK.unpack_from(content, place)
        count += 1
        if count > LIMITS.images.file_parts:
            raise UnusableError(Trouble.CHUNKS)
        if tag == b"IHDR" and count > 1:
            raise UnusableError(Trouble.DAMAGED)
        if tag in _OF_THE_PICTURE:
            kept.append(content[place : place + length + _AROUND])
        if tag == b"IEND":
            break
        place += length + _AROUND
    return Picture(b"".join(kept), count)
