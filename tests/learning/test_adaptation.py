"""Learning on from a start: what is chosen inside folds, beside what, and when the start is kept as it is.

The oracle is a plain loop over folds, with no code of the nested evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from detector.examples.choice import ImageChoice
from detector.learning.adaptation import Adaptation, Learner, RoundFeatures, adapt, adaptable
from detector.learning.evaluation.design import make_design
from detector.learning.experience import seen
from detector.learning.regression.shrinkage import Start, fit_from
from detector.learning.study import Study
from detector.mapping.any_of import AnyOf, Cause
from detector.mapping.configuration import Clip, Configuration
from detector.mapping.logistic import Logistic
from detector.mapping.parameters import ANY_ARCHITECTURE, LearnedParameters, Provenance, from_document, to_document
from detector.mapping.predict import beyond_experience, predict
from detector.probing.banks import bank
from detector.probing.probe import Probe
from detector.rounds.preprocessing import PROFILES
from detector.signals.features import ModelFeature
from detector.signals.registry import model_signal
from detector.sweep.readings import ArchitectureReadings, MissingSignalError

INPUTS = (
    ModelFeature("mean_lead", "polygon_probes", "soft_mean_lead"),
    ModelFeature("largest_share", "filter_probes", "soft_largest_share"),
)
PROBES = bank("standard")[:4]
CLIP = Clip(0.02, 0.98)
PENALTIES = (math.inf, 0.3, 0.01)
FOLDS = 3


@pytest.fixture(autouse=True)
def fewer_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer folds and penalties than the procedure has, for the time that they take."""
    monkeypatch.setattr("detector.learning.study.FOLDS", FOLDS)
    monkeypatch.setattr("detector.learning.adaptation.PENALTIES", PENALTIES)


def log_loss(labels: np.ndarray, answers: Sequence[float]) -> float:
    return -float(np.mean([math.log(p if label else 1 - p) for label, p in zip(labels, answers, strict=True)]))


def roc_auc(labels: np.ndarray, answers: Sequence[float]) -> float:
    """Pair by pair."""
    clean = [p for label, p in zip(labels, answers, strict=True) if not label]
    poisoned = [p for label, p in zip(labels, answers, strict=True) if label]
    return float(np.mean([(p > q) + (p == q) / 2 for p in poisoned for q in clean]))


def configuration(probes: Sequence[Probe] = PROBES, images: int = 10) -> Configuration:
    """Its causes are in another order than its features."""
    causes = (
        Cause("largest_share", 0.3, 0.1, -2.0, 4.0, -3.0, 1.5),
        Cause("mean_lead", 0.05, 0.02, -1.5, 8.0, -3.0, 1.5),
    )
    return Configuration(
        images=ImageChoice(images),
        thetas=(),
        probes=tuple(probes),
        inputs=INPUTS,
        mapping=AnyOf(0.0, causes),
        experience=(("mean_lead", (-0.05, 0.3)), ("largest_share", (-0.1, 1.1))),
    )


def start(*configurations: Configuration) -> LearnedParameters:
    provenance = Provenance("elsewhere, and-more", 33, 15, "by hand", "a test", ("a note of the start",), ("vgg11bn",))
    return LearnedParameters(ANY_ARCHITECTURE, PROFILES["small"], 0.5, CLIP, configurations, provenance)


def adaptation(parameters: LearnedParameters, permutations: int = 3) -> Adaptation:
    study = Study(PROFILES["round2"], 8, 0, "here", repeats=2, permutations=permutations)
    return Adaptation("base", parameters, study)


