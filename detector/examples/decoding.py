"""From the bytes of one image to pixels: by Pillow, in this process or in a confined child.

Pillow's decoders are C code, and what they are given is hostile. A child that an image takes over, or takes down, costs
that image; what it answers is a number of bytes that is known before, and a word.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from detector.base.text import printable
from detector.examples.parts import Header
from detector.examples.troubles import Trouble, UnusableError
from detector.rounds.example_names import ImageFormat
from detector.sandbox.job import Job
from detector.sandbox.message import Channel, Message, Sizes
from detector.sandbox.message import Header as Fields
from detector.sandbox.sandbox import ChildFailedError, Sandbox, Session

Decode = Callable[[bytes, ImageFormat, Header], tuple[NDArray[np.uint8], str]]
"""From the content of a file, its format and what its header says, to (H, W, 3) RGB pixels and the mode that they were
stored in; UnusableError where there are none."""

_NAME = "images"
_MOST_MODE = 60  # characters of a mode
_MOST_PIXELS = 1 << 26  # of one child, which then makes room for another: a limit of time is for so much work
_REQUEST = Sizes(header=4096, blocks=1 << 31)

# All that Pillow's decoders raise on damaged data.
_DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


@contextmanager
def decoder(sandbox: Sandbox | None) -> Iterator[Decode]:
    """What decodes the images of one folder: a confined child, or this process where there is no sandbox."""
    if sandbox is None:
        yield decode_here
        return
    with ExitStack() as children:
        yield _Confined(sandbox, children)


def decode_here(content: bytes, image_format: ImageFormat, header: Header) -> tuple[NDArray[np.uint8], str]:
    """A `Decode`, in this process."""
    try:
        with Image.open(io.BytesIO(content), formats=[image_format.name]) as image:
            if image.size != (header.width, header.height):  # a second header, which the decoder would believe
                raise UnusableError(Trouble.DAMAGED)
            if getattr(image, "is_animated", False):
                raise UnusableError(Trouble.ANIMATED)
            image.load()
            mode = f"{image.mode} with transparency" if "transparency" in image.info else image.mode
            return np.asarray(_opaque(image) if mode != "RGB" else image), mode
    except _DAMAGED as error:
        raise UnusableError(Trouble.DAMAGED) from error


def _opaque(image: Image.Image) -> Image.Image:
    full = image.convert("RGBA")
    if full.getchannel("A").getextrema() != (255, 255):
        raise UnusableError(Trouble.TRANSPARENT)
    return full.convert("RGB")


class _Confined:
    """A `Decode` in children, one after the other: a new one after one that has died, or has done enough."""

    def __init__(self, sandbox: Sandbox, children: ExitStack) -> None:
        self._sandbox = sandbox
        self._children = children
        self._session: Session | None = None
        self._pixels = 0

    def __call__(self, content: bytes, image_format: ImageFormat, header: Header) -> tuple[NDArray[np.uint8], str]:
        fields = {"format": image_format.name, "width": header.width, "height": header.height, "depth": header.depth}
        try:
            session = self._with_room_for(header.width * header.height)
            answer = session.ask(fields, [content], header.width * header.height * 3)
            return _answered(answer, header, session)
        except ChildFailedError as error:
            self._end()
            raise UnusableError(Trouble.FATAL, f" ({error.what})") from error

    def _with_room_for(self, pixels: int) -> Session:
        if self._session is None or self._pixels + pixels > _MOST_PIXELS:
            self._end()
            self._session = self._children.enter_context(self._sandbox.session(_NAME, {}))
        self._pixels += pixels
        return self._session

    def _end(self) -> None:
        self._session, self._pixels = None, 0
        self._children.close()


def _answered(answer: Message, header: Header, session: Session) -> tuple[NDArray[np.uint8], str]:
    match answer.header:
        case {"trouble": str() as name} if name in Trouble.__members__ and len(answer.header) == 1:
            raise UnusableError(Trouble[name])
        case {"mode": str() as mode} if len(mode) <= _MOST_MODE and len(answer.header) == 1 and answer.blocks:
            if len(answer.blocks[0]) == header.width * header.height * 3:
                pixels = np.frombuffer(answer.blocks[0], np.uint8).reshape(header.height, header.width, 3)
                return pixels, printable(mode)
    raise session.nonsense("no image of this size")


# In the child.


def _serve(_: Fields, __: memoryview, channel: Channel) -> None:
    """Decode one image after the other, until nobody asks."""
    while True:
        asked = channel.receive(_REQUEST)
        fields = asked.header
        header = Header(fields["width"], fields["height"], fields["depth"])
        try:
            pixels, mode = decode_here(asked.blocks[0], ImageFormat[fields["format"]], header)
        except UnusableError as error:
            channel.send({"trouble": error.trouble.name})
        else:
            channel.send({"mode": mode}, [np.ascontiguousarray(pixels).tobytes()])


def _prepare() -> None:
    """Load what Pillow loads late: its plugins, and what they load for odd files."""
    from PIL import MpoImagePlugin, TiffImagePlugin

    Image.preinit()
    assert {"MPO", "TIFF"} <= {MpoImagePlugin.MpoImageFile.format, TiffImagePlugin.TiffImageFile.format}
    for image_format in ImageFormat:
        file = io.BytesIO()
        Image.new("P", (8, 8)).convert("RGB").save(file, image_format.name)
        decode_here(file.getvalue(), image_format, Header(8, 8, 8))


JOB = Job(_NAME, _serve, _prepare)
