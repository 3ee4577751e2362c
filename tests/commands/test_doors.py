"""The doors, tried: a toy signal of each scope and a toy mapping, one class or function each, from bundle to answer.

The bundle that needs them measures probes beside variants; without an entry that it needs it is refused by name.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from detector.base.budget import Budget
from detector.base.clock import SystemClock
from detector.base.errors import ParametersError
from detector.base.registry import Registry
from detector.base.workers import Workers
from detector.commands.detect import Detection, Request
from detector.commands.settings import Settings
from detector.examples.choice import ImageChoice
from detector.mapping.bundles import Bundle, load_parameters, write_bundle
from detector.mapping.configuration import Clip, Configuration
from detector.mapping.parameters import LearnedParameters, Provenance
from detector.mapping.port import MAPPINGS, Applied, FittedMapping, MappingType
from detector.probing import Probe
from detector.pruning.method import UnsupportedNetworkError
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.report.document import to_document
from detector.report.report import Basis, Report
from detector.report.text import report_text
from detector.rounds.preprocessing import PROFILES
from detector.rounds.reading import LabelledModel, LeftOut
from detector.signals.answers import Answers
from detector.signals.features import Feature, ModelFeature, VariantFeature
from detector.signals.registry import SIGNALS, Context, ModelSignal, Scope, VariantSignal
from detector.sweep.readings import read_readings, write_readings
from detector.sweep.store import Store
from detector.sweep.sweeping import ModelReadings, Sweep, sweep_model
from detector.sweep.workers import measure_round

SETTINGS = Settings("toys", 600.0, None, save_logits=False, tampered_probability=0.9, threads=1)
THETA = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 3, 4)
PROBES = (Probe.make("grey"), Probe.make("inversion"))


def steepness(answers: Answers) -> np.ndarray:
    return np.asarray(answers.logits.std(axis=(1, 2)))


def shown(context: Context) -> np.ndarray:
    """How many images, and parameters of the network."""
    return np.array([float(len(context.labels)), float(len(context.arrays))])


def moved(context: Context) -> np.ndarray:
    """How far the probes move logits, on average of each."""
    assert context.probed is not None
    return np.asarray(np.abs(context.probed - context.unpruned).mean(axis=(1, 2))[:2], np.float64)


STEEPNESS = VariantSignal("steepness", 1, steepness, relative=False)
SHOWN = ModelSignal("shown", 4, Scope.NETWORK, ("images", "arrays"), shown)
MOVED = ModelSignal("moved", 1, Scope.PROBE, ("first", "second"), moved)


@dataclass(frozen=True)
class Threshold(FittedMapping):
    """Poisoned where a feature is larger than a limit; it cannot be taken apart."""

    feature: str
    limit: float
    name: ClassVar[str] = "threshold"
    version: ClassVar[int] = 2

    def apply(self, features: Mapping[str, float]) -> Applied:
        raw = features[self.feature] - self.limit
        return Applied(0.9 if raw > 0 else 0.1, raw, 0.0, {})

    def fields(self) -> dict[str, Any]:
        return {"feature": self.feature, "limit": self.limit}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any], features: Sequence[str]) -> Threshold:
        if fields["feature"] not in features:
            raise ValueError(f"expected one of {features}")
        return cls(fields["feature"], float(fields["limit"]))


ENTRIES: tuple[tuple[Registry[Any], Any], ...] = (
    (SIGNALS, STEEPNESS),
    (SIGNALS, SHOWN),
    (SIGNALS, MOVED),
    (MAPPINGS, MappingType(Threshold)),
)


@pytest.fixture
def toys() -> Iterator[None]:
    with ExitStack() as stack:
        for registry, entry in ENTRIES:
            stack.enter_context(registry.with_entry(entry))
        yield


def configuration(
    limit: float, thetas: tuple[Theta, ...] = (THETA,), beyond: tuple[float, float] | None = None
) -> Configuration:
    of_variants = [VariantFeature("steepness_mean", "steepness", 0, "mean")] if thetas else []
    inputs: tuple[Feature, ...] = (
        *of_variants,
        ModelFeature("arrays", "shown", "arrays"),
        ModelFeature("second", "moved", "second"),
    )
    seen = (("second", beyond or (0.0, 1e6)), ("arrays", (0.0, 1e6)))
    return Configuration(ImageChoice(4), thetas, PROBES, inputs, Threshold("second", limit), experience=seen)


def written(directory: Path, *configurations: Configuration) -> Path:
    origin = Provenance("by hand", 2, 1, "none", "this test")
    learned = LearnedParameters("squeezenetv1_1", PROFILES["rgb_minmax"], 0.5, Clip(), configurations, origin)
    write_bundle(directory, Bundle("toys", "1", "for this test", 0.5), [learned])
    return directory


def judged(small_case: Any, bundles: Path, seconds: float = 600.0) -> tuple[Detection, Report]:
    clock = SystemClock()
    request = Request(small_case.model, small_case.examples, bundles)
    made = Detection(request, SETTINGS, Budget(clock, clock.now(), seconds))
    return made, made.run()


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize(("limit", "answer"), [(0.0, 0.9), (1e9, 0.1)])
def test_a_bundle_of_toys_is_answered_with(limit: float, answer: float, small_case: Any, tmp_path: Path) -> None:
    made, report = judged(small_case, written(tmp_path, configuration(limit)))
    assert (report.basis, report.probability) == (Basis.MEASURED, answer)
    assert report.features == ("steepness_mean", "arrays", "second")
    assert made.logits is not None and made.logits.probed is not None and report.signal_vector is not None
    assert made.logits.pruned.shape == (3, 4, 5)
    assert made.logits.probed.shape == (2, 4, 5)
    steep, arrays, second = report.signal_vector
    assert steep == pytest.approx(made.logits.pruned.astype(np.float64).std(axis=(1, 2)).mean())
    assert arrays == len(made._record.tensors)  # type: ignore[union-attr]
    assert second == pytest.approx(np.abs(made.logits.probed[1] - made.logits.unpruned).mean())
    assert report.prediction is not None and report.prediction.contributions == ()
    assert report.readings is not None and set(report.readings) == set(SIGNALS.names())
    assert report.mapping is not None and report.mapping.cost == (3 + 2) * 4
    assert "beyond_experience" not in {finding.code for finding in report.findings}
    json.dumps(to_document(report))
    assert "steepness" in report_text(report)


@pytest.mark.usefixtures("toys")
def test_beyond_experience_the_answer_is_the_base_rate(small_case: Any, tmp_path: Path) -> None:
    _, report = judged(small_case, written(tmp_path, configuration(0.0, beyond=(-2.0, -1.0))))
    assert report.basis is Basis.BASE_RATE and report.signal_vector is not None
    (beyond,) = [finding for finding in report.findings if finding.code == "beyond_experience"]
    assert "undecided: unlike anything that this bundle was learned on" in beyond.message
    second = report.signal_vector[2]
    assert beyond.evidence == {"features": {"second": {"value": second, "low": -2.0, "high": -1.0}}}
    assert "steepness" in report_text(report)


@pytest.mark.usefixtures("toys")
def test_probes_alone(small_case: Any, tmp_path: Path) -> None:
    made, report = judged(small_case, written(tmp_path, configuration(0.0, ())))
    assert (report.basis, report.probability, report.thetas) == (Basis.MEASURED, 0.9, ())
    assert made.logits is not None and made.logits.probed is not None
    assert made.logits.probed.shape == (2, 4, 5)


@pytest.mark.parametrize(("registry", "entry"), ENTRIES, ids=[entry.name for _, entry in ENTRIES])
def test_a_bundle_names_what_it_needs_and_there_is_not(
    registry: Registry[Any], entry: Any, toys: None, small_case: Any, tmp_path: Path
) -> None:
    bundles = written(tmp_path, configuration(0.0))
    assert load_parameters(bundles, "toys", "squeezenetv1_1") is not None
    with registry.without_entry(entry.name), pytest.raises(ParametersError, match=f"is called '{entry.name}'"):
        judged(small_case, bundles)


@pytest.mark.usefixtures("toys")
def test_a_sweep_reads_the_same(small_case: Any, tmp_path: Path) -> None:
    """From the measurements to the file of readings and back, the features are those of a detection."""
    _, report = judged(small_case, written(tmp_path, configuration(0.0)))
    model = LabelledModel("id-00000000", small_case.model, small_case.examples, poisoned=True)
    sweep = Sweep((THETA,), PROFILES["rgb_minmax"], PROBES)
    store = Store(tmp_path / "scratch")
    (readings,) = measure_round([model], sweep, store, SystemClock(), Workers(1)).readings
    write_readings(tmp_path / "readings.npz", readings)
    read = read_readings(tmp_path / "readings.npz")
    assert read.probes == PROBES
    assert (read.versions["shown"], read.number_names["moved"]) == (4, ("first", "second"))
    assert report.signal_vector is not None
    np.testing.assert_allclose(
        read.features(configuration(0.0).inputs, (THETA,))[0], report.signal_vector, rtol=1e-4, atol=1e-4
    )
    again = sweep_model(model, sweep, store, SystemClock())
    assert isinstance(again, ModelReadings)
    np.testing.assert_array_equal(again.numbers["moved"], readings.numbers["moved"][:, 0])


def test_a_theta_that_cannot_be_done_is_left_out_and_the_model_stays(
    small_case: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from detector.pruning.variants import make_variants

    def refusing(weights: Any, graph: Any, theta: Theta, rankings: Any = None) -> Any:
        if theta.pruning_method == PruningMethod.REMOVE:
            raise UnsupportedNetworkError("grouped", where="here", expected="another", next_step="none")
        return make_variants(weights, graph, theta, rankings)

    monkeypatch.setattr("detector.measurement.model_under_test.make_variants", refusing)
    removing = replace(THETA, pruning_method=PruningMethod.REMOVE)
    model = LabelledModel("id-00000000", small_case.model, small_case.examples, poisoned=True)
    sweep = Sweep((removing, THETA), PROFILES["rgb_minmax"])
    with caplog.at_level(logging.WARNING):
        (readings,) = measure_round([model], sweep, Store(None), SystemClock(), Workers(1)).readings
    assert readings.thetas == (THETA,)
    assert len(readings.variants) == len(readings.seconds) == 1
    assert "Remove is left out for squeezenetv1_1: grouped" in caplog.text
    alone = sweep_model(model, replace(sweep, thetas=(removing,)), Store(None), SystemClock())
    assert isinstance(alone, LeftOut) and "grouped" in alone.reason
