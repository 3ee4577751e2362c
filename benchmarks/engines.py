"""Compares engines for pruned variants side by side, and writes the tables (`make bench-engines`).

Every figure comes from a fresh process that keeps all cores busy in one of three ways. torchvision's eager networks
are the oracle: how far a candidate's logits are from theirs stands beside its time. Times mean something only where
nothing else runs, so the load before the start is written down too. What was measured is kept: an interrupted run goes
on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.candidates import CANDIDATES, Patches
from benchmarks.process import ROOT, kept
from benchmarks.random_models import random_model
from detector.base.cpus import usable_cpus
from detector.base.process import keep_freed_memory
from detector.graph.ir import Graph
from detector.graph.reference import reference_graph
from detector.measurement.measure import Images, Logits
from detector.model_file import read_model
from detector.model_file.records import ModelRecord
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.pruning.variants import make_variants

ARCHITECTURES = ("resnet50", "densenet121", "inceptionv3", "wideresnet101", "vgg16bn", "mobilenetv2", "shufflenet1_0")
IMPORTS = {
    "numpy": "import numpy",
    "torch": "import torch",
    "torch, torchvision": "from detector.torchvision_ops import torchvision_models; torchvision_models()",
    "onnxruntime": "import onnxruntime",
    "onnxruntime, onnx": "import onnxruntime, onnx",
    "openvino": "import openvino",
}
_ORACLE = "eager"
_OUTPUT = Path(__file__).with_suffix(".md")
_CONCLUSION = "## Conclusion"  # from here on the file is written by hand, and kept
_THETA = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.067, 15, 10)
_SIDE = 224  # pixels
_PASSES = _THETA.num_pruned_models + 1  # of a detection: the unpruned network too

_LEGEND = f"""\
Written by `make bench-engines`. {_THETA.num_images} images of 224 x 224, random weights, Reset; preparation is counted.

- cores share: `one call` computes with a thread for each core; `threads` and `processes`: a worker for each core, each
  computing with one thread
- first: making the engines and one variant on each worker; variant: each further one; model: imports and all
  {_PASSES} passes of a detection; all in wall seconds
