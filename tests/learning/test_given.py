"""Theta given: the regressions against scikit-learn's, which architectures get one, and what is said of its worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from detector.learning.evaluation.design import Design, make_design
from detector.learning.evaluation.metrics import judge
from detector.learning.fitting import fittings
from detector.learning.given import GivenTheta, learn
from detector.learning.regression.fit import Fit
from detector.learning.search.candidates import Candidate
from detector.learning.search.searching import RIDGE_PENALTIES
from detector.learning.study import Study
from detector.mapping.configuration import Clip, Configuration
from detector.mapping.predict import predict
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.rounds.preprocessing import PROFILES
from detector.signals.attraction import ATTRACTION_STATISTICS
from detector.signals.classifier_weights import CLASSIFIER_STATISTICS
from detector.signals.features import Reduction
from detector.signals.registry import per_variant
from detector.signals.unpruned import UNPRUNED_STATISTICS
from detector.sweep.readings import ArchitectureReadings, images_of

THETA = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 3, 10)
OTHER = replace(THETA, p=0.2)
STUDY = Study(PROFILES["round2"], 8, seed=0, round_name="by hand")
GIVEN = GivenTheta(THETA, ("margin",), Reduction.VARIANTS, "ols", STUDY)


def models(labels: Sequence[int], architecture: str = "resnet18", slope: int = 1) -> ArchitectureReadings:
    """The first variant's margin under THETA tells the label, all else is noise."""
    rng = np.random.default_rng(0)
    poisoned = np.array(labels)
    noise, told = (rng.random((len(labels), 3, len(per_variant()))) for _ in range(2))
    told[:, 0, per_variant().index("margin")] = slope * poisoned
    return ArchitectureReadings(
        architecture=architecture,
        names=tuple(f"id-{number:08d}" for number in range(len(labels))),
        poisoned=poisoned,
        signals=per_variant(),
        thetas=(OTHER, THETA),
        variants=(noise, told),
        seconds=(np.ones(len(labels)),) * 2,
        images=images_of((THETA, OTHER)),
        numbers={
            "unpruned": rng.random((2, len(labels), len(UNPRUNED_STATISTICS)))[: len(images_of((THETA, OTHER)))],
            "attraction": rng.random((2, len(labels), len(ATTRACTION_STATISTICS)))[: len(images_of((THETA, OTHER)))],
            "classifier_weights": np.stack(
                [rng.random((len(labels), len(CLASSIFIER_STATISTICS)))] * len(images_of((THETA, OTHER)))
            ),
        },
        untouched={},
    )


def smallest_p(labels: list[int]) -> float:
    """Where every fold tells: of the permutations those do as well that swap no pair, or all of them."""
    design = make_design([np.array(labels)], STUDY.seed)
    return float(np.mean([len(set(column == design.labels[:, 0])) == 1 for column in design.labels.T]))


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([0, 1] * 4, ""),
        ([0] * 5 + [1] * 3, ""),
        ([0, 1, 0, 1, 0, 1, 0], "fewer than 8 models"),
        ([0] * 6 + [1] * 2, "fewer than 3 models of one class"),
        ([1] * 30, "fewer than 3 models of one class"),
    ],
)
def test_which_architectures_get_a_regression(labels: list[int], reason: str) -> None:
    (one,) = learn([models(labels)], GIVEN)
    assert (one.num_models, one.num_poisoned, one.reason) == (len(labels), sum(labels), reason)
    assert (one.parameters is None) == bool(reason)


def test_each_architecture_is_learned_from_its_own_models() -> None:
    """Of the one the label can be read off; of the other it is the opposite that can."""
    reverse, upright = models([0, 1] * 8, "densenet121", slope=-1), models([0, 1] * 8, "vgg11bn")
    first, second = learn([reverse, upright], GIVEN)
    assert (first.architecture, second.architecture) == ("densenet121", "vgg11bn")
    for one, slope in ((first, -1), (second, 1)):
        assert one.parameters is not None
        (configuration,) = one.parameters.configurations
        assert tuple(configuration.mapping.fields()["coefficients"].values()) == pytest.approx((slope, 0, 0), abs=1e-9)
        assert configuration.held_out is not None
        assert configuration.held_out.roc_auc == 1.0
        assert configuration.held_out.cross_entropy == pytest.approx(-np.log(0.99))  # clipped
        assert f"p = {smallest_p([0, 1] * 8):.3f}" in one.parameters.provenance.evaluation


