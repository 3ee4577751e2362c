"""JPEG files: size and colours by their frame header, and the segments that make up the picture (ITU T.81, annex B).

Everything else, EXIF, colour profiles, XMP, further images, is passed over unread; so the orientation that a camera
notes is not applied, as NIST's generator and training code know none. Baseline and progressive files of one or three
channels are read; CMYK is refused, for what it looks like depends on inks.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from detector.base.limits import LIMITS
from detector.examples.parts import Header, Picture
from detector.examples.troubles import Trouble, UnusableError

HEADER_BYTES = 2**18  # of metadata in front of the frame header, which may be long

_START_OF_IMAGE, _END_OF_IMAGE, _START_OF_SCAN = 0xD8, 0xD9, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
# Tables (DHT, DAC, DQT, DNL, DRI), frames, scans; JFIF's and Adobe's segments say which colours the channels are.
_OF_THE_PICTURE = _FRAMES | {0xC4, 0xCC, 0xDB, 0xDC, 0xDD, 0xE0, 0xEE, _START_OF_SCAN, _END_OF_IMAGE}

_FRAME = struct.Struct(">BHHB")  # bits a channel, height, width, channels
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # that ends the data of a scan


class _Segment(NamedTuple):
    """A marker and its place: from its first byte to the end of what follows it, the data of a scan included."""

    marker: int
    start: int
    end: int


def header(content: bytes) -> Header:
    """Size and bits a channel, from the first `HEADER_BYTES` bytes, or more where the metadata are longer.

    Raises
    ------
    UnusableError
        It is no JPEG file, has no frame header, or four channels.
    """
    for segment in _segments(content):
        if segment.marker in _FRAMES:
            if segment.end - segment.start < 4 + _FRAME.size:
                break
            depth, height, width, channels = _FRAME.unpack_from(content, segment.start + 4)
            if channels == 4:
                raise UnusableError(Trouble.COLOURS)
            return Header(width, height, depth)
    raise UnusableError(Trouble.DAMAGED)


def picture(content: bytes) -> Picture:
    """The file without what is no part of the picture.

    Raises
    ------
    UnusableError
        It does not come to its end, has two frame headers, or far too many segments or scans.
    """
    segments = list(_segments(content))
    markers = [segment.marker for segment in segments]
    if not markers or markers[-1] != _END_OF_IMAGE or sum(marker in _FRAMES for marker in markers) != 1:
        raise UnusableError(Trouble.DAMAGED)
    scans = markers.count(_START_OF_SCAN)
    if scans > LIMITS.images.file_scans:
        raise UnusableError(Trouble.CHUNKS)
    kept = [content[each.start : each.end] for each in segments if each.marker in _OF_THE_PICTURE]
    return Picture(content[:2] + b"".join(kept), len(segments), scans)


def _segments(content: bytes) -> Iterator[_Segment]:
    """All segments after the start of the image, as far as they are whole."""
    if content[:3] != bytes((0xFF, _START_OF_IMAGE, 0xFF)):
        raise UnusableError(Trouble.NOT_JPEG)
    place, count = 2, 0
    while place + 1 < len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if marker == 0xFF:  # a byte that fills
            place += 1
            continue
        count += 1
        if count > LIMITS.images.file_parts:
            raise UnusableError(Trouble.CHUNKS)
        end = place + 2
        if marker not in _WITHOUT_LENGTH | {_END_OF_IMAGE}:
            end += max(int.from_bytes(content[end : end + 2]), 2)
        if end > len(content):
            return
        if marker == _START_OF_SCAN:
            found = _MARKER.search(content, end)
            end = found.start() if found else len(content)
        yield _Segment(marker, place, end)
        if marker == _END_OF_IMAGE:
            return
        place = end