def models(seed: int, count: int = 30, shift: float = 0.0, found: float = 0.25) -> RoundFeatures:
    """Half of them poisoned, each showing in one of two readings by `found`; all lie elsewhere by `shift`."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    features = rng.normal([0.05, 0.3], [0.02, 0.1], (count, 2)) + shift
    features[np.arange(count), rng.integers(2, size=count)] += found * labels
    names = tuple(f"id-{number:08d}" for number in range(count))
    return RoundFeatures(names, labels, (features,))


def says(one: Configuration, features: np.ndarray, base_rate: float) -> list[float]:
    """What a detection answers."""
    return [
        CLIP(base_rate) if beyond_experience(one, row) else predict(one, row, CLIP).probability
        for row in features.tolist()
    ]


# What is compared


def test_the_start_is_judged_as_detections_with_it_answer() -> None:
    """Some of the models lie outside its experience."""
    found = models(0, shift=0.05)
    (one,) = adapt(found, adaptation(start(configuration()))).compared
    answers = says(configuration(), found.features[0], 0.5)
    assert one.start.cross_entropy == pytest.approx(log_loss(found.poisoned, answers), rel=1e-6)
    assert one.start.roc_auc == pytest.approx(roc_auc(found.poisoned, answers))
    strangers = [bool(beyond_experience(configuration(), row)) for row in found.features[0].tolist()]
    assert 0 < sum(strangers) == one.strangers < 15


def test_in_sample_is_what_detections_with_the_result_answer() -> None:
    found = models(1, shift=0.05)
    adapted = adapt(found, adaptation(start(configuration())))
    assert adapted.parameters is not None
    (learned,) = adapted.parameters.configurations
    answers = says(learned, found.features[0], adapted.parameters.base_rate)
    assert adapted.compared[0].in_sample.cross_entropy == pytest.approx(log_loss(found.poisoned, answers), abs=1e-4)
    assert learned.in_sample == adapted.compared[0].in_sample.stored
    assert learned.held_out == adapted.compared[0].held_out.stored


def by_hand(fitted: np.ndarray, found: RoundFeatures) -> list[np.ndarray]:
    """Of each option the answers to all models, in the order of the penalties; the start itself first."""
    one = configuration()
    columns = found.features[0][:, [1, 0]]
    assert isinstance(one.mapping, AnyOf)
    fits = fit_from(Start.of(one.mapping), columns[fitted], found.poisoned[fitted, None], PENALTIES)
    mappings = [one.mapping, *(fits.mapping(number) for number in range(len(PENALTIES)))]
    experience = []
    for name, (low, high) in one.experience:
        lowest, highest = seen(found.features[0][fitted, [own.name for own in INPUTS].index(name)])
        experience.append((name, (min(low, lowest), max(high, highest))))
    moved = [replace(one, mapping=mapping, experience=tuple(experience)) for mapping in mappings]
    base_rate = float(found.poisoned[fitted].mean())
    return [np.array(says(each, found.features[0], base_rate)) for each in moved]


def losses(answers: np.ndarray, labels: np.ndarray) -> np.ndarray:
    found: np.ndarray = -np.where(labels == 1, np.log(answers), np.log1p(-answers))
    return found


def first_as_good(told: list[list[float]]) -> int:
    """The first option whose losses are within one standard error of the best option's, pair by pair."""
    best = np.array(min(told, key=lambda one: round(sum(one), 9)))
    behind = [np.array(one) - best for one in told]
    errors = [scipy.stats.sem(one) if one.any() else 0.0 for one in behind]
    return next(i for i, (one, error) in enumerate(zip(behind, errors, strict=True)) if one.mean() <= error + 1e-12)


@pytest.mark.parametrize("seed", [2, 3])
def test_held_out_figures_are_those_of_a_plain_loop(seed: int) -> None:
    """Fold by fold: the first option within one standard error of the best on the other folds, each of these left out
    in its turn."""
    found = models(seed, count=18, shift=0.04, found=0.15)
    labels = found.poisoned
    numbers = make_design([labels], 0, folds=FOLDS, repeats=2, permutations=0).folds.numbers
    answers = np.empty((2, len(labels)))
    for repeat, row in enumerate(numbers):
        for fold in range(FOLDS):
            inner: list[list[float]] = [[] for _ in range(1 + len(PENALTIES))]
            for other in set(range(FOLDS)) - {fold}:
                own = by_hand((row != fold) & (row != other), found)
                for told, each in zip(inner, own, strict=True):
                    told += losses(each, labels)[row == other].tolist()
            answers[repeat, row == fold] = by_hand(row != fold, found)[first_as_good(inner)][row == fold]
    (one,) = adapt(found, adaptation(start(configuration()), permutations=0)).compared
    assert one.held_out.cross_entropy == pytest.approx(losses(answers, labels).mean(), abs=1e-3)
    assert one.held_out.roc_auc == pytest.approx(
        np.mean([roc_auc(labels, each.tolist()) for each in answers]), abs=0.01
    )


