"""The way from a path to a `ModelRecord`: read once, parse to inert records, audit. Nothing in the file is trusted.

This module and all that it imports work without torch.
"""

from __future__ import annotations

import hashlib
from os import PathLike
from pathlib import Path

from detector.base.background import in_background
from detector.base.errors import ModelRefusedError
from detector.base.limits import LIMITS, ModelFileLimits
from detector.model_file.confined import parse_confined
from detector.model_file.parsing import parse
from detector.model_file.records import ModelRecord
from detector.model_file.source import SavedModel, read_bytes
from detector.sandbox.sandbox import Sandbox


def read_model(
    source: str | PathLike[str] | SavedModel,
    limits: ModelFileLimits = LIMITS.model_file,
    sandbox: Sandbox | None = None,
) -> ModelRecord:
    """Read, parse and audit a model file; whatever it is, nothing in it is run.

    Parameters
    ----------
    source
        A file written by `torch.save` (zip or legacy format, pickle protocols 2 to 5), by its path or in memory: a
        whole network, as TrojAI ships it, a state dict, or a checkpoint that holds one of these.
    limits
        How much memory and work the file may ask for.
    sandbox
        Where it is parsed: in a child process with fewer rights; None: in this process.

    Returns
    -------
    ModelRecord
        Its tensors are read-only views into the bytes of the file, which stay in memory as long as they do.

    Raises
    ------
    UnsafeModelError
        If the file holds something that a trained classifier never needs, naming it and its place.
    CorruptModelError
        If the file is damaged, cannot be read, or is no model file.
    """
    place = source if isinstance(source, SavedModel) else Path(source)
    try:
        if sandbox is None:
            return parse_model(read_bytes(place, limits), limits)
        return parse_confined(place, limits, sandbox)
    except ModelRefusedError as error:
        where = f"{source}: {error.where}"
        raise type(error)(error.what, where=where, expected=error.expected, next_step=error.next_step) from error


def parse_model(content: bytes, limits: ModelFileLimits = LIMITS.model_file) -> ModelRecord:
    """`read_model` for the bytes of a file; errors name the place inside the file only."""
    return parse(memoryview(content), limits, in_background(lambda: hashlib.sha256(content).hexdigest())).record
