"""Example images from a directory: listed by name, selected by rule, and only then decoded, once.

The directory is untrusted. Only regular files are opened, only their PNG header is read before size and depth are
found acceptable (so that no decompression bomb reaches the decoder), and Pillow is held to its PNG decoder. What is
left out or converted is told in findings, one for each kind of trouble; nothing is ever resized.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from detector.base.errors import ExamplesError, printable
from detector.base.findings import Finding, Severity
from detector.pruning.theta import SelectionRule
from detector.rounds.names import ExampleName, parse_name
from detector.rounds.preprocessing import PROFILES, Preprocessing

_MOST_ENTRIES = 10_000  # Round 1, the largest, has 501
_MOST_BYTES = 4 * 2**20  # a 256 x 256 RGB image has 0.2 MB before compression
_MOST_NAMES = 10  # told in a finding

_PNG_HEADER = struct.Struct(">8sI4sIIB")  # signature, length and tag of the first chunk, width, height, bit depth
_PNG_START = (b"\x89PNG\r\n\x1a\n", 13, b"IHDR")

# All that Pillow's PNG decoder raises on damaged data.
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


class _Trouble(Enum):
    """What can be said about a single file: severity, code, sentence."""

    DATA_CSV = (Severity.INFO, "data_csv_ignored", "data.csv is not read: labels come from the file names")
    HIDDEN = (Severity.INFO, "hidden_ignored", "hidden files are ignored")
    DIRECTORY = (Severity.INFO, "directory_ignored", "subdirectories are not searched")
    IRREGULAR = (Severity.WARNING, "irregular_ignored", "links and special files are not followed")
    SUFFIX = (Severity.INFO, "suffix_ignored", "files whose names do not end in .png are ignored")
    NAME = (Severity.WARNING, "name_unreadable", "file names without class and number are ignored")
    POISONED = (Severity.INFO, "poisoned_ignored", "poisoned examples are not measured with")
    LABEL = (Severity.ERROR, "label_out_of_range", "the network has no such class: skipped")
    NOT_PNG = (Severity.WARNING, "not_png", "not PNG images in spite of their names: skipped")
    UNREADABLE = (Severity.WARNING, "unreadable", "cannot be read: skipped")
    HUGE = (Severity.WARNING, "file_too_big", f"files of more than {_MOST_BYTES} bytes are skipped")
    SIZE = (Severity.WARNING, "wrong_size", "not square, or not of a size that the preprocessing takes: skipped")
    DEPTH = (Severity.WARNING, "sixteen_bit", "16-bit images are skipped")
    ANIMATED = (Severity.WARNING, "animated", "animated images are skipped")
    TRANSPARENT = (Severity.WARNING, "transparent", "images with transparent pixels are skipped")
    DAMAGED = (Severity.WARNING, "damaged", "truncated or damaged images are skipped")
    CONVERTED = (Severity.WARNING, "converted", "not plain RGB, converted to it")
    CONSTANT = (Severity.WARNING, "constant", "all pixels are equal, nothing can be recognised")
    REPLACED = (Severity.WARNING, "replaced", "unusable selected images were replaced by their next neighbours")


_Remark = tuple[_Trouble, str]


class _UnusableError(Exception):
    """This image is skipped. Never leaves the module."""

    def __init__(self, trouble: _Trouble, detail: str = "") -> None:
        super().__init__(trouble, detail)
        self.trouble = trouble
        self.detail = detail


@dataclass(frozen=True)
class Listing:
    """The clean examples of a directory, sorted by file name as text, and what was left out.

    `names[i]` is what the name of `paths[i]` says.
    """

    directory: Path
    paths: tuple[Path, ...]
    names: tuple[ExampleName, ...]
    findings: tuple[Finding, ...]

    def __len__(self) -> int:
        return len(self.paths)


@dataclass(frozen=True)
class Examples:
    """Decoded images, ready for a network.

    Attributes
    ----------
    images
        float32 of shape (N, 3, crop, crop), in [0, 1]; crop is 224 but for small rounds.
    pixels
        What they were made of, uint8 of the same shape, RGB: what probes change, before the same preprocessing.
    labels
        The true classes, int64 of shape (N,).
    names
        File names of the images used: plain ASCII, for no other name can be read.
    stands_for
        Which index of the listing was asked for: that of the image itself unless it replaces an unusable one.
    """

    images: NDArray[np.float32]
    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    stands_for: tuple[int, ...]
    findings: tuple[Finding, ...]

    def __len__(self) -> int:
        return len(self.names)

    def subset(self, selected: Iterable[int]) -> Examples:
        """Those images alone that were decoded for `selected`, indices of the listing."""
        wanted = set(selected)
        rows = [row for row, index in enumerate(self.stands_for) if index in wanted]
        names = tuple(self.names[row] for row in rows)
        stands_for = tuple(self.stands_for[row] for row in rows)
        return Examples(self.images[rows], self.pixels[rows], self.labels[rows], names, stands_for, self.findings)


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


def list_examples(directory: Path, num_classes: int | None = None) -> Listing:
    """The clean examples in `directory`; nothing is opened. `num_classes`, where known, is what labels are checked by.

    Raises
    ------
    ExamplesError
        The directory cannot be read, is far too full, or holds no clean example.
    """
    found: dict[Path, ExampleName] = {}
    remarks: list[_Remark] = []
    for entry in _entries(directory):
        verdict = _judge(entry, num_classes)
        if isinstance(verdict, ExampleName):
            found[directory / entry.name] = verdict
        else:
            remarks.append((verdict, entry.name))
    findings = _summary(remarks) + _missing_classes(found.values(), num_classes)
    if not found:
        raise _nothing_usable(directory, findings)
    return Listing(directory, tuple(found), tuple(found.values()), findings)


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as scan:
            entries = [entry for entry, _ in zip(scan, range(_MOST_ENTRIES + 1), strict=False)]
    except OSError as error:
        raise ExamplesError(
            f"the directory cannot be read ({error.strerror})",
            where=directory,
            expected="a directory of PNG images",
            next_step="check the path of the examples and its permissions",
        ) from error
    if len(entries) > _MOST_ENTRIES:
        raise ExamplesError(
            f"more than {_MOST_ENTRIES} entries",
            where=directory,
            expected="the examples of one model",
            next_step="give the directory of this model's examples alone",
        )
    return sorted(entries, key=lambda entry: entry.name)


def _judge(entry: os.DirEntry[str], num_classes: int | None) -> ExampleName | _Trouble:
    """What the entry's name says, or why it is no clean example."""
    name = parse_name(entry.name)
    if entry.name.startswith("."):
        return _Trouble.HIDDEN
    if entry.is_dir(follow_symlinks=False):
        return _Trouble.DIRECTORY
    if not entry.is_file(follow_symlinks=False):
        return _Trouble.IRREGULAR
    if entry.name == "data.csv":
        return _Trouble.DATA_CSV
    if name is None:
        return _Trouble.NAME if entry.name.lower().endswith(".png") else _Trouble.SUFFIX
    if name.poisoned:
        return _Trouble.POISONED
    return name if num_classes is None or name.label < num_classes else _Trouble.LABEL


