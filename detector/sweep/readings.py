"""Readings of a round: what was measured of its models, by the names of the signals, as plain arrays.

Everything that is learned or published is computed from these, without models, images or torch; so they are small
enough to be kept in the repository. A file says which signals it holds, their versions and the names of their numbers:
whatever is asked for is found by name, and what is not there, or was read by another version of a signal, is an error
where it is needed. Only numbers and text are stored: nothing in a file of readings can run.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.base.errors import ParametersError
from detector.base.files import write_file
from detector.examples.choice import ImageChoice
from detector.probing.probe import Probe
from detector.pruning.theta import SelectionRule, Theta, theta_from_document, theta_to_document
from detector.signals.features import Feature, feature_matrix
from detector.signals.legacy import FIRST_NUMBERS, FIRST_VERSION
from detector.signals.registry import SIGNALS, ModelSignal, is_per_variant, model_signal

Array = NDArray[np.float64]

FORMAT_VERSION = 2

_CLASSIFIER = "classifier"  # what a file of format 1 calls the numbers of `classifier_weights`


def images_of(thetas: Iterable[Theta]) -> tuple[ImageChoice, ...]:
    """The choices of images that these thetas are measured on, each once."""
    return tuple(dict.fromkeys(map(ImageChoice.of, thetas)))


class MissingSignalError(ParametersError):
    """A signal that is needed was not measured, or not as it is read now."""

    def __init__(self, what: str, architecture: str) -> None:
        super().__init__(
            what,
            where=f"readings of {architecture}",
            expected="readings of every signal that is used, by its present version",
            next_step="measure the models again, or leave the signal out",
        )


def _versions() -> dict[str, int]:
    return {signal.name: signal.version for signal in SIGNALS}


def _number_names() -> dict[str, tuple[str, ...]]:
    return {signal.name: signal.numbers for signal in SIGNALS if isinstance(signal, ModelSignal)}


@dataclass(frozen=True)
class ArchitectureReadings:
    """All that is known of the M models of one architecture.

    Attributes
    ----------
    names, poisoned
        Folders of the models, and their labels (M,), 1 = poisoned.
    signals
        Names of the F signals that are read for each variant.
    thetas, variants, seconds
        The T points of the search space, each with the readings (M, |S|, F) and the measuring seconds (M,).
    images
        The I choices of images that any of it was measured on.
    numbers
        By the name of every other signal its numbers (I, M, K), in the order of `number_names`.
    untouched
        By name what no pruning has touched, each (M,): accuracy, loss, file size, norms, training history.
    probes
        What the images were changed by for the signals of scope PROBE.
    versions, number_names
        By the name of a signal its version, and the names of the K numbers, when it was read.
    """

    architecture: str
    names: tuple[str, ...]
    poisoned: NDArray[np.int64]
    signals: tuple[str, ...]
    thetas: tuple[Theta, ...]
    variants: tuple[Array, ...]
    seconds: tuple[Array, ...]
    images: tuple[ImageChoice, ...]
    numbers: Mapping[str, Array]
    untouched: Mapping[str, Array]
    probes: tuple[Probe, ...] = ()
    versions: Mapping[str, int] = field(default_factory=_versions)
    number_names: Mapping[str, tuple[str, ...]] = field(default_factory=_number_names)

    def variant_readings(self, signal: str, theta: Theta) -> Array:
        """Of a signal of variants under one theta, (M, |S|).

        Raises
        ------
        MissingSignalError
            It was not measured, or by another version of the signal.
        """
        self._check(signal)
        return self.variants[self.thetas.index(theta)][:, :, self.signals.index(signal)]

    def model_numbers(self, signal: str, images: ImageChoice) -> Array:
        """Of another signal, read on these images, (M, K) in the order of its entry; raises MissingSignalError."""
        self._check(signal)
        if images not in self.images:
            raise MissingSignalError(_not_measured(signal), self.architecture)
        wanted, stored = model_signal(signal).numbers, self.number_names[signal]
        values: Array = self.numbers[signal][self.images.index(images)]
        return values if wanted == stored else values[:, [stored.index(number) for number in wanted]]

    def features(
        self, features: Sequence[Feature], thetas: Sequence[Theta], images: ImageChoice | None = None
    ) -> Array:
        """The features (M, length) of the models, all measured on the same images: by default those of the first theta.

        Raises
        ------
        MissingSignalError
            A signal was not measured, or by another version of it.
        """
        chosen = images or ImageChoice.of(thetas[0])
        signals = dict.fromkeys(feature.signal for feature in features)
        of_variants = [name for name in signals if is_per_variant(name)]
        variants = [{name: self.variant_readings(name, theta) for name in of_variants} for theta in thetas]
        numbers = {name: self.model_numbers(name, chosen) for name in signals if name not in of_variants}
        return feature_matrix(features, variants, numbers)

    def why_not(self, signal: str) -> str:
        """Why a signal of the registry cannot be taken from these readings; empty if it can."""
        entry = SIGNALS[signal]
        if signal not in (self.numbers if isinstance(entry, ModelSignal) else self.signals):
            return _not_measured(signal)
        stored = self.versions[signal]
        if stored != entry.version:
            return f"the signal {signal!r} was read by its version {stored}, it is version {entry.version} now"
        lacking = set(entry.numbers) - set(self.number_names[signal]) if isinstance(entry, ModelSignal) else ()
        return f"{signal} was stored without {', '.join(sorted(lacking))}" if lacking else ""

    def _check(self, signal: str) -> None:
        reason = self.why_not(signal)
        if reason:
            raise MissingSignalError(reason, self.architecture)


def _not_measured(signal: str) -> str:
    return f"the signal {signal!r} is not among what was measured"


def write_readings(path: Path, readings: ArchitectureReadings) -> None:
    """Write one `.npz` file, the same bytes for the same readings; floats are kept in single precision."""
    untouched, numbers = sorted(readings.untouched), sorted(readings.numbers)
    header = {
        "format_version": FORMAT_VERSION,
        "architecture": readings.architecture,
        "names": readings.names,
        "signals": readings.signals,
        "thetas": [theta_to_document(theta) for theta in readings.thetas],
        "images": [asdict(choice) for choice in readings.images],
        "probes": [probe.to_document() for probe in readings.probes],
        "numbers": {name: readings.number_names[name] for name in numbers},
        "versions": {name: readings.versions[name] for name in (*readings.signals, *numbers)},
        "untouched": untouched,
    }
    arrays: dict[str, NDArray[Any]] = {
        "header": np.frombuffer(json.dumps(header, sort_keys=True).encode(), dtype=np.uint8),
        "poisoned": readings.poisoned.astype(np.int8),
        **{f"numbers_{name}": readings.numbers[name] for name in numbers},
        **{f"untouched{i}": readings.untouched[name] for i, name in enumerate(untouched)},
        **{f"variants{i}": array for i, array in enumerate(readings.variants)},
        **{f"seconds{i}": array for i, array in enumerate(readings.seconds)},
    }
    single = {name: array.astype(np.float32) if array.dtype == np.float64 else array for name, array in arrays.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **single)  # type: ignore[arg-type]  # numpy takes its own option for an array
    write_file(path, buffer.getvalue())


def read_readings(path: Path) -> ArchitectureReadings:
    """Read what `write_readings` wrote, now or in format 1; a file that is none raises ValueError, KeyError or OSError.

    Signals that are missing, unknown or of another version are no error before they are asked for.
    """
    with np.load(path, allow_pickle=False) as arrays:
        header = json.loads(arrays["header"].tobytes())
        version = header.get("format_version", 1)
        if version not in (1, FORMAT_VERSION):
            raise ValueError(f"expected readings of format {FORMAT_VERSION} or 1, got {version}")
        thetas = tuple(map(theta_from_document, header["thetas"]))
        own = _numbers_of_format_1(header, thetas, arrays) if version == 1 else _numbers(header, arrays)
        return ArchitectureReadings(
            architecture=header["architecture"],
            names=tuple(header["names"]),
            poisoned=arrays["poisoned"].astype(np.int64),
            signals=tuple(header["signals"]),
            thetas=thetas,
            variants=tuple(arrays[f"variants{i}"].astype(np.float64) for i in range(len(thetas))),
            seconds=tuple(arrays[f"seconds{i}"].astype(np.float64) for i in range(len(thetas))),
            untouched={name: arrays[f"untouched{i}"].astype(np.float64) for i, name in enumerate(header["untouched"])},
            **own,
        )


def _numbers(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    return {
        "images": tuple(ImageChoice(one["num_images"], SelectionRule(one["rule"])) for one in header["images"]),
        "probes": tuple(map(Probe.from_document, header["probes"])),
        "numbers": {name: arrays[f"numbers_{name}"].astype(np.float64) for name in header["numbers"]},
        "versions": dict(header["versions"]),
        "number_names": {name: tuple(names) for name, names in header["numbers"].items()},
    }


def _numbers_of_format_1(
    header: Mapping[str, Any], thetas: Sequence[Theta], arrays: Mapping[str, NDArray[Any]]
) -> dict[str, Any]:
    """A row for each theta there, whose images are often the same; a single one of the classifier's weights."""
    images = images_of(thetas)
    first = [next(k for k, theta in enumerate(thetas) if ImageChoice.of(theta) == one) for one in images]
    numbers = {name: arrays[name].astype(np.float64)[first] for name in ("unpruned", "attraction")}
    weights = arrays[_CLASSIFIER].astype(np.float64)
    numbers["classifier_weights"] = np.broadcast_to(weights, (len(images), *weights.shape))
    return {
        "images": images,
        "numbers": numbers,
        "versions": dict.fromkeys((*header["signals"], *FIRST_NUMBERS), FIRST_VERSION),
        "number_names": dict(FIRST_NUMBERS),
    }
