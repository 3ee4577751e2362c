"""What was measured of one generated model, as it is kept: raw logits, labels, and what its round says of it.

Readings are made from these files, so that a reading that is thought of later needs no model. Plain arrays and JSON;
nothing is unpickled. The files are this project's own and trusted.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.base.files import write_file
from detector.probing.probe import Probe
from detector.pruning.theta import Theta, theta_from_document, theta_to_document

_FORMAT = 1

Logits = NDArray[np.float32]


@dataclass(frozen=True)
class ModelAnswers:
    """The answers of one model to its clean examples.

    Attributes
    ----------
    name, architecture, poisoned
        Which model it is; the name holds the name of its round.
    facts
        What the round's table says of it: recipe, material, trigger.
    labels
        Classes of the images as their names say, (N,).
    unpruned, probed
        Logits (N, C) of the network as it is, and (K, N, C) under each of the `probes`.
    variants
        For each of the `thetas` logits (|S|, M, C) of its variants, for the images `rows` (M,).
    weights
        The numbers of the signal `classifier_weights`; none in files that were written without.
    """

    name: str
    architecture: str
    poisoned: bool
    facts: Mapping[str, Any]
    labels: NDArray[np.int64]
    unpruned: Logits
    probes: tuple[Probe, ...]
    probed: Logits
    thetas: tuple[Theta, ...]
    variants: tuple[Logits, ...]
    rows: NDArray[np.int64]
    weights: tuple[float, ...] = ()


def write_answers(path: Path, answers: ModelAnswers) -> None:
    """Write the file in one step; logits under change are kept with 11 bits, which no reading is as fine as."""
    header = {
        "format": _FORMAT,
        "name": answers.name,
        "architecture": answers.architecture,
        "poisoned": answers.poisoned,
        "facts": dict(answers.facts),
        "probes": [probe.to_document() for probe in answers.probes],
        "thetas": [theta_to_document(theta) for theta in answers.thetas],
        "weights": list(answers.weights),
    }
    arrays: dict[str, NDArray[Any]] = {
        "header": np.array(json.dumps(header)),
        "labels": answers.labels.astype(np.int16),
        "unpruned": answers.unpruned.astype(np.float32),
        "probed": answers.probed.astype(np.float16),
        "rows": answers.rows.astype(np.int16),
    }
    arrays |= {f"theta{i}": one.astype(np.float16) for i, one in enumerate(answers.variants)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # numpy's stub takes its options for arrays
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, buffer.getvalue())


def read_answers(path: Path) -> ModelAnswers:
    """Back from the file.

    Raises
    ------
    ValueError
        It is not of the format that this program writes.
    """
    with np.load(path, allow_pickle=False) as arrays:
        header = json.loads(str(arrays["header"]))
        if header.get("format") != _FORMAT:
            raise ValueError(f"{path}: expected format {_FORMAT}, got {header.get('format')}")
        thetas = tuple(map(theta_from_document, header["thetas"]))
        return ModelAnswers(
            name=header["name"],
            architecture=header["architecture"],
            poisoned=header["poisoned"],
            facts=header["facts"],
            labels=arrays["labels"].astype(np.int64),
            unpruned=arrays["unpruned"],
            probes=tuple(map(Probe.from_document, header["probes"])),
            probed=arrays["probed"].astype(np.float32),
            thetas=thetas,
            variants=tuple(arrays[f"theta{i}"].astype(np.float32) for i in range(len(thetas))),
            rows=arrays["rows"].astype(np.int64),
            weights=tuple(header.get("weights", ())),
        )


def read_all(folder: Path) -> list[ModelAnswers]:
    """All models of the rounds in `folder`, one folder each, in the order of their names."""
    return [read_answers(path) for path in sorted(folder.glob("*/id-*.npz"))]
