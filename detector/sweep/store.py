"""Logits that have been measured, kept in the scratch folder: what a second run need not measure again.

One `.npz` file for each model and theta, written beside its place and renamed: a run that is interrupted goes on where
it was. Answers to fewer images or to fewer variants are taken out of what is there, so that every signal, |D| and
smaller |S| comes from one measurement. Whatever is in the folder is only believed if it reads as a whole and says what
it was measured of; anything else counts as not measured. Nothing in a file can run.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector import __version__
from detector.base.errors import UsageError
from detector.base.files import write_file
from detector.base.text import printable
from detector.probing.probe import Probe
from detector.pruning.theta import Theta, theta_to_document
from detector.sweep.thinning import thinned

_log = logging.getLogger(__name__)

Asked = Theta | Probe | None  # what was done: to the network, to the images, or nothing

_FOLDER = "logits"
# All that numpy raises on files that are cut short, damaged, or not its own.
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError)


@dataclass(frozen=True)
class StoredLogits:
    """What |S| variants answered.

    Attributes
    ----------
    names
        The images, N of them.
    logits
        float32 of shape (|S|, N, classes).
    seconds
        How long the measurement took; for a part of one, its share.
    """

    names: tuple[str, ...]
    logits: NDArray[np.float32]
    seconds: float

    def part(self, variants: Sequence[int], names: Sequence[str]) -> StoredLogits:
        """Of some variants to some of the images, in the order that is asked for."""
        place = {name: index for index, name in enumerate(self.names)}
        logits = self.logits[list(variants)][:, [place[name] for name in names]]
        return StoredLogits(tuple(names), logits, self.seconds * logits[..., 0].size / self.logits[..., 0].size)


class Store:
    """Where the answers of all models are; without a folder they are kept for the model in hand only."""

    def __init__(self, scratch: Path | None) -> None:
        self._folder = scratch / _FOLDER if scratch else None

    def shelf(self, sha256: str, preprocessing: str) -> Shelf:
        """The answers of one model to images that are preprocessed alike."""
        return Shelf(self._folder / sha256 if self._folder else None, {"model": sha256, "preprocessing": preprocessing})


class Shelf:
    """The answers of one model. Where no theta is asked, the unpruned network answers: one variant."""

    def __init__(self, folder: Path | None, origin: dict[str, str]) -> None:
        self._folder = folder
        self._origin = origin | {"version": __version__}
        self._held: dict[str, StoredLogits] = {}  # measured just now

    def find(self, asked: Asked, names: Sequence[str]) -> StoredLogits | None:
        """What `asked` answered to the images, out of one measurement that has them all; |D| plays no part."""
        for number, answers in self._candidates(asked):
            variants = _variants(asked, number)
            if variants is not None and set(names) <= set(answers.names):
                return answers.part(variants, names)
        return None

    def put(self, asked: Asked, answers: StoredLogits) -> None:
        """Keep answers, durably where possible: a folder that cannot be written costs the store, never the run."""
        stem = self._stem(asked, len(answers.logits), answers.names)
        self._held[stem] = answers
        if self._folder is None:
            return
        try:
            write_file(self._folder / f"{stem}.npz", self._content(asked, answers))
        except UsageError as error:
            _log.warning("measurements are not kept, an interrupted run starts anew: %s", printable(error))
            self._folder = None

    def _content(self, asked: Asked, answers: StoredLogits) -> bytes:
        header = {"key": self._key(asked), "names": answers.names, "seconds": answers.seconds}
        text = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
        buffer = io.BytesIO()
        np.savez(buffer, header=text, logits=answers.logits)
        return buffer.getvalue()

    def _candidates(self, asked: Asked) -> Iterator[tuple[int, StoredLogits]]:
        """Measurements of the same, whatever |S| and |D|, with their |S|."""
        stem = self._stem(asked)
        for name, answers in self._held.items():
            if name.startswith(stem):
                yield len(answers.logits), answers
        for path in sorted(self._folder.glob(f"{stem}*.npz")) if self._folder else ():
            read = None if path.stem in self._held else self._read(path, asked)
            if read is not None:
                yield len(read.logits), read

    def _read(self, path: Path, asked: Asked) -> StoredLogits | None:
        try:
            with np.load(path, allow_pickle=False) as arrays:
                header = json.loads(arrays["header"].tobytes())
                names, logits = tuple(map(str, header["names"])), arrays["logits"]
                if header["key"] != self._key(asked) or logits.dtype != np.float32 or logits.ndim != 3:
                    raise ValueError("measured of something else")
                if logits.shape[1] != len(names):
                    raise ValueError(f"answers to {logits.shape[1]} images of {len(names)}")
                return StoredLogits(names, logits, float(header["seconds"]))
        except _UNREADABLE as error:
            _log.warning("%s is measured again: %s", printable(path.name), printable(error))
            return None

    def _key(self, asked: Asked) -> dict[str, object]:
        """What the answers depend on besides |S| and the images."""
        if isinstance(asked, Probe):
            return {**self._origin, "probe": asked.to_document()}
        alike = None if asked is None else theta_to_document(replace(asked, num_pruned_models=1, num_images=1))
        return {**self._origin, "theta": alike}

    def _stem(self, asked: Asked, number: int | None = None, names: Sequence[str] = ()) -> str:
        """How the names of its files begin; with |S| and images, the whole name."""
        stem = f"{_digest(self._key(asked))}-"
        return stem if number is None else f"{stem}{number}-{_digest(list(names))}"


def _variants(asked: Asked, measured: int) -> Sequence[int] | None:
    if not isinstance(asked, Theta):
        return range(measured)
    return thinned(replace(asked, num_pruned_models=measured), asked.num_pruned_models) if measured else None


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