- deviation: the largest difference to the logits of eager PyTorch, relative to the largest of them
"""


class Work(StrEnum):
    """How the cores share the work."""

    THREADS = "threads"  # a worker thread for each core, each call computes with one thread
    PROCESSES = "processes"  # a worker process for each core, each call computes with one thread
    INSIDE = "one call"  # one call at a time computes with a thread for each core


_RUNS = (  # the oracle comes first
    *((_ORACLE, work) for work in Work),
    ("eager, channels last", Work.THREADS),
    *(("eager, channels last, folded", work) for work in (Work.INSIDE, Work.THREADS)),
    *(("ours", work) for work in Work),
    *(("ONNX Runtime, a session per variant", work) for work in (Work.INSIDE, Work.THREADS)),
    ("ONNX Runtime, masks as inputs", Work.THREADS),
    ("ONNX Runtime, weights as inputs", Work.THREADS),
    *(("OpenVINO, a model per variant", work) for work in (Work.INSIDE, Work.THREADS)),
    ("OpenVINO, masks as inputs", Work.THREADS),
)


@dataclass(frozen=True)
class Run:
    """What one process measured: wall seconds, peak bytes.

    `imports` is the time to import the libraries, `first` that of making the engines and of one variant on each
    worker, `variant` that of each further one; `deviation` is the largest difference to the oracle's logits, relative
    to the largest of them.
    """

    imports: float
    first: float
    variant: float
    memory: int
    workers: int
    deviation: float

    @property
    def model(self) -> float:
        """Seconds that a detection spends on imports and on all its passes."""
        return self.imports + self.first + (_PASSES - self.workers) * self.variant


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure everything and write the tables, or be one of the processes that measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=ARCHITECTURES, metavar="ARCHITECTURE")
    parser.add_argument("--variants", type=int, default=4, help="timed variants of each run")
    parser.add_argument("--output", type=Path, default=_OUTPUT)
    parser.add_argument("--directory", type=Path, default=ROOT / "build/bench-engines", help="where figures are kept")
    parser.add_argument("--one", nargs=3, metavar=("CANDIDATE", "WORK", "DIRECTORY"), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.one:
        candidate, work, directory = given.one
        sys.stdout.write(json.dumps(asdict(_measure(candidate, Work(work), Path(directory), given))))
        return
    kept = _conclusion(given.output)
    lines = [
        "# Engines side by side",
        "",
        _LEGEND,
        machine.description(),
        f"- load before the start {machine.load():.1f}",
    ]
    lines += _import_table(machine.import_seconds(statement) for statement in IMPORTS.values())
    for architecture in given.only:
        lines += _architecture_table(architecture, given)
        given.output.write_text("\n".join([*lines, kept]), encoding="utf-8")


def _conclusion(path: Path) -> str:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    start = text.find(_CONCLUSION)
    return text[start:] if start >= 0 else ""


def _measure(candidate: str, work: Work, directory: Path, given: argparse.Namespace) -> Run:
    (architecture,) = given.only
    keep_freed_memory()  # as the detector does: whoever wins shall not win by that
    record, graph = read_model(directory / f"{architecture}.pt"), reference_graph(architecture)
    variants = [variant.patches for variant in make_variants(record.tensors, graph, _THETA)]
    images = np.random.default_rng(0).random((_THETA.num_images, 3, _SIDE, _SIDE), dtype=np.float32)
    workers = 1 if work is Work.INSIDE else usable_cpus()
    began = time.perf_counter()
    CANDIDATES[candidate].imports()
    imported = time.perf_counter()
    with _pool(work, (candidate, graph, record, usable_cpus() // workers, images)) as pool:
        answers = list(pool.map(_answer, variants[:workers]))
        first = time.perf_counter()
        answers += pool.map(_answer, variants[workers : workers + given.variants])
        ended = time.perf_counter()
    deviation = _deviation(np.stack(answers[: given.variants]), directory / f"{architecture}.npy")
    variant = (ended - first) / given.variants
    return Run(imported - began, first - imported, variant, _peak(workers), workers, deviation)


_worker = threading.local()  # of a worker, thread or process: its engine and the images


def _make(candidate: str, graph: Graph, record: ModelRecord, threads: int, images: Images) -> None:
    _worker.engine, _worker.images = CANDIDATES[candidate].make(graph, record, threads), images


def _answer(patches: Patches) -> Logits:
    logits: Logits = _worker.engine.logits(_worker.images, patches)
    return logits


def _pool(work: Work, made_of: tuple[Any, ...]) -> Executor:
    if work is Work.PROCESSES:
        fork = multiprocessing.get_context("fork")  # shares record and images without copies
        return ProcessPoolExecutor(usable_cpus(), fork, initializer=_make, initargs=made_of)
    return ThreadPoolExecutor(1 if work is Work.INSIDE else usable_cpus(), initializer=_make, initargs=made_of)


def _peak(workers: int) -> int:
    """Peak memory of this process and its worker processes; what they share is counted for each."""
    alone, worker = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return (alone + workers * worker) * 1024


def _deviation(answers: Logits, oracle: Path) -> float:
    """Relative to the oracle's answers, which the first caller writes."""
    if not oracle.exists():
        np.save(oracle, answers)
    expected = np.load(oracle)
    return float(np.abs(answers - expected).max() / np.abs(expected).max())


def _run(architecture: str, candidate: str, work: Work, given: argparse.Namespace) -> dict[str, Any] | None:
    """The fields of the run in a process of its own, or None where the candidate fails."""
    sys.stderr.write(f"{architecture}: {candidate}, {work}\n")
    options = ["--only", architecture, "--variants", str(given.variants)]
    command = [sys.executable, "-m", "benchmarks.engines", *options, "--one", candidate, work, str(given.directory)]
    ended = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    return asdict(Run(**json.loads(ended.stdout))) if ended.returncode == 0 else None


def _architecture_table(architecture: str, given: argparse.Namespace) -> list[str]:
    lines = [
        f"### {architecture}",
        "",
        "| engine | cores share | import, s | first, s | variant, s | model, s | peak, MB | deviation |",
        "|---|---|---|---|---|---|---|---|",
    ]
    given.directory.mkdir(parents=True, exist_ok=True)
    random_model(architecture, given.directory)
    for number, (candidate, work) in enumerate(_RUNS):
        path = given.directory / f"{architecture}-{number}.json"
        run = kept(path, partial(_run, architecture, candidate, work, given))
        lines.append(_row(candidate, work, run and Run(**run)))
    (given.directory / f"{architecture}.pt").unlink()
    return [*lines, ""]


def _row(candidate: str, work: Work, run: Run | None) -> str:
    if run is None:
        return f"| {candidate} | {work} | failed | | | | | |"
    times = f"{run.imports:.2f} | {run.first:.2f} | {run.variant:.3f} | {run.model:.1f}"
    return f"| {candidate} | {work} | {times} | {run.memory / 1e6:.0f} | {run.deviation:.0e} |"


def _import_table(seconds: Iterable[float]) -> list[str]:
    lines = ["", "| a fresh process imports | s |", "|---|---|"]
    return [*lines, *(f"| {names} | {one:.2f} |" for names, one in zip(IMPORTS, seconds, strict=True)), ""]


if __name__ == "__main__":
    main()
