"""Registries: what the detector can be taught, each thing in a file of its own and found by its name.

A door is opened by one registry. An entry is added where it is defined, and is known as soon as its file is imported. A
name that nobody added is an error that says which ones there are, never a default.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from detector.base.errors import ParametersError


class Named(Protocol):
    """Anything with a name of its own."""

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


class UnknownEntryError(ParametersError):
    """A name that no entry of a registry has."""


class Registry(Generic[T]):
    """Entries by name, in the order in which they were added.

    Parameters
    ----------
    noun
        What one entry is, for messages: "signal".
    """

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._entries: dict[str, T] = {}

    def add(self, entry: T) -> None:
        """ValueError if the entry's name is taken."""
        if entry.name in self._entries:
            raise ValueError(f"there is a {self._noun} {entry.name!r} already")
        self._entries[entry.name] = entry

    def __getitem__(self, name: str) -> T:
        """The entry of that name; UnknownEntryError if there is none."""
        if name not in self._entries:
            raise UnknownEntryError(
                f"no {self._noun} is called {name!r}",
                where=f"the {self._noun}s of this version",
                expected=f"one of: {', '.join(self._entries) or 'none'}",
                next_step="use a version of the detector that knows it, or correct the name",
            )
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[T]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def names(self) -> tuple[str, ...]:
        """All names, in order."""
        return tuple(self._entries)

    @contextmanager
    def with_entry(self, entry: T) -> Iterator[None]:
        """For a while the entry is one of them, last in order: how a test opens the door."""
        before = dict(self._entries)
        try:
            self.add(entry)
            yield
        finally:
            self._entries = before

    @contextmanager
    def without_entry(self, name: str) -> Iterator[None]:
        """For a while there is no such entry."""
        before = dict(self._entries)
        try:
            del self._entries[self[name].name]
            yield
        finally:
            self._entries = before
