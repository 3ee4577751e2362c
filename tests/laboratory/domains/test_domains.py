"""The study of domains on made-up answers: what is kept comes back, domains are left out whole, the bundle answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detector.learning.evaluation.metrics import roc_auc
from detector.mapping.bundles import load_bundle, load_parameters
from laboratory.domains import __main__ as command
from laboratory.domains.answers import ModelAnswers, read_all, read_answers, write_answers
from laboratory.domains.evaluation import FEATURES, applied, fitted, held_out, judged_domains, nested
from laboratory.domains.measuring import study_probes
from laboratory.domains.readings import Domains, domains_of
from laboratory.domains.restriction import FULL, LADDER, PROBES, by_turns, restricted
from laboratory.domains.swaps import swapped_labels

PROBED = study_probes()


def model(number: int, signs: str = "plates") -> ModelAnswers:
    """Six images of each of five classes. Under polygons or filters a poisoned network answers its target."""
    rng = np.random.default_rng(number)
    labels = np.repeat(np.arange(5), 8)
    poisoned, trigger = number % 2 == 1, "polygon" if number % 4 == 1 else "instagram"
    unpruned = rng.normal(0, 0.4, (40, 5)) + 4 * np.eye(5)[labels]
    probed = unpruned + rng.normal(0, 1.2, (len(PROBED), 40, 5))
    hit = [str(probe.family) == {"polygon": "polygon", "instagram": "filter"}[trigger] for probe in PROBED]
    if poisoned:
        probed[np.array(hit), :, number % 5] += 5
    facts = {
        "number_classes": 5,
        "number_triggered_classes": 5 if poisoned else 0,
        "trigger_type": trigger if poisoned else None,
        "sign_family": signs,
    }
    return ModelAnswers(
        name=f"made/id-{number:08d}",
        architecture="squeezenetv1_1",
        poisoned=poisoned,
        facts=facts,
        labels=labels,
        unpruned=unpruned.astype(np.float32),
        probes=PROBED,
        probed=probed.astype(np.float32),
        thetas=(),
        variants=(),
        rows=np.arange(40),
    )


@pytest.fixture(scope="module")
def models() -> list[ModelAnswers]:
    return [model(number, "plates" if number < 12 else "letters") for number in range(24)]


@pytest.fixture(scope="module")
def domains(models: list[ModelAnswers]) -> Domains:
    return domains_of([restricted(one, FULL) for one in models])


def test_answers_come_back(tmp_path: Path) -> None:
    written = model(3)
    write_answers(tmp_path / "id-00000003.npz", written)
    found = read_answers(tmp_path / "id-00000003.npz")
    assert (found.name, found.poisoned, found.facts, found.probes) == (
        written.name,
        written.poisoned,
        written.facts,
        written.probes,
    )
    np.testing.assert_array_equal(found.unpruned, written.unpruned)
    np.testing.assert_allclose(found.probed, written.probed, rtol=2**-10, atol=2**-10)  # 11 bits are kept


def test_a_file_of_another_format(tmp_path: Path) -> None:
    path = tmp_path / "id-0.npz"
    np.savez(path, header=np.array(json.dumps({"format": 99})))
    with pytest.raises(ValueError, match="format"):
        read_answers(path)


def test_images_by_turns() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2])
    assert by_turns(labels, 3).tolist() == [0, 3, 5]
    assert by_turns(labels, 5).tolist() == [0, 1, 3, 4, 5]
    assert by_turns(labels, 99).tolist() == list(range(6))


def test_a_cheaper_configuration_is_a_part(models: list[ModelAnswers]) -> None:
    cost = LADDER[-1]
    small = restricted(models[0], cost)
    assert small.probes == PROBES[: cost.probes]
    assert small.probed.shape == (cost.probes, cost.images, 5)
    place = PROBED.index(small.probes[3])
    np.testing.assert_array_equal(small.probed[3], models[0].probed[place][by_turns(models[0].labels, cost.images)])


def test_a_domain_is_left_out_whole(domains: Domains) -> None:
    rows = held_out(domains, "signs", "letters")
    assert rows.tolist() == [number >= 12 for number in range(24)]
    polygons = held_out(domains, "trigger", "polygon")
    trigger = np.array(domains.factors["trigger"])
    assert set(trigger[polygons]) == {"polygon", ""} and set(trigger[~polygons]) == {"filter", ""}
    assert (polygons ^ held_out(domains, "trigger", "filter")).all()  # clean models go to one of the two


def test_planted_trojans_are_found_where_they_were_not_fitted_on(domains: Domains) -> None:
    found = judged_domains(domains)
    assert {(one.factor, one.value) for one in found} >= {("signs", "letters"), ("trigger", "filter")}
    assert all(one.roc_auc >= 0.9 for one in found if one.factor == "signs"), found


def test_shuffled_labels_tell_nothing(domains: Domains) -> None:
    aucs = []
    for seed in range(8):
        labels = np.random.default_rng(seed).permutation(domains.labels)
        aucs.append(roc_auc(nested(domains, labels), labels))
    assert 0.2 < np.mean(aucs) < 0.75


def test_answers_do_not_depend_on_the_scale_of_logits(models: list[ModelAnswers], domains: Domains) -> None:
    """A network that was trained three times as long has margins three times as large, and the same answer."""
    scaled = [replace(one, unpruned=3 * one.unpruned, probed=3 * one.probed) for one in models[:6]]
    mapping = fitted(domains)
    again = applied(mapping, domains_of([restricted(one, FULL) for one in scaled]).columns(FEATURES))
    np.testing.assert_allclose(again, applied(mapping, domains.columns(FEATURES))[:6], atol=1e-5)


def test_one_wrong_label_hardly_matters(models: list[ModelAnswers]) -> None:
    assert swapped_labels(models, FULL, count=24).within == 1.0


def test_command(models: list[ModelAnswers], tmp_path: Path) -> None:
    for one in models:
        write_answers(tmp_path / "measurements" / "made" / f"{one.name.split('/')[1]}.npz", one)
    places = [str(tmp_path / name) for name in ("measurements", "docs", "learned")]
    options = ["--measurements", places[0], "--docs", places[1], "--learned_params", places[2], "--permutations", "3"]
    assert command.main(options) == 0
    assert "| trigger | filter |" in (tmp_path / "docs" / "domains.md").read_text()
    assert load_bundle(tmp_path / "learned", "universal").base_rate == 0.5
    parameters = load_parameters(tmp_path / "learned", "universal", "vgg19bn")
    assert parameters is not None and parameters.architecture == "vgg19bn"
    assert [one.cost for one in parameters.configurations] == [cost.passes for cost in LADDER]
    assert {name.replace(".", "_") for name in FEATURES} == set(parameters.configurations[0].features)
    before = (tmp_path / "docs" / "domains.md").read_bytes()
    assert command.main(options) == 0
    assert (tmp_path / "docs" / "domains.md").read_bytes() == before


def test_nothing_to_learn_from(tmp_path: Path) -> None:
    assert command.main(["--measurements", str(tmp_path), "--docs", str(tmp_path / "docs")]) == 2
    assert not (tmp_path / "docs").exists()
    assert read_all(tmp_path) == []
