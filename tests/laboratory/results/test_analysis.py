"""The analysis of made-up rounds: a planted signal, nothing but noise, and a leak."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from detector.learning.regressions import make_parameters
from detector.learning.search.procedures import LEAK, PAPER, PUBLISHED, Family, Scope
from detector.pruning.theta import PruningMethod
from detector.rounds.preprocessing import PROFILES
from laboratory.results.analysis import Effort, Results, analyse


def test_a_planted_signal_is_found_where_it_is(found: Results) -> None:
    best = found.metrics(PUBLISHED)
    assert best.num_models == 60
    assert best.roc_auc > 0.9
    assert best.chance is not None
    assert best.chance.p_roc_auc == 1 / 20
    for scope in Scope:
        assert found.metrics((Family.AMPLIFICATION, scope)).roc_auc > 0.9
        for blind in (Family.PRUNING, Family.ACCURACY, Family.CLASSIFIER, Family.UNTOUCHED):
            assert found.metrics((blind, scope)).roc_auc < 0.75
    assert found.metrics(PAPER).roc_auc < 0.75
    for one in found.learned:
        assert PruningMethod.AMPLIFY in {theta.pruning_method for theta in one.selected.candidate.thetas}


def test_every_procedure_has_a_row(found: Results) -> None:
    everywhere = [row.procedure for row in found.rows if row.architecture is None]
    # no stimulation was measured, and pruning by one theta alone
    assert len(everywhere) == len(set(everywhere)) == 9 * 3 + 1 + 5 + 2 * 3 + 1
    assert (Family.STIMULATION, Scope.ALONE) not in everywhere
    assert found.metrics(PUBLISHED, "resnet18").num_models == 30
    with pytest.raises(KeyError):
        found.metrics(PUBLISHED, "vgg11bn")


def test_what_is_too_slow_or_too_small_is_told(found: Results) -> None:
    assert [theta.num_images for theta in found.too_slow] == [1000]
    assert found.left_out == ("vgg11bn",)
    assert all(candidate.thetas[0].num_images == 10 for candidate in found.searches[0].candidates)


def test_other_rounds_are_judged_by_the_final_fit(found: Results, noise: Results) -> None:
    for judged, models in ((found.fresh, 32), (found.unseen, 24)):
        assert judged is not None
        assert judged.metrics.num_models == models
        assert judged.metrics.roc_auc > 0.9
        assert judged.p_value < 0.01
    assert found.unseen_alone is not None
    assert found.unseen_alone.num_models == 24
    assert found.unseen_alone.roc_auc > 0.8
    assert (noise.fresh, noise.unseen, noise.unseen_alone) == (None, None, None)


def test_noise_flatters_in_sample_alone(noise: Results) -> None:
    for one in noise.in_sample:
        held_out = noise.metrics(PAPER, one.architecture)
        assert one.best.error_rate < held_out.error_rate
        assert one.cross_entropy < np.log(2) < held_out.cross_entropy
        assert one.best.error_rate == pytest.approx(one.noise_error, abs=0.12)
    best = noise.metrics(PUBLISHED)
    assert best.roc_auc < 0.72
    assert best.chance is not None
    assert best.chance.p_roc_auc > 0.05


def test_a_leak_is_seen(noise: Results, found: Results) -> None:
    leak = noise.metrics(LEAK)
    assert leak.roc_auc > 0.8
    assert noise.beyond_leak.interval[1] < 0
    assert found.beyond_leak.interval[0] > 0
    expected = found.metrics(PUBLISHED).roc_auc - found.metrics(LEAK).roc_auc
    assert found.beyond_leak.value == pytest.approx(expected)


def test_the_learning_curve_leaves_a_fifth_out(found: Results) -> None:
    assert [point.models for point in found.curve] == [6, 12, 18, 24]
    assert found.curve[-1].aucs.mean() > 0.85


def test_time_is_a_line(found: Results) -> None:
    """2 s and 0.1 s for each image and variant, at 10 images and at 4 variants."""
    models, images = found.timings[0].against_models, found.timings[0].against_images
    assert (models.fixed, models.sizes, images.fixed, images.sizes) == (10, (4, 6), 4, (10, 1000))
    assert (models.intercept, models.slope) == pytest.approx((2, 1))
    assert (images.intercept, images.slope) == pytest.approx((2, 0.4))


def test_parameters_are_what_was_learned(found: Results) -> None:
    for one in found.learned:
        held_out = found.metrics(PUBLISHED, one.readings.architecture)
        parameters = make_parameters(one, "by hand", PROFILES["small"], held_out, "a test")
        assert parameters is not None
        configuration = parameters.configurations[0]
        assert configuration.kind == "logistic"
        assert configuration.held_out is not None
        assert configuration.held_out.roc_auc == pytest.approx(held_out.roc_auc, abs=1e-4)
        answers = one.probabilities(one.readings)
        assert configuration.in_sample is not None
        assert configuration.in_sample.roc_auc == pytest.approx(roc_auc_score(one.readings.poisoned, answers), abs=1e-4)
        assert "p = 0.050" in parameters.provenance.evaluation


def test_where_the_base_rate_is_best_there_are_no_parameters(found: Results) -> None:
    one = found.learned[0]
    useless = replace(one, selected=replace(one.selected, useful=False))
    held_out = found.metrics(PUBLISHED)
    assert make_parameters(useless, "by hand", PROFILES["small"], held_out, "a test") is None
    for cross_entropy, none in ((0.69, False), (0.70, True)):  # of the base rate of 30 and 30: 0.693
        found_none = make_parameters(
            one, "by hand", PROFILES["small"], replace(held_out, cross_entropy=cross_entropy), "a test"
        )
        assert (found_none is None) == none


def test_nothing_to_analyse() -> None:
    with pytest.raises(ValueError, match="at least 5 clean and 5 poisoned"):
        analyse([], [], [], Effort())
