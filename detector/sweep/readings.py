"""Readings of a round: what was measured of its models under every theta, per pruned variant, as plain arrays.

Everything that is learned or published is computed from these, without models, images or torch; so they are small
enough to be kept in the repository. Only numbers and text are stored: nothing in a file of readings can run.
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
from detector.pruning.theta import Theta, theta_from_document, theta_to_document

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ArchitectureReadings:
    """All that is known of the M models of one architecture.

    Attributes
    ----------
    names, poisoned
        Folders of the models, and their labels (M,), 1 = poisoned.
    signals
        Names of the F numbers that are read for each variant, as in `detector.signals.signals`.
    thetas, variants, seconds
        The T points of the search space, each with the readings (M, |S|, F) and the measuring seconds (M,).
    unpruned, attraction
        For each theta what is read off the networks as they are on its images, (T, M, K), in the order of
        UNPRUNED_STATISTICS and ATTRACTION_STATISTICS.
    classifier
        Statistics of the classifier's weights, (M, K), in the order of CLASSIFIER_STATISTICS.
    untouched
        By name what no pruning has touched, each (M,): accuracy, loss, file size, norms, training history.
    """

    architecture: str
    names: tuple[str, ...]
    poisoned: NDArray[np.int64]
    signals: tuple[str, ...]
    thetas: tuple[Theta, ...]
    variants: tuple[Array, ...]
    seconds: tuple[Array, ...]
    unpruned: Array
    attraction: Array
    classifier: Array
    untouched: Mapping[str, Array]


def write_readings(path: Path, readings: ArchitectureReadings) -> None:
    """Write one `.npz` file, the same bytes for the same readings; floats are kept in single precision."""
    untouched = sorted(readings.untouched)
    header = {
        "architecture": readings.architecture,
        "names": readings.names,
        "signals": readings.signals,
        "thetas": [theta_to_document(theta) for theta in readings.thetas],
        "untouched": untouched,
    }
    arrays: dict[str, NDArray[Any]] = {
        "header": np.frombuffer(json.dumps(header, sort_keys=True).encode(), dtype=np.uint8),
        "poisoned": readings.poisoned.astype(np.int8),
        "unpruned": readings.unpruned,
        "attraction": readings.attraction,
        "classifier": readings.classifier,
        **{f"untouched{i}": readings.untouched[name] for i, name in enumerate(untouched)},
        **{f"variants{i}": array for i, array in enumerate(readings.variants)},
        **{f"seconds{i}": array for i, array in enumerate(readings.seconds)},
    }
    single = {name: array.astype(np.float32) if array.dtype == np.float64 else array for name, array in arrays.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **single)  # type: ignore[arg-type]  # numpy takes its own option for an array
    write_file(path, buffer.getvalue())


def read_readings(path: Path) -> ArchitectureReadings:
    """Read what `write_readings` wrote; a file that is none raises ValueError, KeyError or OSError."""
    with np.load(path, allow_pickle=False) as arrays:
        header = json.loads(arrays["header"].tobytes())
        count = range(len(header["thetas"]))
        return ArchitectureReadings(
            architecture=header["architecture"],
            names=tuple(header["names"]),
            poisoned=arrays["poisoned"].astype(np.int64),
            signals=tuple(header["signals"]),
            thetas=tuple(map(theta_from_document, header["thetas"])),
            variants=tuple(arrays[f"variants{i}"].astype(np.float64) for i in count),
            seconds=tuple(arrays[f"seconds{i}"].astype(np.float64) for i in count),
            unpruned=arrays["unpruned"].astype(np.float64),
            attraction=arrays["attraction"].astype(np.float64),
            classifier=arrays["classifier"].astype(np.float64),
            untouched={name: arrays[f"untouched{i}"].astype(np.float64) for i, name in enumerate(header["untouched"])},
        )
