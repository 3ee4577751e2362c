"""The clean examples of a directory, by the names and labels that the registry's rounds know; no image is opened.

One rule for symbolic links: those that lead to regular files are followed, whatever laid them (DVC, git-annex or
`ln -s`); those that lead to directories, devices or nowhere are left out and told.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from detector.base.errors import ExamplesError
from detector.base.findings import Finding, Severity
from detector.base.limits import LIMITS
from detector.examples.troubles import MOST_NAMES, Remark, Trouble, summary
from detector.rounds.example_names import CLASS_IN_JPEG_NAME, ExampleName, ExampleRule, ImageFormat, LabelFileError
from detector.rounds.preprocessing import PROFILES
from detector.rounds.registry import EXAMPLE_RULES

_CLASS = re.compile(r"class[-_ ]?[0-9]", re.IGNORECASE)  # begins a name that is meant to say one


@dataclass(frozen=True)
class Listing:
    """The clean examples of a directory, sorted by file name as text, and what was left out.

    `names[i]` is what the name of `paths[i]` says, or the label file beside it; classes count from 0. Where it is not
    `labelled`, nothing says a class: that of every name is 0 and means nothing.
    """

    directory: Path
    paths: tuple[Path, ...]
    names: tuple[ExampleName, ...]
    findings: tuple[Finding, ...]
    labelled: bool = True

    def __len__(self) -> int:
        return len(self.paths)


def list_examples(directory: Path, num_classes: int | None = None, *, photographs: bool = False) -> Listing:
    """The clean examples in `directory`; label files alone are opened. `num_classes`, where known, checks the labels.

    Labels that count from 1 are recognised by it, told, and made to count from 0. With `photographs` the folder may be
    anybody's: JPEG files may be named by class as PNG files are, and where nothing in it says a class, images of any
    name are taken without.

    Raises
    ------
    ExamplesError
        The directory cannot be read, is far too full, or holds no clean example.
    """
    found: dict[Path, ExampleName] = {}
    remarks: list[Remark] = []
    entries = _entries(directory)
    labels = _label_files(entries)
    rules = (*EXAMPLE_RULES, CLASS_IN_JPEG_NAME) if photographs else EXAMPLE_RULES
    for entry in entries:
        verdict = _judge(entry, directory, rules)
        if isinstance(verdict, ExampleName):
            found[directory / entry.name] = verdict
        elif entry.name not in labels:
            remarks.append((verdict, entry.name))
    if photographs and not found and labels.isdisjoint(entry.name for entry in entries):
        unlabelled = _unlabelled(directory, remarks)
        if unlabelled is not None:
            return unlabelled
    counted = _count_from_one({name.label for name in found.values()}, num_classes)
    found = {path: replace(name, label=name.label - len(counted)) for path, name in found.items()}
    outside = [path for path, name in found.items() if num_classes is not None and name.label >= num_classes]
    remarks += [(Trouble.LABEL, path.name) for path in outside]
    for path in outside:
        del found[path]
    findings = summary(remarks) + counted + _missing_classes(found.values(), num_classes)
    if not found:
        raise nothing_usable(directory, findings)
    return Listing(directory, tuple(found), tuple(found.values()), findings)


def _unlabelled(directory: Path, remarks: Sequence[Remark]) -> Listing | None:
    """Of a folder in which nothing is said of classes: its images, whatever they are called; None if there are none.

    A folder whose names or tables begin to speak of classes, in a form that is not known, is one in disorder instead.
    Names are shown in reports, so those that a terminal could not show are left out.
    """
    silent = {Trouble.NAME, Trouble.SUFFIX, Trouble.LABEL_FILE}
    images = [name for trouble, name in remarks if trouble in silent and ImageFormat.by_name(name) is not None]
    shown = [name for name in images if name.isprintable()]
    speaks = any(trouble in (Trouble.POISONED, Trouble.DATA_CSV) for trouble, _ in remarks)
    if not shown or speaks or any(_CLASS.match(name) for name in images):
        return None
    others = [(trouble, name) for trouble, name in remarks if name not in images]
    others += [(Trouble.UNPRINTABLE, name) for name in images if name not in shown]
    names = tuple(ExampleName(0, number) for number in range(len(shown)))
    return Listing(directory, tuple(directory / name for name in shown), names, summary(others), labelled=False)


def counts_from_one(labels: Collection[int], num_classes: int) -> bool:
    """Whether the labels of a network's examples count from 1: none is 0, and the highest is the number of classes."""
    return bool(labels) and 0 not in labels and max(labels) == num_classes


