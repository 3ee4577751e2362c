"""The registry of signals: names and versions, and a door that a test opens with a signal of each scope."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from detector.base.errors import ExitCode
from detector.base.registry import Registry, UnknownEntryError
from detector.graph.reference import reference_graph
from detector.probing import Probe
from detector.probing.kinds import KINDS
from detector.signals.answers import Answers
from detector.signals.legacy import FIRST_NUMBERS
from detector.signals.reading import read_signals, variant_readings
from detector.signals.registry import (
    SIGNALS,
    Context,
    ModelSignal,
    Scope,
    VariantSignal,
    is_per_variant,
    model_signal,
    per_model,
    per_variant,
)

RNG = np.random.default_rng(0)
LABELS = np.arange(6) % 3
LOGITS = RNG.normal(size=(6, 3))
PRUNED = RNG.normal(size=(2, 6, 3))


PROBE = Probe.make(next(iter(KINDS)))


@dataclass(frozen=True)
class Toy:
    name: str


def weights() -> dict[str, np.ndarray]:
    return {"fc.weight": RNG.normal(size=(3, 8)), "fc.bias": np.zeros(3)}


def context(*probes: Probe) -> Context:
    probed = RNG.normal(size=(len(probes), 6, 3)) if probes else None
    return Context(LOGITS, LABELS, reference_graph("resnet18"), weights(), probes, probed)


def largest_logit(answers: Answers) -> np.ndarray:
    return np.asarray(answers.logits.max(axis=(1, 2)))


def images_of_class_0(context: Context) -> np.ndarray:
    return np.array([float((context.labels == 0).sum())])


def moved(context: Context) -> np.ndarray:
    """By how much the probes move logits."""
    assert context.probed is not None
    moves = np.abs(context.probed - context.unpruned)
    return np.array([moves.mean(), moves.max()])


TOY_VARIANT = VariantSignal("largest_logit", 1, largest_logit, relative=True)
TOY_NETWORK = ModelSignal("class_0", 1, Scope.NETWORK, ("images",), images_of_class_0)
TOY_PROBE = ModelSignal("moved", 3, Scope.PROBE, ("mean", "most"), moved)


def test_the_first_versions_are_those_that_old_files_hold() -> None:
    for name, numbers in FIRST_NUMBERS.items():
        signal = model_signal(name)
        assert signal.version > 1 or signal.numbers == numbers


def test_scopes() -> None:
    assert {*per_variant(), *per_model()} == set(SIGNALS.names())
    assert is_per_variant("accuracy") and not is_per_variant("unpruned")
    assert [signal.name for signal in SIGNALS if isinstance(signal, VariantSignal) and not signal.relative] == [
        "accuracy"
    ]


def test_a_signal_of_variants_is_read_with_the_others() -> None:
    before = variant_readings(PRUNED, LOGITS, LABELS)
    with SIGNALS.with_entry(TOY_VARIANT):
        assert per_variant()[-1] == "largest_logit"
        after = variant_readings(PRUNED, LOGITS, LABELS)
        read = read_signals(context(), [PRUNED, PRUNED[:1]])
    np.testing.assert_array_equal(after[:, :-1], before)
    np.testing.assert_allclose(after[:, -1], PRUNED.max(axis=(1, 2)) - LOGITS.max())
    assert read.variants[0]["largest_logit"].tolist() == after[:, -1].tolist()
    assert read.variants[1]["largest_logit"].tolist() == after[:1, -1].tolist()
    assert "largest_logit" not in SIGNALS


def test_signals_of_the_network_and_of_probes_are_numbers_by_name() -> None:
    with SIGNALS.with_entry(TOY_NETWORK), SIGNALS.with_entry(TOY_PROBE):
        without, within = read_signals(context(), [PRUNED]), read_signals(context(PROBE, PROBE), [])
    assert without.numbers["class_0"].tolist() == [2.0]
    assert "moved" not in without.numbers
    assert within.numbers["moved"].shape == (2,)
    assert within.variants == ()


def test_as_many_numbers_as_names() -> None:
    with SIGNALS.with_entry(ModelSignal("short", 1, Scope.NETWORK, ("a", "b"), images_of_class_0)):  # noqa: SIM117
        with pytest.raises(ValueError, match="expected 2 numbers of short"):
            read_signals(context(), [PRUNED])


@pytest.mark.parametrize("numbers", [(), ("a", "a")])
def test_numbers_have_names(numbers: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="names"):
        ModelSignal("toy", 1, Scope.NETWORK, numbers, images_of_class_0)


def test_an_unknown_name_is_told_with_those_that_are_known() -> None:
    with pytest.raises(UnknownEntryError, match=r"no signal is called 'loss' .*accuracy, log_probability") as caught:
        SIGNALS["loss"]
    assert caught.value.exit_code is ExitCode.PARAMETERS_INVALID


def test_a_registry() -> None:
    registry: Registry[Toy] = Registry("probe")
    registry.add(Toy("b"))
    registry.add(Toy("a"))
    assert registry.names() == ("b", "a")
    assert registry["a"] == Toy("a")
    assert len(registry) == 2
    with pytest.raises(ValueError, match="already"):
        registry.add(Toy("a"))
    with registry.without_entry("b"), pytest.raises(UnknownEntryError, match="'b'"):
        registry["b"]
    assert "b" in registry
