"""Measures generated models for the study of domains: `python -m laboratory.domains.measuring ROUND --output FOLDER`.

Each model takes the way of a detection: its file is parsed to inert records, checked, and run in the reference graph of
its architecture. A model that has been measured is left alone, so the same command goes on with a round that grows.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detector.base.budget import Budget
from detector.base.clock import SystemClock
from detector.base.errors import DetectorError
from detector.examples.images import Examples, Listing, decode, list_examples, select, takes_any
from detector.graph.reference import load_references, reference_graph
from detector.measurement.measure import Measurer
from detector.measurement.probes import measure_probes
from detector.model_file import read_model
from detector.probing.banks import bank
from detector.probing.probe import Probe
from detector.pruning.theta import LayerRange, PruningMethod, RankingMethod, SamplingMethod, SelectionRule, Theta
from detector.pruning.variants import make_variants
from detector.quality.check import check_model
from detector.rounds.preprocessing import PROFILES, ChannelOrder, Preprocessing, Scaling
from detector.signals.classifier_weights import model_statistics
from laboratory.domains.answers import ModelAnswers, write_answers

_log = logging.getLogger(__name__)

_MOST_IMAGES, _MOST_VARIANT_IMAGES = 72, 40
_LARGE_IMAGES = 30  # at 224 px every image costs twenty times as much
_LARGE = 200
_FACTS = (
    "NUMBER_CLASSES", "CNN_IMG_SIZE_PIXELS", "NUMBER_TRIGGERED_CLASSES", "TRIGGERED_CLASSES", "TRIGGER_TARGET_CLASS",
    "TRIGGER_TYPE", "TRIGGER_TYPE_OPTION", "TRIGGERED_FRACTION", "FINAL_CLEAN_DATA_TEST_ACC",
    "FINAL_TRIGGERED_DATA_TEST_ACC", "FINAL_EXAMPLE_ACC", "SIGN_FAMILY", "BACKGROUND_FAMILY", "OPTIMISER",
    "LEARNING_RATE", "RATE_SCHEDULE", "WEIGHT_DECAY", "BATCH_SIZE", "EPOCHS", "LABEL_SMOOTHING", "AUGMENTATION",
    "START", "ADVERSARIAL_TRAINING_METHOD", "ADVERSARIAL_EPS", "WRONG_EXAMPLE_LABELS", "TRAINING_WALL_TIME_SEC",
)  # fmt: skip


def study_thetas() -> tuple[Theta, ...]:
    """One theta of each way to change a network: the paper's pruning, amplification and stimulation."""
    common: dict[str, Any] = {
        "sampling_method": SamplingMethod.TARGETED,
        "ranking_method": RankingMethod.L1,
        "num_images": _MOST_VARIANT_IMAGES,
        "rule": SelectionRule.PAPER,
    }
    return (
        Theta(PruningMethod.RESET, p=0.067, num_pruned_models=15, **common),
        Theta(PruningMethod.AMPLIFY, p=0.05, num_pruned_models=8, gain=3.0, **common),
        Theta(PruningMethod.STIMULATE, p=0.001, num_pruned_models=8, gain=3.0, layers=LayerRange.EARLY, **common),
        Theta(PruningMethod.STIMULATE, p=0.001, num_pruned_models=8, gain=10.0, layers=LayerRange.MIDDLE, **common),
        Theta(PruningMethod.STIMULATE, p=0.001, num_pruned_models=8, gain=20.0, layers=LayerRange.LATE, **common),
    )


def study_probes() -> tuple[Probe, ...]:
    """The bank that detections use, and the photo filters at further strengths."""
    further = [
        Probe.make("photo_filter", filter=name, strength=strength)
        for strength in (0.25, 0.5)
        for name in ("gotham", "nashville", "kelvin", "lomo", "toaster")
    ]
    return (*bank("standard"), *further)


def measure_model(folder: Path, round_name: str, *, thetas: bool = True) -> ModelAnswers:
    """Measure the model in `folder`, a folder of Round 2's layout with a config.json.

    Raises
    ------
    DetectorError
        The model or its examples cannot be used.
    """
    from detector.measurement.engine import PackedEngine

    facts = json.loads((folder / "config.json").read_text())
    record = read_model(folder / "model.pt")
    identification = check_model(record, load_references()).identification
    assert identification.architecture is not None
    listing = list_examples(folder / "example_data", identification.num_classes)
    examples, profile = _examples(listing)
    graph = reference_graph(identification.architecture.name)
    clock = SystemClock()
    measurer = Measurer(PackedEngine(graph, record.tensors), Budget(clock, clock.now(), float("inf")), workers=1)
    unpruned = measurer.unpruned(examples.images)
    assert unpruned is not None
    probes = study_probes()
    probed = measure_probes(measurer, examples.pixels, profile, probes, unpruned.shape[1])
    measured, variants, rows = study_thetas() if thetas else (), [], _variant_rows(listing, examples)
    for theta in measured:
        made = make_variants(record.tensors, graph, theta)
        logits = measurer.variants(made, theta.num_pruned_models, examples.images[rows])
        assert logits is not None
        variants.append(logits)
    return ModelAnswers(
        name=f"{round_name}/{folder.name}",
        architecture=identification.architecture.name,
        poisoned=bool(facts["POISONED"]),
        facts={name.lower(): facts[name] for name in _FACTS if name in facts},
        labels=examples.labels,
        unpruned=unpruned,
        probes=probes,
        probed=probed.logits,
        thetas=measured,
        variants=tuple(variants),
        rows=rows,
        weights=tuple(model_statistics(graph, record.tensors).tolist()),
    )


def _examples(listing: Listing) -> tuple[Examples, Preprocessing]:
    """Images of every class, and the profile of their size."""
    usual = [one for one in PROFILES.values() if (one.channel_order, one.scaling) == (ChannelOrder.RGB, Scaling.DIV255)]
    profile = next(one for one in usual if takes_any(listing, one))
    most = _MOST_IMAGES if profile.crop < _LARGE else _LARGE_IMAGES
    return decode(listing, select(listing, most, SelectionRule.PAPER), profile), profile


def _variant_rows(listing: Listing, examples: Examples) -> np.ndarray[Any, np.dtype[np.int64]]:
    wanted = set(select(listing, min(_MOST_VARIANT_IMAGES, len(examples)), SelectionRule.PAPER))
    rows = [row for row, index in enumerate(examples.stands_for) if index in wanted]
    return np.array(rows or range(len(examples)), dtype=np.int64)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is new in a round; returns 0, or 1 where a model could not be measured."""
    parser = argparse.ArgumentParser(
        prog="python -m laboratory.domains.measuring", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("round", type=Path, help="folder of generated models")
    parser.add_argument("--output", type=Path, required=True, help="folder for one file a model")
    parser.add_argument("--part", default="0/1", help="I/N: every N-th model from the I-th on")
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    part, parts = map(int, options.part.split("/"))
    failed = 0
    for folder in sorted(options.round.glob("id-*"))[part::parts]:
        path = options.output / f"{folder.name}.npz"
        if path.exists():
            continue
        try:
            write_answers(path, measure_model(folder, options.output.name))
            _log.info("measured %s", folder.name)
        except DetectorError as error:
            failed += 1
            _log.warning("left out %s: %s", folder.name, error)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