def test_doubtful_models_are_told() -> None:
    doubtful = ("id-00000000", "id-00000003", "id-00000015", "of another architecture")
    (one,) = learn([models([0, 1] * 8)], replace(GIVEN, study=replace(STUDY, doubtful=doubtful)))
    assert one.parameters is not None
    assert one.parameters.provenance.notes == ("3 of the models fail at their clean examples before pruning.",)


RNG = np.random.default_rng(8)
ALL = ["ols", "ridge", "logistic"]
LABELS = np.array([0, 1] * 20)
# Accuracies of 10 images: on different scales, and the first two of them tell something.
VECTORS = RNG.integers(0, 11, (40, 5)) / 10 * [1, 1, 1, 0.2, 100]
VECTORS[:, 0] += 0.4 * LABELS
VECTORS[:, 1] -= 0.3 * LABELS


def given(vectors: np.ndarray, labels: np.ndarray) -> tuple[ArchitectureReadings, Candidate]:
    """Readings whose features under the candidate are these vectors."""
    theta = replace(THETA, num_pruned_models=vectors.shape[1])
    readings = models(labels.tolist())
    variants = np.zeros((*vectors.shape, len(per_variant())))
    variants[:, :, per_variant().index("accuracy")] = vectors
    return replace(readings, thetas=(theta,), variants=(variants,)), Candidate(
        (theta,), ("accuracy",), Reduction.VARIANTS
    )


def fitted(
    method: str, vectors: np.ndarray, labels: np.ndarray, permutations: int = 0, seed: int = 0
) -> tuple[Fit, np.ndarray, Design]:
    design = make_design([labels], seed, folds=min(5, *np.bincount(labels)), repeats=2, permutations=permutations)
    fit, answers = fittings()[method].fit(*given(vectors, labels), design)
    assert isinstance(fit, Fit)
    return fit, answers, design


def test_ols_is_scikit_learns() -> None:
    made, oracle = fitted("ols", VECTORS, LABELS)[0], LinearRegression().fit(VECTORS, LABELS)
    assert made.intercept == pytest.approx(oracle.intercept_)
    np.testing.assert_allclose(made.coefficients, oracle.coef_, rtol=1e-8)


@pytest.mark.parametrize("labels", [LABELS, np.roll(LABELS, 1), RNG.permutation(LABELS)])
def test_ridge_is_scikit_learns_with_its_leave_one_out(labels: np.ndarray) -> None:
    made = fitted("ridge", VECTORS, labels)[0]
    oracle = make_pipeline(StandardScaler(), RidgeCV(40 * np.array(RIDGE_PENALTIES))).fit(VECTORS, labels)
    expected = np.clip(oracle.predict(VECTORS), 0, 1)
    np.testing.assert_allclose(made.probabilities(VECTORS, Clip(0, 1)), expected, atol=1e-9)


def test_penalties_are_chosen_by_the_data() -> None:
    noise, signal = (fitted("ridge", some, LABELS)[0] for some in (VECTORS[:, 2:], VECTORS[:, :2]))
    assert np.ptp(noise.probabilities(VECTORS[:, 2:], Clip())) < 0.3
    assert np.ptp(signal.probabilities(VECTORS[:, :2], Clip())) > 0.6


def test_logistic_on_separable_models_stays_finite() -> None:
    vectors = np.column_stack([LABELS + 0.0, RNG.random(40)])
    made = fitted("logistic", vectors, LABELS)[0]
    assert np.isfinite(made.coefficients).all()
    np.testing.assert_array_equal(made.probabilities(vectors, Clip(0, 1)) > 0.5, LABELS == 1)


@pytest.mark.parametrize("method", ALL)
def test_probabilities_are_those_of_predict(method: str) -> None:
    made, clip = fitted(method, VECTORS, LABELS)[0], Clip(0.3, 0.6)
    _, candidate = given(VECTORS, LABELS)
    configuration = candidate.configuration(made)
    assert isinstance(configuration, Configuration)
    assert made.kind is ("logistic" if method == "logistic" else "linear")
    expected = [predict(configuration, vector.tolist(), clip).probability for vector in VECTORS]
    np.testing.assert_allclose(made.probabilities(VECTORS, clip), expected, atol=1e-12)
    assert 0.3 in expected
    assert 0.6 in expected


