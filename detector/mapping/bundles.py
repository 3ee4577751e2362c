"""Bundles of learned parameters on disk: `<directory>/<bundle>/bundle.json` and one `<architecture>.json` each.

Where `<directory>` itself holds a bundle.json, it is the bundle, whatever its name: a single mounted one works too. A
bundle is replaced as a whole or not at all: it is written beside its place, read back, and then renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from detector.architectures import ARCHITECTURES
from detector.base.errors import ParametersError, UnreadableFileError
from detector.base.files import read_regular, sync_directory
from detector.base.limits import LIMITS
from detector.mapping.documents import Document, invalid, read_document
from detector.mapping.parameters import (
    ANY_ARCHITECTURE,
    FORMAT_VERSION,
    OLDER_SCHEMAS,
    SCHEMA,
    LearnedParameters,
    from_document,
    to_document,
)

BUNDLE_NAME = "[a-z0-9][a-z0-9._-]{0,63}"
"""What bundles can be called, as a regular expression."""

_NAME = re.compile(BUNDLE_NAME)
_BUNDLE_FILE = "bundle.json"


@dataclass(frozen=True)
class Bundle:
    """What holds for all of a bundle; `base_rate` is the answer for architectures without parameters of their own."""

    name: str
    version: str
    description: str
    base_rate: float


def load_bundle(directory: Path, name: str) -> Bundle:
    """Read the bundle's own file.

    Raises
    ------
    ParametersError
        There is no such bundle, or the file is invalid.
    """
    fields = read_document(_bundle_directory(directory, name) / _BUNDLE_FILE, "bundle.schema.json")
    return Bundle(fields["name"], fields["version"], fields["description"], float(fields["base_rate"]))


def bundle_sha256(directory: Path, name: str) -> str:
    """A checksum of all that the bundle says: two bundles with the same one give the same answers.

    Raises
    ------
    ParametersError
        There is no such bundle, or a file of it cannot be read.
    """
    digest = hashlib.sha256()
    for path in sorted(_bundle_directory(directory, name).glob("*.json")):
        try:
            content = read_regular(path, LIMITS.texts.learned_parameters)
        except UnreadableFileError as error:
            raise invalid(path, error.what, "a readable file") from error
        digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def load_parameters(directory: Path, bundle: str, architecture: str) -> LearnedParameters | None:
    """The bundle's parameters for the architecture, those for any where it has none of its own, or None.

    Raises
    ------
    ParametersError
        There is no such bundle or architecture, or the file is invalid.
    """
    folder = _bundle_directory(directory, bundle)
    if architecture not in (*ARCHITECTURES, ANY_ARCHITECTURE):
        raise invalid(folder, f"no architecture {architecture!r}", f"one of the {len(ARCHITECTURES)} known ones")
    names = dict.fromkeys((architecture, ANY_ARCHITECTURE))
    path = next((folder / f"{name}.json" for name in names if os.path.lexists(folder / f"{name}.json")), None)
    if path is None:
        return None
    document = read_document(path, SCHEMA, OLDER_SCHEMAS)
    try:
        parameters = from_document(document)
    except ParametersError as error:  # something that is not known, found by its name alone
        raise invalid(path, error.what, error.expected) from error
    except ValueError as error:
        raise invalid(path, str(error), "consistent parameters") from error
    if parameters.architecture != path.stem:
        raise invalid(path, f"parameters of {parameters.architecture}", f"those of {path.stem}")
    return replace(parameters, architecture=architecture)


def is_bundle(directory: Path) -> bool:
    """Whether the directory is itself a bundle."""
    return (directory / _BUNDLE_FILE).is_file()


def _bundle_directory(directory: Path, name: str) -> Path:
    if is_bundle(directory):
        return directory
    _check_name(directory, name)
    folder = next((place for place in (directory / name, _aside(directory / name)) if place.is_dir()), None)
    if folder is None:
        raise ParametersError(
            f"no bundle {name!r}",
            where=directory,
            expected=f"one of: {', '.join(bundle_names(directory)) or 'none there'}",
            next_step="name another bundle, or the directory that holds it",
        )
    return folder


def _check_name(directory: Path, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise invalid(directory, f"{name!r} is no bundle name", "small letters, digits, '.', '_' and '-'")


def _aside(place: Path) -> Path:
    """Where an old bundle is while a new one takes its place; a kill right then leaves it there, to be read there."""
    return place.with_name(f".{place.name}.old")


def bundle_names(directory: Path) -> list[str]:
    """Of the bundles in a directory; none where it is itself a bundle, or cannot be read."""
    return sorted(path.parent.name for path in directory.glob(f"*/{_BUNDLE_FILE}"))


def write_bundle(directory: Path, bundle: Bundle, parameters: Iterable[LearnedParameters]) -> Path:
    """Write `bundle` into `directory`, in place of one of the same name, and return its path.

    The old bundle stays until the new one has been written and read back, and whatever happens, a kill too, one of
    the two can be loaded as a whole.

    Raises
    ------
    ParametersError
        The directory cannot be written, or what was given does not fit the schemas; the old bundle is untouched.
    """
    _check_name(directory, bundle.name)
    documents = {_BUNDLE_FILE: {"format_version": FORMAT_VERSION} | asdict(bundle)}
    documents |= {f"{one.architecture}.json": to_document(one) for one in parameters}
    staging = directory / f".{secrets.token_hex(8)}.tmp"
    try:
        _write_documents(staging / bundle.name, documents)
        load_bundle(staging, bundle.name)
        for name in documents.keys() - {_BUNDLE_FILE}:
            load_parameters(staging, bundle.name, name.removesuffix(".json"))
        return _install(staging / bundle.name, directory / bundle.name)
    except OSError as error:
        raise ParametersError(
            f"the bundle {bundle.name!r} cannot be written ({error})",
            where=directory,
            expected="a writable directory",
            next_step="give a directory of learned parameters that is mounted writable",
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _write_documents(folder: Path, documents: dict[str, Document]) -> None:
    folder.mkdir(parents=True)
    for name, document in documents.items():
        with (folder / name).open("x", encoding="utf-8") as file:
            file.write(json.dumps(document, indent=2, allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
    sync_directory(folder)


def _install(new: Path, place: Path) -> Path:
    """Rename `new` to `place`, what is there stepping aside first and back again if that fails."""
    old = _aside(place)
    if place.exists():
        shutil.rmtree(old, ignore_errors=True)
        place.rename(old)
    try:
        new.rename(place)
    except BaseException:
        if old.exists():
            old.rename(place)
        raise
    sync_directory(place.parent)
    shutil.rmtree(old, ignore_errors=True)
    return place