def _count_from_one(labels: Collection[int], num_classes: int | None) -> tuple[Finding, ...]:
    """The finding that the labels count from 1, if they do."""
    if num_classes is None or not counts_from_one(labels, num_classes):
        return ()
    message = (
        f"the labels count from 1 (no class 0, a class {num_classes} of {num_classes}): each is taken to be one less"
    )
    evidence = {"lowest": min(labels), "highest": max(labels), "num_classes": num_classes}
    return (Finding(Severity.WARNING, "labels_counted_from_one", message, evidence),)


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as scan:
            entries = [entry for entry, _ in zip(scan, range(LIMITS.images.entries + 1), strict=False)]
    except OSError as error:
        raise ExamplesError(
            f"the directory cannot be read ({error.strerror})",
            where=directory,
            expected="a directory of images",
            next_step="check the path of the examples and its permissions",
        ) from error
    if len(entries) > LIMITS.images.entries:
        raise ExamplesError(
            f"more than {LIMITS.images.entries} entries",
            where=directory,
            expected="the examples of one model",
            next_step="give the directory of this model's examples alone",
        )
    return sorted(entries, key=lambda entry: entry.name)


def _label_files(entries: Iterable[os.DirEntry[str]]) -> frozenset[str]:
    """The names of the files that hold the labels of images."""
    return frozenset(
        PurePath(entry.name).with_suffix(rule.label_suffix).name
        for entry in entries
        for rule in EXAMPLE_RULES
        if rule.label_suffix is not None and rule.matches(PurePath(entry.name))
    )


def _judge(entry: os.DirEntry[str], directory: Path, rules: Sequence[ExampleRule]) -> ExampleName | Trouble:
    """What is said of the image, or why it is no clean example."""
    if entry.name.startswith("."):
        return Trouble.HIDDEN
    if entry.is_dir(follow_symlinks=False):
        return Trouble.DIRECTORY
    if not _is_regular(entry):
        return Trouble.IRREGULAR
    if entry.name == "data.csv":
        return Trouble.DATA_CSV
    try:
        names = [rule.read(directory / entry.name) for rule in rules if rule.matches(PurePath(entry.name))]
    except LabelFileError:
        return Trouble.LABEL_FILE
    name = next(iter(names), None)
    if name is None:
        return Trouble.NAME if ImageFormat.by_name(entry.name) is ImageFormat.PNG else Trouble.SUFFIX
    return Trouble.POISONED if name.poisoned else name


def _is_regular(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a loop of links
        return False


def _missing_classes(names: Iterable[ExampleName], num_classes: int | None) -> tuple[Finding, ...]:
    present = {name.label for name in names}
    missing = [label for label in range(num_classes or 0) if label not in present]
    if not missing:
        return ()
    message = f"{len(missing)} of {num_classes} classes have no clean example"
    return (Finding(Severity.WARNING, "class_without_examples", message, {"classes": list(missing[:MOST_NAMES])}),)


def nothing_usable(directory: Path, findings: Iterable[Finding]) -> ExamplesError:
    """The error that no example of the directory can be measured with, and why."""
    findings = [finding for finding in findings if finding.code != "class_without_examples"]
    reasons = "; ".join(finding.message for finding in findings)
    sides = " or ".join(
        str(side) for side in sorted({side for p in PROFILES.values() for side in (p.crop, p.uncropped)})
    )
    codes = {finding.code for finding in findings}
    return ExamplesError(
        f"no usable example image: {reasons or 'the directory is empty'}",
        where=directory,
        expected=f"8-bit RGB files {' or '.join(rule.form for rule in EXAMPLE_RULES)}, {sides} pixels a side",
        next_step=_next_step({trouble for trouble in Trouble if trouble.code in codes}),
    )


def _next_step(troubles: Collection[Trouble]) -> str:
    if Trouble.IRREGULAR in troubles:
        return "copy the files that the links stand for, with cp -L"
    if Trouble.SIZE in troubles:
        return "give this model's own examples, or add --resize if they are photographs of yours"
    return "give the directory with this model's clean examples (Rounds 3 and 4: clean_example_data)"