@pytest.mark.parametrize("method", ALL)
def test_a_constant_feature_has_no_say(method: str) -> None:
    vectors = VECTORS.copy()
    vectors[:, 2] = 0.1 + 0.2
    made = fitted(method, vectors, LABELS)[0]
    assert made.coefficients[2] == pytest.approx(0, abs=1e-12)
    assert np.isfinite(made.coefficients).all()


@pytest.mark.parametrize("method", ["ridge", "logistic"])
def test_where_all_models_are_equal_the_base_rate_is_what_is_left(method: str) -> None:
    labels = np.array([1] * 9 + [0] * 3)
    made = fitted(method, np.full((12, 3), 0.7), labels)[0]
    np.testing.assert_allclose(made.probabilities(np.full((2, 3), 0.7), Clip()), 0.75, atol=1e-6)


@pytest.mark.parametrize("method", ALL)
def test_nothing_leaks_pure_noise_is_chance_held_out_and_good_in_sample(method: str) -> None:
    """Over many rounds of noise, as a single one may be lucky."""
    rng = np.random.default_rng(1)
    held_out, in_sample = [], []
    for seed in range(12):
        vectors, labels = rng.integers(0, 11, (40, 15)) / 10, rng.permutation([0, 1] * 20)
        fit, answers, _ = fitted(method, vectors, labels, seed=seed)
        held_out.append(roc_auc_score(labels, answers[0, :, 0]))
        in_sample.append(roc_auc_score(labels, fit.probabilities(vectors, Clip())))
    assert np.mean(held_out) < 0.58  # below 0.5 rather: who is held out is missing in the base rate
    assert np.mean(held_out) > 0.35
    assert np.mean(in_sample) > np.mean(held_out) + 0.2


def test_evaluation_of_noise_and_of_a_signal() -> None:
    rng = np.random.default_rng(2)
    labels = rng.permutation([0, 1] * 15)
    noise = rng.random((30, 4))
    signal = noise + [[1.0, 0, 0, 0]] * labels[:, None]
    found = {}
    for name, vectors in (("noise", noise), ("signal", signal)):
        _, answers, design = fitted("ols", vectors, labels, permutations=19)
        found[name] = judge(answers, design.labels, 0)
    chance, random = found["signal"].chance, found["noise"].chance
    assert chance is not None and random is not None
    assert random.p_roc_auc > 0.05
    assert chance.p_roc_auc == 1 / 20
    assert found["signal"].roc_auc > 0.9
    assert abs(chance.roc_auc - 0.5) < 0.15
    assert np.log(2) < found["noise"].cross_entropy
    assert found["noise"].half_width > 0


def test_learning_is_deterministic() -> None:
    first, second, other = (
        learn([models([0, 1] * 8)], replace(GIVEN, study=replace(STUDY, seed=seed))) for seed in (0, 0, 1)
    )
    assert first == second
    assert first != other


def test_what_is_said_of_its_worth_depends_on_the_number_of_folds() -> None:
    (few,), (many,) = learn([models([0] * 5 + [1] * 3)], GIVEN), learn([models([0, 1] * 8)], GIVEN)
    assert few.parameters is not None and many.parameters is not None
    assert "3-fold" in few.parameters.provenance.evaluation
    assert "5-fold" in many.parameters.provenance.evaluation
    assert "repeated 3 times" in many.parameters.provenance.evaluation
    assert "labels shuffled, 200 times" in many.parameters.provenance.evaluation


def test_the_held_out_answers_are_those_of_fits_on_the_others() -> None:
    """Of noise, which fits all kinds of answers; scikit-learn fits each fold anew."""
    labels = np.array([0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 1])
    study = replace(STUDY, repeats=3, permutations=5)
    readings, given = models(labels.tolist()), replace(GIVEN, theta=OTHER, study=study)
    (one,) = learn([readings], given)
    design = make_design([labels], study.seed, folds=5, repeats=3, permutations=5)
    features = given.candidate.features(readings)
    expected = np.zeros((3, len(labels)))
    for repeat, numbers in enumerate(design.folds.numbers):
        for fold in np.unique(numbers):
            held = numbers == fold
            line = LinearRegression().fit(features[~held], labels[~held])
            expected[repeat, held] = line.predict(features[held]).clip(0.01, 0.99)
    assert tuple(one.held_out) == readings.names
    np.testing.assert_allclose(list(one.held_out.values()), expected.mean(axis=0), atol=1e-9)


def test_where_nothing_is_learned_nothing_is_held_out() -> None:
    (one,) = learn([models([0, 1] * 3)], GIVEN)
    assert one.held_out == {}
