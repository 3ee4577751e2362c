"""Example images from a directory: listed by name, selected by rule, and only then decoded, once.

The directory is untrusted. Only regular files are opened, through links too; only their header is read before size and
depth are found acceptable (so that no decompression bomb reaches the decoder), metadata are never decoded, and Pillow
is held to the decoder of the format that the name says. All images together have limits as each has. What is left out,
converted or resized is told in findings, one for each kind of trouble; nothing is resized unless the profile says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from detector.base.budget import Budget
from detector.base.errors import DeadlineError, UnreadableFileError
from detector.base.files import read_start
from detector.base.findings import Finding, Severity
from detector.base.limits import LIMITS, ImageLimits
from detector.examples import jpeg, png
from detector.examples.allowance import Allowance, SpentError
from detector.examples.decoding import Decode, decoder
from detector.examples.listing import Listing, list_examples, nothing_usable
from detector.examples.parts import Header, Picture
from detector.examples.selection import select
from detector.examples.troubles import Remark, Trouble, UnusableError, summary
from detector.pruning.theta import SelectionRule
from detector.rounds.example_names import ImageFormat
from detector.rounds.profile import Preprocessing
from detector.sandbox.sandbox import Sandbox

__all__ = [
    "Examples",
    "Listing",
    "decode",
    "list_examples",
    "load_examples",
    "select",
    "shortage",
    "sizes",
    "takes_any",
]


@dataclass(frozen=True)
class Examples:
    """Decoded images, ready for a network.

    Attributes
    ----------
    images
        float32 of shape (N, 3, crop, crop), in [0, 1] unless the profile has a mean and deviation.
    pixels
        What they were made of, uint8 of the same shape, RGB: what probes change, before the same preprocessing.
    labels
        The true classes, int64 of shape (N,); 0 and without meaning where they are not `labelled`.
    names
        File names of the images used, all printable.
    stands_for
        Which index of the listing was asked for: that of the image itself unless it replaces an unusable one.
    """

    images: NDArray[np.float32]
    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    stands_for: tuple[int, ...]
    findings: tuple[Finding, ...]
    labelled: bool = True

    def __len__(self) -> int:
        return len(self.names)

    def with_labels(self, labels: NDArray[np.int64]) -> Examples:
        """The same images under these classes (N,): what a network says of images that nobody has labelled."""
        return replace(self, labels=labels)

    def prepared(self, preprocessing: Preprocessing) -> Examples:
        """The same pixels under another profile that crops images to the same size."""
        return replace(self, images=preprocessing.scaled(self.pixels))

    def subset(self, selected: Iterable[int]) -> Examples:
        """Those images alone that were decoded for `selected`, indices of the listing."""
        wanted = set(selected)
        rows = [row for row, index in enumerate(self.stands_for) if index in wanted]
        names = tuple(self.names[row] for row in rows)
        stands_for = tuple(self.stands_for[row] for row in rows)
        return replace(
            self,
            images=self.images[rows],
            pixels=self.pixels[rows],
            labels=self.labels[rows],
            names=names,
            stands_for=stands_for,
        )


def load_examples(
    directory: Path,
    preprocessing: Preprocessing,
    num_images: int,
    rule: SelectionRule,
    num_classes: int | None = None,
) -> Examples:
    """List, select and decode `num_images` = |D| images of `directory`, fewer where there are not as many.

    Raises
    ------
    ExamplesError
        The directory cannot be read or holds no usable image.
    """
    listing = list_examples(directory, num_classes)
    examples = decode(listing, select(listing, num_images, rule), preprocessing)
    return replace(examples, findings=examples.findings + shortage(num_images, len(examples)))


def shortage(asked: int, used: int) -> tuple[Finding, ...]:
    """The finding that fewer images are `used` than theta `asked` for, if it is so."""
    if used >= asked:
        return ()
    message = f"{asked} images were asked for, {used} can be used"
    return (Finding(Severity.WARNING, "fewer_examples", message, {"asked": asked, "used": used}),)


def decode(
    listing: Listing,
    selected: Sequence[int],
    preprocessing: Preprocessing,
    budget: Budget | None = None,
    limits: ImageLimits | None = None,
    sandbox: Sandbox | None = None,
) -> Examples:
    """Decode the images of the listing at the indices `selected`, each file at most once.

    An unusable image is replaced by the next usable one that was not selected: of its own class in text order,
    wrapping around, and only then of the others. Once all images together have asked for more than `limits`, by default
    those of what the profile takes, no further one is read. They are decoded in the `sandbox`, where there is one, else
    in this process.

    Raises
    ------
    ExamplesError
        Not one image of the listing is usable.
    DeadlineError
        The budget, where there is one, ends before they are decoded.
    """
    pixels = np.empty((len(selected), 3, preprocessing.crop, preprocessing.crop), dtype=np.uint8)
    remarks: list[Remark] = []
    used: list[tuple[int, int]] = []  # the index that was asked for, the index of the image that stands for it
    limits = limits or (LIMITS.photographs if preprocessing.resized else LIMITS.images)
    try:
        with decoder(sandbox) as to_pixels:
            reader = _Reader(preprocessing, limits, remarks, to_pixels)
            for index, candidate, image in _usable(listing, selected, reader, budget):
                pixels[len(used)] = image
                used.append((index, candidate))
    except SpentError:
        pass  # told in the remarks
    remarks += [(Trouble.REPLACED, listing.paths[index].name) for index, image in used if image != index]
    findings = listing.findings + summary(remarks)
    if not used:
        raise nothing_usable(listing.directory, findings)
    labels = np.array([listing.names[image].label for _, image in used], dtype=np.int64)
    names = tuple(listing.paths[image].name for _, image in used)
    pixels = pixels[: len(used)]
    stands_for = tuple(index for index, _ in used)
    return Examples(preprocessing.scaled(pixels), pixels, labels, names, stands_for, findings, listing.labelled)


def _usable(
    listing: Listing, selected: Sequence[int], reader: _Reader, budget: Budget | None
) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:
    """For each index that is asked for: itself, the index of the image that stands for it, and that image."""
    spare = set(range(len(listing))) - set(selected)
    for index in selected:
        for candidate in chain((index,), _neighbours(listing, index, spare)):
            if budget is not None and budget.remaining() <= 0:
                raise _too_late(listing.directory, budget)
            spare.discard(candidate)
            image = reader.read(listing.paths[candidate])
            if image is not None:
                yield index, candidate, image
                break


def _too_late(directory: Path, budget: Budget) -> DeadlineError:
    return DeadlineError(
        f"{budget.elapsed():.1f} s had passed before the images were decoded: nothing can be measured",
        where=directory,
        expected=f"an answer within {budget.seconds:g} s",
        next_step="raise infer_max_seconds in metaparameters.json, or give fewer or sounder images",
    )


def _neighbours(listing: Listing, index: int, spare: set[int]) -> Iterator[int]:
    """The spare images in the order in which they replace the one at `index`; sorted only when one is needed."""
    label = listing.names[index].label
    yield from sorted(spare, key=lambda i: (listing.names[i].label != label, (i - index) % len(listing)))


class _Reader:
    """Takes the pixels of files that a network sees; notes what is remarkable, and counts what all of them ask for."""

    def __init__(
        self, preprocessing: Preprocessing, limits: ImageLimits, remarks: list[Remark], to_pixels: Decode
    ) -> None:
        self._preprocessing = preprocessing
        self._allowance = Allowance(limits)
        self._limits = limits
        self._remarks = remarks
        self._to_pixels = to_pixels

    def read(self, path: Path) -> NDArray[np.uint8] | None:
        """The pixels (3, crop, crop) that are used of the file, None where it is unusable.

        Raises
        ------
        SpentError
            All files together have asked for too much.
        """
        try:
            return self._cropped(path)
        except UnusableError as error:
            self._remarks.append((error.trouble, f"{path.name}{error.detail}"))
            return None
        except SpentError:
            self._remarks.append((Trouble.SPENT, path.name))
            raise

    def _cropped(self, path: Path) -> NDArray[np.uint8]:
        content = _read(path, self._limits.file_bytes)
        self._allowance.take(num_bytes=len(content))
        image_format = _format(path)
        header = _checked_header(content, image_format, self._preprocessing)
        picture, num_pixels = _picture(content, image_format), header.width * header.height
        if picture.scans * num_pixels > self._limits.file_work:
            raise UnusableError(Trouble.CHUNKS)
        self._allowance.take(parts=picture.parts, pixels=num_pixels)
        pixels, mode = self._to_pixels(picture.content, image_format, header)
        image = self._preprocessing.cropped(pixels)
        self._remarks += [
            (trouble, f"{path.name}{detail}") for trouble, detail in self._remarkable(header, mode, image)
        ]
        return image

    def _remarkable(self, header: Header, mode: str, image: NDArray[np.uint8]) -> Iterator[Remark]:
        """What is remarkable of an image that is used, and what follows its name."""
        if mode != "RGB":
            yield Trouble.CONVERTED, f" ({mode})"
        if not self._preprocessing.takes_unchanged(header.width, header.height):
            enlarged = min(header.width, header.height) < self._preprocessing.crop
            yield (Trouble.ENLARGED if enlarged else Trouble.RESIZED), f" ({header.width} x {header.height})"
        if not np.ptp(image, axis=(1, 2)).any():
            yield Trouble.CONSTANT, ""


def _read(path: Path, limit: int) -> bytes:
    content = _start(path, limit + 1)
    if len(content) > limit:
        raise UnusableError(Trouble.HUGE, f" (more than {limit} bytes)")
    return content


def _start(path: Path, count: int) -> bytes:
    """The first `count` bytes, or all where there are fewer."""
    try:
        return read_start(path, count)
    except UnreadableFileError as error:
        raise UnusableError(Trouble.UNREADABLE, f" ({error.what})") from error


def _format(path: Path) -> ImageFormat:
    image_format = ImageFormat.by_name(path)
    if image_format is None:
        raise ValueError(f"expected a name of an image, got {path.name}")
    return image_format


def _checked_header(content: bytes, image_format: ImageFormat, preprocessing: Preprocessing) -> Header:
    """Refuse, before any decoder sees the file, what is not of the expected size and depth."""
    header = _header(content, image_format)
    if not preprocessing.accepts(header.width, header.height):
        trouble = Trouble.NO_PHOTOGRAPH if preprocessing.resized else Trouble.SIZE
        raise UnusableError(trouble, f" ({header.width} x {header.height})")
    if header.depth > 8:
        raise UnusableError(Trouble.DEPTH)
    return header


def _header(content: bytes, image_format: ImageFormat) -> Header:
    match image_format:
        case ImageFormat.PNG:
            return png.header(content)
        case ImageFormat.JPEG:
            return jpeg.header(content)
    assert_never(image_format)


def _picture(content: bytes, image_format: ImageFormat) -> Picture:
    match image_format:
        case ImageFormat.PNG:
            return png.picture(content)
        case ImageFormat.JPEG:
            return jpeg.picture(content)
    assert_never(image_format)


_HEADER_BYTES = {ImageFormat.PNG: png.HEADER_BYTES, ImageFormat.JPEG: jpeg.HEADER_BYTES}


def takes_any(listing: Listing, preprocessing: Preprocessing) -> bool:
    """Whether any image of the listing is of a size that the profile takes; only headers are read."""
    return any(_is_taken(path, preprocessing) for path in listing.paths)


def sizes(listing: Listing) -> Iterator[tuple[int, int]]:
    """Width and height of each image of the listing, in pixels, by its header; of those that have one."""
    for path in listing.paths:
        try:
            header = _header_of(path)
        except UnusableError:
            continue
        yield header.width, header.height


def _header_of(path: Path) -> Header:
    image_format = _format(path)
    return _header(_start(path, _HEADER_BYTES[image_format]), image_format)


def _is_taken(path: Path, preprocessing: Preprocessing) -> bool:
    image_format = _format(path)
    try:
        _checked_header(_start(path, _HEADER_BYTES[image_format]), image_format, preprocessing)
    except UnusableError:
        return False
    return True
