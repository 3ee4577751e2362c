"""Short forms of the two errors that this package raises, so that every check reads as one line.

The deeper layers know only the entry that they look at; `reading.read_model` puts the path of the file in front.
"""

from __future__ import annotations

from detector.base.errors import CorruptModelError, UnsafeModelError

_UNSAFE_STEP = "do not open this file elsewhere; ask for one saved by torch.save from an unchanged torchvision network"
_CORRUPT_STEP = "check that the download is complete and that this is the model.pt written by torch.save"


def unsafe(what: str, where: object, expected: str) -> UnsafeModelError:
    """The error for content that a trained classifier never needs."""
    return UnsafeModelError(what, where=where, expected=expected, next_step=_UNSAFE_STEP)


def corrupt(what: str, where: object, expected: str) -> CorruptModelError:
    """The error for a damaged file, or for one that is not a model at all."""
    return CorruptModelError(what, where=where, expected=expected, next_step=_CORRUPT_STEP)


def over_limit(what: str, where: object, limit: int) -> UnsafeModelError:
    """The error for a file that asks for more than any reference architecture needs."""
    return unsafe(f"too many {what}", where, f"at most {limit}")
