"""The Python interface: judge a model, look into one, learn from a round. `import detector` offers the same names.

Nothing is printed, and nothing outlives a call: no settings, no files, no changed threads. A model in memory takes the
way of a file: its bytes, as `torch.save` makes them, are parsed, audited and checked like any others, so that it gets
the answer of its file. Images in memory are written to a temporary folder, which goes with the call.
"""

from __future__ import annotations

import contextlib
import io
import math
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from detector.base.budget import Budget
from detector.base.clock import SystemClock
from detector.base.cpus import usable_cpus
from detector.base.errors import ExamplesError, UsageError
from detector.base.findings import Finding, Json
from detector.base.resources import LEARNED_PARAMETERS, METAPARAMETERS, METAPARAMETERS_SCHEMA, data_directory
from detector.base.workers import Workers
from detector.commands.configure import ConfigureRequest, Outcome
from detector.commands.configure import configure as _configure
from detector.commands.detect import Detection, Request
from detector.commands.inspect import Inspection, inspect_model
from detector.commands.settings import Settings, load_settings
from detector.commands.train_settings import TrainSettings, load_train_settings
from detector.measurement.confinement import UNCONFINED, Confinement
from detector.measurement.confinement import confinement as begin_confinement
from detector.model_file import SavedModel
from detector.report.document import to_document
from detector.report.report import Report
from detector.report.summary import summary_text
from detector.report.verdict import Judgement, judgement
from detector.rounds.preparation import Preparation
from detector.rounds.preprocessing import PROFILES

if TYPE_CHECKING:
    import torch

__all__ = ["Images", "Inspection", "Judgement", "Outcome", "Verdict", "configure", "detect", "inspect"]

StrPath: TypeAlias = "str | Path"
Model: TypeAlias = "StrPath | torch.nn.Module"
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Images:
    """Clean examples in memory.

    Attributes
    ----------
    pixels
        (N, H, W, 3), uint8, RGB: square, of a size that the detector takes; of any other with `resize`.
    labels
        N true classes, from 0, as indices of the network's output. None: not known, the network's own answers stand
        for them.

    Raises
    ------
    ExamplesError
        Shapes, types or numbers are not these.
    """

    pixels: NDArray[np.uint8]
    labels: Sequence[int] | None = None

    def __post_init__(self) -> None:
        pixels = np.asarray(self.pixels)
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3 or len(pixels) == 0:
            raise _unusable(f"{pixels.dtype} of shape {pixels.shape}", "uint8 of shape (N, H, W, 3), N > 0")
        if self.labels is None:
            return
        labels = np.asarray(self.labels)
        if labels.shape != (len(pixels),) or labels.dtype.kind not in "iu" or labels.min() < 0:
            raise _unusable(f"labels {labels.dtype} of shape {labels.shape}", f"{len(pixels)} integers from 0")


Examples: TypeAlias = "StrPath | Sequence[StrPath] | Images"


