"""What is said of an example image: by its file name, or by a label file beside it.

The directory part is never looked at. Names and label files are untrusted; only the forms that an entry of the
registry documents are read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePath

from detector.base.errors import UnreadableFileError
from detector.base.limits import LIMITS
from detector.base.strict_json import parse_json
from detector.rounds.tables import read_text

_LARGEST_CLASS = 999_999_999


class ImageFormat(Enum):
    """A format of image files, and the endings of their names."""

    PNG = (".png",)
    JPEG = (".jpg", ".jpeg")

    @classmethod
    def by_name(cls, path: str | PurePath) -> ImageFormat | None:
        """The format that the ending of the name stands for."""
        suffix = PurePath(path).suffix.lower()
        return next((each for each in cls if suffix in each.value), None)


@dataclass(frozen=True)
class ExampleName:
    """What is said of an example: true class, running number, and the trigger that was stamped on the image, if any."""

    label: int
    number: int
    trigger: int | None = None

    @property
    def poisoned(self) -> bool:
        """Whether the image carries a trigger: its true class is `label`, but no clean network is measured with it."""
        return self.trigger is not None


class LabelFileError(Exception):
    """The label file beside an image says no class; the text says why."""


@dataclass(frozen=True)
class ExampleRule:
    """How the examples of a round are named, and where their classes are.

    Attributes
    ----------
    form
        The form of the names, for people.
    pattern
        The whole name; group `number`, and `label` and `trigger` where the name says them.
    label_suffix
        Where the name does not say the class: the suffix of the file of the same name that holds it, as one integer
        in JSON.
    """

    form: str
    pattern: re.Pattern[str]
    label_suffix: str | None = None

    def matches(self, path: PurePath) -> bool:
        """Whether an example may have this name."""
        return self.pattern.fullmatch(path.name) is not None

    def read(self, path: Path) -> ExampleName | None:
        """What is said of the image at `path`, None where it is not named like an example; the image is not opened.

        Raises
        ------
        LabelFileError
            Its label file cannot be read or holds no class.
        """
        match = self.pattern.fullmatch(path.name)
        if match is None:
            return None
        said = match.groupdict()
        label = int(said["label"]) if self.label_suffix is None else _class_in(path.with_suffix(self.label_suffix))
        trigger = said.get("trigger")
        return ExampleName(label, int(said["number"]), None if trigger is None else int(trigger))


def _class_in(path: Path) -> int:
    try:
        value = parse_json(read_text(path, LIMITS.texts.label))
    except (UnreadableFileError, ValueError) as error:
        raise LabelFileError(error.what if isinstance(error, UnreadableFileError) else str(error)) from error
    if isinstance(value, float) and value.is_integer():  # 7.0, as tables are exported
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST_CLASS:
        raise LabelFileError(f"holds {str(value)[:20]!r} where one class is expected")
    return value


CLASS_IN_NAME = ExampleRule(
    "class_<class>_example_<number>.png",
    re.compile(
        r"class_(?P<label>[0-9]{1,9})(?:_trigger_(?P<trigger>[0-9]{1,9}))?_example_(?P<number>[0-9]{1,9})\.(?i:png)"
    ),
)
"""NIST's rule up to Round 4, with Round 4's `class_<source>_trigger_<t>_example_<n>.png` of poisoned examples."""

CLASS_IN_JPEG_NAME = ExampleRule(
    "class_<class>_example_<number>.jpg",
    re.compile(r"class_(?P<label>[0-9]{1,9})_example_(?P<number>[0-9]{1,9})\.(?i:jpe?g)"),
)
"""The same of photographs, which are JPEG files as a rule; of no round."""


def parse_name(path: str | PurePath) -> ExampleName | None:
    """Read `class_<c>_example_<n>.png` or Round 4's `class_<source>_trigger_<t>_example_<n>.png`; None if neither."""
    return CLASS_IN_NAME.read(Path(path))
