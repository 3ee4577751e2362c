"""What a reader of an image format says of a file, before any decoder sees it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Header:
    """Width and height in pixels, bits a channel."""

    width: int
    height: int
    depth: int


@dataclass(frozen=True)
class Picture:
    """A file without its metadata, how many parts the whole file has, and how often decoding passes over the image."""

    content: bytes
    parts: int
    scans: int = 1
