"""Short forms of the errors that this package raises, so that every check reads as one line.

The deeper layers know only the entry that they look at; `reading.read_model` puts the path of the file in front.
Each says what to do next: the one line that would make the file readable, and the warning not to open it elsewhere
only where opening it would have run something.
"""

from __future__ import annotations

from detector.base.errors import CorruptModelError, UnsafeModelError

SAVE_ALONE = "save the network alone, where it was trained: torch.save(model.state_dict(), 'model.pt')"
SAVE_FLOAT = "save it in single precision: torch.save(model.float().state_dict(), 'model.pt')"
DANGER_STEP = "do not open this file elsewhere; ask for one saved by torch.save(model.state_dict(), 'model.pt')"
_CORRUPT_STEP = "check that the download is complete and that this is the model.pt written by torch.save"


def dangerous(what: str, where: object, expected: str) -> UnsafeModelError:
    """The error for content that could run code in a program that loads the file as Python does."""
    return UnsafeModelError(what, where=where, expected=expected, next_step=DANGER_STEP)


def unsafe(what: str, where: object, expected: str, next_step: str = SAVE_ALONE) -> UnsafeModelError:
    """The error for content that a trained classifier never needs and that this program will not use."""
    return UnsafeModelError(what, where=where, expected=expected, next_step=next_step)


def corrupt(what: str, where: object, expected: str, next_step: str = _CORRUPT_STEP) -> CorruptModelError:
    """The error for a damaged file, or for one that is not a model at all."""
    return CorruptModelError(what, where=where, expected=expected, next_step=next_step)


def over_limit(what: str, where: object, limit: int) -> UnsafeModelError:
    """The error for a file that asks for more than any reference architecture needs."""
    return unsafe(f"too many {what}", where, f"at most {limit}")
