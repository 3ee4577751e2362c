"""What an example's file name says: TrojAI keeps the labels of its images nowhere else.

The directory part is never looked at. Names are untrusted text; only the two forms that TrojAI documents are read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

FOLDERS = ("example_data", "clean-example-data", "clean_example_data", "example")
"""What the folder of clean examples beside a model is called in one round or another."""

_NAME = re.compile(r"class_([0-9]{1,9})(?:_trigger_([0-9]{1,9}))?_example_([0-9]{1,9})\.(?i:png)")


@dataclass(frozen=True)
class ExampleName:
    """A read name: true class, running number, and the trigger that was stamped on the image, if any."""

    label: int
    number: int
    trigger: int | None = None

    @property
    def poisoned(self) -> bool:
        """Whether the image carries a trigger: its true class is `label`, but no clean network is measured with it."""
        return self.trigger is not None


def parse_name(path: str | PurePath) -> ExampleName | None:
    """Read `class_<c>_example_<n>.png` or Round 4's `class_<source>_trigger_<t>_example_<n>.png`; None if neither."""
    match = _NAME.fullmatch(PurePath(path).name)
    if match is None:
        return None
    label, trigger, number = match.groups()
    return ExampleName(int(label), int(number), None if trigger is None else int(trigger))