def _missing_classes(names: Iterable[ExampleName], num_classes: int | None) -> tuple[Finding, ...]:
    present = {name.label for name in names}
    missing = [label for label in range(num_classes or 0) if label not in present]
    if not missing:
        return ()
    message = f"{len(missing)} of {num_classes} classes have no clean example"
    return (Finding(Severity.WARNING, "class_without_examples", message, {"classes": list(missing[:_MOST_NAMES])}),)


def select(listing: Listing, num_images: int, rule: SelectionRule) -> tuple[int, ...]:
    """Indices of the `num_images` = |D| images to measure with, ascending; all of them where there are fewer.

    `nist` is NIST's reference code: every (available // |D|)-th of the names in text order, from half a step on.
    `paper`, which only asks for |D| images, takes turns over the classes, then spreads evenly within each class.
    """
    if num_images < 1:
        raise ValueError(f"expected at least one image, got {num_images}")
    count = min(num_images, len(listing))
    if rule is SelectionRule.NIST:
        step = len(listing) // count
        return tuple(range(step // 2, len(listing), step)[:count])
    by_class: dict[int, list[int]] = defaultdict(list)
    for index in sorted(range(len(listing)), key=lambda index: (listing.names[index].number, index)):
        by_class[listing.names[index].label].append(index)
    shares = _shares({label: len(indices) for label, indices in sorted(by_class.items())}, count)
    return tuple(sorted(i for label, share in shares.items() for i in _spread(by_class[label], share)))


def _shares(available: dict[int, int], count: int) -> dict[int, int]:
    """How many of `count` images each class gives when the classes take turns, in order, while they have any."""
    shares = dict.fromkeys(available, 0)
    while count:
        for label in [label for label in available if shares[label] < available[label]][:count]:
            shares[label] += 1
            count -= 1
    return shares


def _spread(items: Sequence[int], count: int) -> list[int]:
    """`count` of the items, each from the middle of one of `count` equal stretches."""
    return [items[(2 * i + 1) * len(items) // (2 * count)] for i in range(count)]


def decode(listing: Listing, selected: Sequence[int], preprocessing: Preprocessing) -> Examples:
    """Decode the images of the listing at the indices `selected`, each file at most once.

    An unusable image is replaced by the next usable one that was not selected: of its own class in text order,
    wrapping around, and only then of the others.

    Raises
    ------
    ExamplesError
        Not one image of the listing is usable.
    """
    pixels = np.empty((len(selected), 3, preprocessing.crop, preprocessing.crop), dtype=np.uint8)
    remarks: list[_Remark] = []
    used: list[tuple[int, int]] = []  # the index that was asked for, the index of the image that stands for it
    spare = set(range(len(listing))) - set(selected)
    for index in selected:
        for candidate in chain((index,), _neighbours(listing, index, spare)):
            spare.discard(candidate)
            try:
                pixels[len(used)] = _cropped(listing.paths[candidate], preprocessing, remarks)
            except _UnusableError as error:
                remarks.append((error.trouble, f"{listing.paths[candidate].name}{error.detail}"))
                continue
            used.append((index, candidate))
            break
    remarks += [(_Trouble.REPLACED, listing.paths[index].name) for index, image in used if image != index]
    findings = listing.findings + _summary(remarks)
    if not used:
        raise _nothing_usable(listing.directory, findings)
    labels = np.array([listing.names[image].label for _, image in used], dtype=np.int64)
    names = tuple(listing.paths[image].name for _, image in used)
    pixels = pixels[: len(used)]
    stands_for = tuple(index for index, _ in used)
    return Examples(preprocessing.scaled(pixels), pixels, labels, names, stands_for, findings)


def _neighbours(listing: Listing, index: int, spare: set[int]) -> Iterator[int]:
    """The spare images in the order in which they replace the one at `index`; sorted only when one is needed."""
    label = listing.names[index].label
    yield from sorted(spare, key=lambda i: (listing.names[i].label != label, (i - index) % len(listing)))


def _cropped(path: Path, preprocessing: Preprocessing, remarks: list[_Remark]) -> NDArray[np.uint8]:
    """The pixels (3, crop, crop) that are used of one file; oddities that do no harm are added to `remarks`."""
    content = _read(path)
    _check_header(content, preprocessing)
    pixels, mode = _pixels(content)
    if mode != "RGB":
        remarks.append((_Trouble.CONVERTED, f"{path.name} ({mode})"))
    image = preprocessing.cropped(pixels)
    if image.min() == image.max():
        remarks.append((_Trouble.CONSTANT, path.name))
    return image


def _read(path: Path) -> bytes:
    content = _start(path, _MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise _UnusableError(_Trouble.HUGE)
    return content


def _start(path: Path, count: int) -> bytes:
    """The first `count` bytes, or all where there are fewer."""
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError as error:
        raise _UnusableError(_Trouble.UNREADABLE, f" ({error.strerror})") from error


def _check_header(content: bytes, preprocessing: Preprocessing) -> None:
    """Refuse by the first 25 bytes, before any decoder sees the file, what is not of the expected size and depth."""
    if len(content) < _PNG_HEADER.size:
        raise _UnusableError(_Trouble.NOT_PNG)
    *start, width, height, depth = _PNG_HEADER.unpack_from(content)
    if tuple(start) != _PNG_START:
        raise _UnusableError(_Trouble.NOT_PNG)
    if not preprocessing.accepts(width, height):
        raise _UnusableError(_Trouble.SIZE, f" ({width} x {height})")
    if depth > 8:
        raise _UnusableError(_Trouble.DEPTH)


def _pixels(content: bytes) -> tuple[NDArray[np.uint8], str]:
    """(H, W, 3) RGB pixels and the mode that they were stored in."""
    *_, width, height, _ = _PNG_HEADER.unpack_from(content)
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            if image.size != (width, height):  # a second header, which the decoder would believe
                raise _UnusableError(_Trouble.DAMAGED)
            if getattr(image, "is_animated", False):
                raise _UnusableError(_Trouble.ANIMATED)
            image.load()
            mode = f"{image.mode} with transparency" if "transparency" in image.info else image.mode
            return np.asarray(_opaque(image) if mode != "RGB" else image), mode
    except _DAMAGED as error:
        raise _UnusableError(_Trouble.DAMAGED) from error


def _opaque(image: Image.Image) -> Image.Image:
    full = image.convert("RGBA")
    if full.getchannel("A").getextrema() != (255, 255):
        raise _UnusableError(_Trouble.TRANSPARENT)
    return full.convert("RGB")


def takes_any(listing: Listing, preprocessing: Preprocessing) -> bool:
    """Whether any image of the listing is of a size that the profile takes; only PNG headers are read."""
    return any(_is_taken(path, preprocessing) for path in listing.paths)


def _is_taken(path: Path, preprocessing: Preprocessing) -> bool:
    try:
        _check_header(_start(path, _PNG_HEADER.size), preprocessing)
    except _UnusableError:
        return False
    return True


def _summary(remarks: Iterable[_Remark]) -> tuple[Finding, ...]:
    """One finding for each kind of trouble, in the order of the table, naming the first few files."""
    files: dict[_Trouble, list[str]] = defaultdict(list)
    for trouble, file in remarks:
        files[trouble].append(printable(file))
    return tuple(_finding(trouble, files[trouble]) for trouble in _Trouble if trouble in files)


def _finding(trouble: _Trouble, files: list[str]) -> Finding:
    severity, code, sentence = trouble.value
    message = f"{sentence} ({len(files)}, the first is {files[0]})"
    return Finding(severity, f"examples_{code}", message, {"count": len(files), "files": list(files[:_MOST_NAMES])})


def _nothing_usable(directory: Path, findings: Iterable[Finding]) -> ExamplesError:
    reasons = "; ".join(finding.message for finding in findings if finding.code != "class_without_examples")
    sides = " or ".join(
        str(side) for side in sorted({side for p in PROFILES.values() for side in (p.crop, p.uncropped)})
    )
    return ExamplesError(
        f"no usable example image: {reasons or 'the directory is empty'}",
        where=directory,
        expected=f"8-bit RGB files class_<c>_example_<n>.png, {sides} pixels a side",
        next_step="give the directory with this model's clean examples (Rounds 3 and 4: clean_example_data)",
    )