@dataclass(frozen=True)
class Verdict:
    """The answer about one model. `data` is all of it; the rest says it in other forms.

    Examples
    --------
    >>> from pathlib import Path
    >>> import detector
    >>> sample = Path("samples/id-00000000")
    >>> verdict = detector.detect(sample / "model.pt", sample / "example_data", bundle="small")
    >>> 0 <= verdict.probability <= 1
    True
    >>> verdict.verdict in detector.Judgement
    True
    >>> verdict.report()["model"]["architecture"]
    'squeezenetv1_1'
    >>> page = verdict.to_html()
    """

    data: Report

    @property
    def probability(self) -> float:
        """That the model is poisoned."""
        return self.data.probability

    @property
    def verdict(self) -> Judgement:
        """The answer in a word: poisoned, clean, undecided, tampered, unknown architecture, or not measured."""
        return judgement(self.data)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What quality assurance and the run found, in order."""
        return self.data.findings

    def report(self) -> dict[str, Json]:
        """What `infer` writes as report.json."""
        return to_document(self.data)

    def to_html(self, examples: StrPath | None = None) -> str:
        """A self-contained page; with the images in it where the folder of examples is given."""
        from detector.report.html import page

        return page(self.report(), None if examples is None else Path(examples))

    def __str__(self) -> str:
        """What `infer` prints."""
        return summary_text(self.report())


def detect(
    model: Model,
    examples: Examples,
    *,
    bundle: StrPath | None = None,
    seconds: float = 60,
    preprocessing: str | None = None,
    resize: bool | int = False,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    progress: Progress | None = None,
    sandboxed: bool = True,
) -> Verdict:
    """Estimate the probability that a model is poisoned.

    Parameters
    ----------
    model
        A file that `torch.save` wrote, or a torchvision network in memory (which is not changed).
    examples
        Clean images: a folder, a list of files named `class_<c>_example_<n>.png`, or `Images` in memory. Where nothing
        says their classes, the network's own answers stand for them, and the report says so.
    bundle
        The learned parameters: the name of a shipped bundle, or the folder of another one, as a `Path`. None: the
        shipped default.
    seconds
        The time budget.
    preprocessing
        How images become network input: the name of a profile, such as "imagenet". None: as the bundle has it.
    resize
        Whether photographs of other sizes are resized and cropped, as torchvision does it; a number is how many pixels
        a side the network sees.
    mean, std
        What is taken off each channel, for images in [0, 1], and what it is divided by.
    progress
        Called with the name of each stage as it begins, e.g. "load" or "variants".
    sandboxed
        Parse model and images in confined child processes. A finding tells where there are none.

    Raises
    ------
    ModelRefusedError
        The model is unsafe or corrupt.
    ExamplesError
        No image can be used.
    ParametersError
        There is no such bundle, or it is invalid.
    DeadlineError
        The budget ended before anything was measured.
    UsageError
        An argument is not of this kind.
    """
    clock = SystemClock()
    started, date = clock.now(), datetime.now(UTC).isoformat(timespec="seconds")
    if not (math.isfinite(seconds) and seconds > 0):
        raise UsageError(f"{seconds} seconds", where="seconds", expected="a positive number", next_step="give one")
    directory, settings = _learned(bundle)
    settings = replace(settings, max_seconds=float(seconds), preprocessing=_profile(preprocessing))
    preparation = Preparation.of(resize, mean, std)
    with _examples_folder(examples) as folder, _confinement(sandboxed=sandboxed) as confinement, _same_threads():
        request = Request(_saved(model), folder, directory, preparation, confinement)
        detection = Detection(request, settings, Budget(clock, started, settings.max_seconds), progress)
        report = detection.run()
    timings = {**report.timings, "total": clock.now() - started}
    return Verdict(replace(report, timings=timings, date=date, settings=settings.metaparameters))


def inspect(model: Model, *, sandboxed: bool = True) -> Inspection:
    """Say what is in a model file or a network, and what audit and quality assurance say, without running it.

    `sandboxed` as of `detect`.

    Raises
    ------
    ModelRefusedError
        The model is unsafe or corrupt; the error names the offending entry.
    """
    with _confinement(sandboxed=sandboxed) as confinement:
        return inspect_model(_saved(model), confinement)


def _confinement(*, sandboxed: bool) -> contextlib.AbstractContextManager[Confinement]:
    """For one call: begun before torch is imported where that is possible, and gone with it."""
    return begin_confinement() if sandboxed else contextlib.nullcontext(UNCONFINED)


def configure(
    models: StrPath,
    learned_parameters: StrPath,
    *,
    scratch: StrPath | None = None,
    automatic: bool = False,
    start_from: StrPath | None = None,
    settings: TrainSettings | None = None,
    sandboxed: bool = True,
) -> Outcome:
    """Learn from a folder of labelled models; the bundle `configured` in `learned_parameters` is replaced as a whole.

    Parameters
    ----------
    models
        A round: folders `id-<8 digits>` with model, examples and label.
    learned_parameters
        Where the bundle goes. `detect(..., bundle=outcome.bundle)` uses it.
    scratch
        Where measurements are kept, so that an interrupted run goes on. None: nowhere.
    automatic
        Search theta, signals and mapping over a grid, instead of fitting the ones of the settings.
    start_from
        Learn on from the mapping of a bundle for any architecture, such as "universal", instead: its name, in
        `learned_parameters` or among the shipped ones, or its folder.
    settings
        How to measure and what to fit. None: the shipped metaparameters.
    sandboxed
        As of `detect`.

    Raises
    ------
    UsageError
        The folder of models cannot be read, or a search and a start are asked for at once.
    ParametersError
        The bundle cannot be written there, nothing can be learned from the models, or there is no such start.
    """
    request = ConfigureRequest(
        Path(models),
        Path(learned_parameters),
        None if scratch is None else Path(scratch),
        automatic,
        None if start_from is None else str(start_from),
        Workers(usable_cpus(), sandboxed=sandboxed),
    )
    return _configure(request, settings or load_train_settings(*_shipped_metaparameters()), SystemClock())


def _shipped_metaparameters() -> tuple[Path, Path]:
    """The file and its schema."""
    return data_directory() / METAPARAMETERS, data_directory() / METAPARAMETERS_SCHEMA


def _learned(bundle: StrPath | None) -> tuple[Path, Settings]:
    """The folder of learned parameters, and the shipped settings with that bundle."""
    shipped, settings = data_directory() / LEARNED_PARAMETERS, load_settings(*_shipped_metaparameters())
    if bundle is None:
        return shipped, settings
    if isinstance(bundle, Path):
        return bundle, replace(settings, bundle=bundle.name)
    return shipped, replace(settings, bundle=bundle)


def _profile(name: str | None) -> str | None:
    if name is not None and name not in PROFILES:
        raise UsageError(
            f"no preprocessing {name!r}",
            where="preprocessing",
            expected=f"one of {', '.join(PROFILES)}",
            next_step="name one of these, or give mean and std",
        )
    return name


def _saved(model: object) -> Path | SavedModel:
    """Where the file of a model is; of one in memory the bytes that its file would have."""
    if isinstance(model, str | Path):
        return Path(model)
    import torch

    if not isinstance(model, torch.nn.Module):
        raise UsageError(
            f"a {type(model).__name__}",
            where="model",
            expected="the path of a model file, or a torch.nn.Module",
            next_step="give one of these",
        )
    stream = io.BytesIO()
    try:
        torch.save(model, stream)
    except Exception as error:  # pickling calls code of the model's own, which may raise anything
        raise UsageError(
            f"the {type(model).__name__} cannot be saved: {error!r}",
            where="model",
            expected="a torchvision network without hooks or functions of its own",
            next_step="save it with torch.save, and see what it holds",
        ) from error
    return SavedModel(f"{type(model).__name__}-in-memory.pt", stream.getvalue())


@contextlib.contextmanager
def _examples_folder(examples: Examples) -> Iterator[Path]:
    """The folder of the images; for files and arrays a temporary one."""
    if isinstance(examples, str | Path):
        yield Path(examples)
        return
    with tempfile.TemporaryDirectory(prefix="trojan-detector-") as name:
        folder = Path(name)
        if isinstance(examples, Images):
            _write_images(examples, folder)
        else:
            _copy_images([Path(file) for file in examples], folder)
        yield folder


def _write_images(images: Images, folder: Path) -> None:
    for number, pixels in enumerate(images.pixels):
        label = "" if images.labels is None else f"class_{int(images.labels[number])}_"
        Image.fromarray(pixels).save(folder / f"{label}example_{number}.png")


def _copy_images(files: Sequence[Path], folder: Path) -> None:
    for file in files:
        target = folder / file.name
        if target.exists():
            raise _unusable(f"two files are called {file.name}", "file names that tell the images apart")
        try:
            shutil.copyfile(file, target)
        except OSError as error:
            raise _unusable(f"{file} cannot be read ({error.strerror})", "readable image files") from error


def _unusable(what: str, expected: str) -> ExamplesError:
    return ExamplesError(what, where="examples", expected=expected, next_step="see the description of `detect`")


@contextlib.contextmanager
def _same_threads() -> Iterator[None]:
    """Afterwards torch uses as many threads in a call as before: measuring sets one."""
    import torch

    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