def test_an_option_sees_no_label_of_others() -> None:
    found = models(4)
    design = make_design([found.poisoned], 0, folds=FOLDS, repeats=1, permutations=2)
    learner = Learner.of(configuration(), found.features[0], design, CLIP)
    fitted = design.folds.numbers[0] != 0
    labels = np.where(fitted[:, None], design.labels, 1 - design.labels)
    changed = replace(learner, design=replace(design, labels=labels))
    np.testing.assert_array_equal(learner.options(fitted), changed.options(fitted))


# What comes of it


def test_a_round_that_is_like_the_start_changes_little_and_one_elsewhere_helps() -> None:
    (alike,) = adapt(models(5, count=40), adaptation(start(configuration()))).compared
    assert alike.held_out.cross_entropy < alike.start.cross_entropy + 0.05
    (elsewhere,) = adapt(models(5, count=40, shift=0.12), adaptation(start(configuration()))).compared
    assert elsewhere.held_out.cross_entropy < elsewhere.start.cross_entropy - 0.1
    assert elsewhere.moved != "unchanged"


def test_models_without_a_trigger_tell_nothing() -> None:
    found = [adapt(models(seed, found=0.0), adaptation(start(configuration()))).compared[0] for seed in range(3)]
    assert 0.2 < np.mean([one.held_out.roc_auc for one in found]) < 0.7
    assert all(one.held_out.chance is not None and one.held_out.chance.p_roc_auc > 0.2 for one in found)


def test_the_experience_is_the_union() -> None:
    found = models(6, shift=0.3)
    parameters = adapt(found, adaptation(start(configuration()))).parameters
    assert parameters is not None
    experience = dict(parameters.configurations[0].experience)
    values = found.features[0][:, 0]
    assert experience["mean_lead"][0] == -0.05
    assert experience["mean_lead"][1] == pytest.approx(values.max() + 0.25 * (values.max() - values.min()), rel=1e-5)


def test_what_is_told_and_kept() -> None:
    found = models(7, count=20)
    cheap = configuration(PROBES[:2], 6)
    features = (found.features[0], found.features[0] + 0.01)
    measured = replace(found, features=features, architectures=("resnet18",))
    adapted = adapt(measured, adaptation(start(configuration(), cheap)))
    parameters = adapted.parameters
    assert parameters is not None
    assert (adapted.architecture, adapted.num_models, adapted.num_poisoned, adapted.reason) == ("any", 20, 10, "")
    assert (parameters.preprocessing.name, parameters.base_rate, parameters.clip) == ("round2", 0.5, CLIP)
    assert [one.images.num_images for one in parameters.configurations] == [10, 6]
    assert [one.held_out.chance is None for one in adapted.compared] == [False, True]
    origin = parameters.provenance
    assert (origin.round, origin.num_models, origin.num_poisoned) == (
        "here, started from base (elsewhere, and-more)",
        20,
        10,
    )
    for words in ("3-fold", "shuffled, 3 times", "p = ", "start unchanged"):
        assert words in origin.evaluation
    pairs = zip(adapted.compared, origin.notes[1:], strict=False)
    assert "of resnet18;" in origin.notes[0]
    assert [f"cross-entropy of {one.start.cross_entropy:.3f}" in note for one, note in pairs] == [True, True]
    assert origin.notes[-1] == "a note of the start"
    assert origin.architectures == ("resnet18", "vgg11bn")
    known = dict(parameters.configurations[1].known)["mean_lead"]
    assert known.poisoned == pytest.approx(sorted(features[1][found.poisoned == 1, 0]), rel=1e-3)
    assert from_document(to_document(parameters)) == parameters


def test_a_start_from_the_same_round_is_told() -> None:
    found, plan = models(8, count=10), adaptation(start(configuration()), permutations=0)
    for name, expected in (("elsewhere", True), ("and-more", True), ("more", False)):
        parameters = adapt(found, replace(plan, study=replace(plan.study, round_name=name))).parameters
        assert parameters is not None
        assert any("a round of this name" in note for note in parameters.provenance.notes) == expected


