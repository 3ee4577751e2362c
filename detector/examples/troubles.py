"""What can be wrong with a single example, and how it is told: one finding for each kind of trouble."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from enum import Enum

from detector.base.errors import printable
from detector.base.findings import Finding, Severity
from detector.rounds.resizing import LONGEST_SHAPE, MOST_PIXELS, SMALLEST_SIDE

MOST_NAMES = 10  # told in a finding


class Trouble(Enum):
    """What can be said about a single file: severity, code, sentence."""

    DATA_CSV = (Severity.INFO, "data_csv_ignored", "data.csv is not read: labels come from the file names")
    HIDDEN = (Severity.INFO, "hidden_ignored", "hidden files are ignored")
    DIRECTORY = (Severity.INFO, "directory_ignored", "subdirectories are not searched")
    IRREGULAR = (
        Severity.WARNING,
        "irregular_ignored",
        "special files, and links that lead to no regular file, are ignored: copy the files themselves (cp -L)",
    )
    SUFFIX = (Severity.INFO, "suffix_ignored", "files that are not named like the images of any round are ignored")
    NAME = (Severity.WARNING, "name_unreadable", "file names without class and number are ignored")
    UNPRINTABLE = (Severity.WARNING, "name_unprintable", "file names that cannot be shown are ignored: rename them")
    POISONED = (Severity.INFO, "poisoned_ignored", "poisoned examples are not measured with")
    LABEL_FILE = (Severity.WARNING, "label_file_unreadable", "the file beside the image says no class: skipped")
    LABEL = (Severity.ERROR, "label_out_of_range", "the network has no such class: skipped")
    NOT_PNG = (Severity.WARNING, "not_png", "not PNG images in spite of their names: skipped")
    NOT_JPEG = (Severity.WARNING, "not_jpeg", "not JPEG images in spite of their names: skipped")
    UNREADABLE = (Severity.WARNING, "unreadable", "cannot be read: skipped")
    HUGE = (Severity.WARNING, "file_too_big", "files of more bytes than are read of an image are skipped")
    CHUNKS = (Severity.WARNING, "too_many_parts", "files of more parts than an image needs are skipped")
    SIZE = (
        Severity.WARNING,
        "wrong_size",
        "not square, or not of a size that the preprocessing takes: skipped",
    )
    NO_PHOTOGRAPH = (
        Severity.WARNING,
        "not_resized",
        f"too small, too large or too long to be resized: skipped (a side of {SMALLEST_SIDE} pixels or more, at most "
        f"{MOST_PIXELS / 1e6:.0f} megapixels, at most {LONGEST_SHAPE} times as long as wide)",
    )
    DEPTH = (Severity.WARNING, "sixteen_bit", "images of more than 8 bits a channel, as 16-bit ones, are skipped")
    COLOURS = (Severity.WARNING, "cmyk", "images of four inks (CMYK) are skipped: save them as RGB")
    ANIMATED = (Severity.WARNING, "animated", "animated images are skipped")
    TRANSPARENT = (Severity.WARNING, "transparent", "images with transparent pixels are skipped")
    DAMAGED = (Severity.WARNING, "damaged", "truncated or damaged images are skipped")
    FATAL = (Severity.WARNING, "fatal", "decoding these ended the process that does it: skipped")
    RESIZED = (Severity.INFO, "resized", "photographs were resized and cropped to the network's input")
    ENLARGED = (
        Severity.WARNING,
        "enlarged",
        "smaller than the network's input, and enlarged: the network sees them less sharp than what it learned from",
    )
    CONVERTED = (Severity.WARNING, "converted", "not plain RGB, converted to it")
    CONSTANT = (Severity.WARNING, "constant", "all pixels are equal, nothing can be recognised")
    REPLACED = (Severity.WARNING, "replaced", "unusable selected images were replaced by their next neighbours")
    SPENT = (
        Severity.WARNING,
        "limit_of_folder",
        "all images together have more bytes, parts or pixels than are read of a folder: no further one is read",
    )

    @property
    def code(self) -> str:
        """Of the finding."""
        return f"examples_{self.value[1]}"


Remark = tuple[Trouble, str]


class UnusableError(Exception):
    """This image is skipped. Never leaves the room."""

    def __init__(self, trouble: Trouble, detail: str = "") -> None:
        super().__init__(trouble, detail)
        self.trouble = trouble
        self.detail = detail


def summary(remarks: Iterable[Remark]) -> tuple[Finding, ...]:
    """One finding for each kind of trouble, in the order of the table, naming the first few files."""
    files: dict[Trouble, list[str]] = defaultdict(list)
    for trouble, file in remarks:
        files[trouble].append(printable(file))
    return tuple(_finding(trouble, files[trouble]) for trouble in Trouble if trouble in files)


def _finding(trouble: Trouble, files: list[str]) -> Finding:
    severity, _, sentence = trouble.value
    message = f"{sentence} ({len(files)}, the first is {files[0]})"
    return Finding(severity, trouble.code, message, {"count": len(files), "files": list(files[:MOST_NAMES])})