@pytest.mark.parametrize(
    ("rows", "reason"),
    [(range(7), "fewer than 8 models"), ((0, 2, 4, 6, 8, 10, 1, 3), "fewer than 3 models of one class")],
)
def test_too_few_models_keep_the_start(rows: Sequence[int], reason: str) -> None:
    found = models(9)
    few = RoundFeatures(
        tuple(found.names[row] for row in rows), found.poisoned[list(rows)], (found.features[0][list(rows)],)
    )
    adapted = adapt(few, adaptation(start(configuration())))
    assert (adapted.reason, adapted.compared, adapted.num_models) == (reason, (), len(rows))
    assert adapted.parameters is not None
    (note, of_the_start) = adapted.parameters.provenance.notes
    assert reason in note and of_the_start == "a note of the start"
    kept = replace(adapted.parameters.provenance, notes=("a note of the start",))
    assert replace(adapted.parameters, provenance=kept) == start(configuration())


def test_three_of_a_class_are_enough() -> None:
    found = models(10)
    rows = [0, 2, 4, 6, 8, 1, 3, 5]
    few = RoundFeatures(tuple(found.names[row] for row in rows), found.poisoned[rows], (found.features[0][rows],))
    (one,) = adapt(few, adaptation(start(configuration()))).compared
    assert math.isfinite(one.held_out.cross_entropy)


def test_what_can_be_started_from() -> None:
    assert adaptable(start(configuration()))
    other = replace(configuration(), mapping=Logistic.of(0.0, [one.name for one in INPUTS], [1.0, 1.0]))
    assert not adaptable(start(other))
    assert not adaptable(start(configuration(), other))
    assert not adaptable(replace(start(configuration()), architecture="resnet18"))
    with pytest.raises(ValueError, match="any architecture"):
        adapt(models(0), adaptation(start(other)))


# What was measured


def readings(architecture: str, names: Sequence[str], seed: int = 0) -> ArchitectureReadings:
    rng = np.random.default_rng(seed)
    signals = ("polygon_probes", "filter_probes")
    return ArchitectureReadings(
        architecture=architecture,
        names=tuple(names),
        poisoned=np.arange(len(names)) % 2,
        signals=(),
        thetas=(),
        variants=(),
        seconds=(),
        images=(ImageChoice(6), ImageChoice(10)),
        numbers={name: rng.random((2, len(names), len(model_signal(name).numbers))) for name in signals},
        untouched={},
        probes=PROBES,
    )


def test_features_of_all_architectures_together() -> None:
    first, second = readings("resnet18", ("id-b", "id-d")), readings("vgg11bn", ("id-a", "id-c"), seed=1)
    found = RoundFeatures.of([configuration()], [(first, second)])
    assert found.names == ("id-a", "id-b", "id-c", "id-d")
    assert (found.poisoned.tolist(), found.architectures) == ([0, 0, 1, 1], ("resnet18", "vgg11bn"))
    place = model_signal("filter_probes").numbers.index("soft_largest_share")
    assert found.features[0][:, 1].tolist() == [
        own.numbers["filter_probes"][1, row, place] for own, row in ((second, 0), (first, 0), (second, 1), (first, 1))
    ]


def test_models_that_were_not_measured_for_all_configurations_are_left_out() -> None:
    whole, part = readings("resnet18", ("id-a", "id-b", "id-c")), readings("resnet18", ("id-b", "id-c"))
    found = RoundFeatures.of([configuration(), configuration(PROBES[:2], 6)], [(whole,), (part,)])
    assert found.names == ("id-b", "id-c")
    assert [one.shape for one in found.features] == [(2, 2), (2, 2)]
    assert RoundFeatures.of([configuration()], [()]).features[0].shape == (0, 2)


def test_a_signal_that_was_not_measured_is_named() -> None:
    own = readings("resnet18", ("id-a",))
    without = replace(own, numbers={"polygon_probes": own.numbers["polygon_probes"]})
    with pytest.raises(MissingSignalError, match="filter_probes"):
        RoundFeatures.of([configuration()], [(without,)])
