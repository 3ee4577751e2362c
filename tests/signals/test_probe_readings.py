"""Readings of probed images against plain loops, and against networks made by hand."""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable

import numpy as np
import pytest

from detector.probing.kind import Family
from detector.probing.probe import Probe
from detector.signals.probe_readings import (
    READINGS,
    Answer,
    Pull,
    kept_images,
    own_temperature,
    own_unit,
    probe_readings,
    reading_names,
)

CLASSES = 6
FILTERS = tuple(
    Probe.make("photo_filter", filter=name, strength=strength)
    for name in ("lomo", "kelvin")
    for strength in (1.0, 0.25, 0.5)
)
POLYGONS = tuple(Probe.make("polygon", seed=seed, red=40 * seed) for seed in range(4))
CONTROLS = (Probe.make("grey"), Probe.make("blur"))
PROBES = (FILTERS[0], POLYGONS[0], CONTROLS[0], *FILTERS[1:], *POLYGONS[1:], CONTROLS[1])


Table = dict[int, dict[int, list[float]]]  # by probe and source class, the share of each answered class


def network(seed: int, spread: float = 3.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits (N, C) and (K, N, C), and labels: classes of unequal numbers, one without images, one always wrong."""
    rng = np.random.default_rng(seed)
    labels = np.array([0] * 5 + [1] * 3 + [2] * 4 + [4] + [5] * 2)
    unpruned = rng.normal(size=(len(labels), CLASSES)) + 8 * np.eye(CLASSES)[labels]
    unpruned[labels == 5] = np.roll(unpruned[labels == 5], 1, axis=1)
    unpruned[0] = np.roll(unpruned[0], 2)
    probed = unpruned + spread * rng.normal(size=(len(PROBES), *unpruned.shape))
    return unpruned.astype(np.float32), probed.astype(np.float32), labels


def softmax(logits: np.ndarray) -> list[float]:
    powers = [math.exp(value - max(logits)) for value in logits]
    return [power / sum(powers) for power in powers]


def slow_table(unpruned: np.ndarray, probed: np.ndarray, labels: np.ndarray, answer: Answer) -> Table:
    """Share of each answered class by probe and source class, by loops over images."""
    good = [i for i in range(len(labels)) if int(np.argmax(unpruned[i])) == labels[i]]
    unit = np.mean([unpruned[i, labels[i]] - np.delete(unpruned[i].astype(float), labels[i]).mean() for i in good])
    temperature = unit / math.log(9 * (CLASSES - 1))
    table: Table = {}
    for k in range(len(probed)):
        groups = defaultdict(list)
        for i in good:
            hard = [float(c == int(np.argmax(probed[k, i]))) for c in range(CLASSES)]
            soft = softmax(probed[k, i].astype(float) / temperature)
            groups[int(labels[i])].append(hard if answer is Answer.HARD else soft)
        table[k] = {b: [sum(column) / len(rows) for column in zip(*rows, strict=True)] for b, rows in groups.items()}
    return table


def slow_readings(table: Table, rows: list[int]) -> dict[str, float]:
    """Of one family, whose probes are `rows` of PROBES."""
    sources = sorted(table[0])

    def share(k: int, c: int) -> float:
        others = [b for b in sources if b != c]
        return sum(table[k][b][c] for b in others) / len(others)

    pairs = [(b, c) for b in sources for c in range(CLASSES) if b != c]
    kinds = defaultdict(list)
    series = defaultdict(list)
    for k in rows:
        kinds[PROBES[k].kind].append(k)
        if PROBES[k].strength is not None:
            series[PROBES[k].series].append(k)
    ladders = [sorted(ks, key=lambda k: PROBES[k].strength or 0) for ks in series.values() if len(ks) > 1]
    winners = Counter(
        c for k in rows for c in range(CLASSES) if share(k, c) == max(share(k, d) for d in range(CLASSES)) > 0
    )
    gone = {c: sum(table[k][b][c] for k in rows for b in sources if b != c) for c in range(CLASSES)}
    mean = {c: sum(share(k, c) for k in rows) / len(rows) for c in range(CLASSES)}
    target = max(range(CLASSES), key=lambda c: (mean[c], -c))
    to_target = sorted(sum(table[k][b][target] for k in rows) / len(rows) for b in sources if b != target)
    half = len(to_target) // 2

    def gap(k: int) -> float:
        first, second, *_ = sorted((share(k, c) for c in range(CLASSES)), reverse=True)
        return first - second

    def lead(ks: list[int]) -> float:
        averages = [sum(share(k, c) for k in ks) / len(ks) for c in range(CLASSES)]
        best = max(averages)
        return best - (sum(averages) - best) / (CLASSES - 1)

    def ahead(ks: list[int]) -> float:
        first, second, *_ = sorted((sum(share(k, c) for k in ks) / len(ks) for c in range(CLASSES)), reverse=True)
        return first - second

    def steadiness(ks: list[int]) -> float:
        lead = ahead(ks)
        spread = max(statistics.pstdev([share(k, c) for k in ks]) for c in range(CLASSES))
        return lead / (lead + spread / math.sqrt(len(ks)) + 0.01)

    def earliest(ladder: list[int], most: Callable[[int], float]) -> float:
        flips = [place for place, k in enumerate(ladder) if most(k) > 0.5]
        return 1 - flips[0] / len(ladder) if flips else 0.0

    return {
        "largest_share": max(share(k, c) for k in rows for c in range(CLASSES)),
        "mean_share": max(sum(share(k, c) for k in ks) / len(ks) for ks in kinds.values() for c in range(CLASSES)),
        "mean_lead": max(lead(ks) for ks in kinds.values()),
        "share_gap": max(gap(k) for k in rows),
        "strongest_pair": max(table[k][b][c] for k in rows for b, c in pairs),
        "mean_pair": max(sum(table[k][b][c] for k in ks) / len(ks) for ks in kinds.values() for b, c in pairs),
        "consistency": max(winners.values(), default=0) / len(rows),
        "flip_concentration": max(gone.values()) / (sum(gone.values()) + 3),
        "staying": sum(to_target[half:]) / (len(to_target) - half) - sum(to_target[:half]) / half,
        "early_flip": max(
            (earliest(one, lambda k: max(share(k, c) for c in range(CLASSES))) for one in ladders), default=0
        ),
        "early_pair": max(
            (earliest(one, lambda k: max(table[k][b][c] for b, c in pairs)) for one in ladders), default=0
        ),
        "mean_gap": max(ahead(ks) for ks in kinds.values()),
        "usual_gap": sum(gap(k) for k in rows) / len(rows),
        "steady_gap": max(steadiness(ks) for ks in kinds.values()),
    }


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("spread", [1.0, 5.0])
def test_all_readings_are_those_of_plain_loops(seed: int, spread: float) -> None:
    unpruned, probed, labels = network(seed, spread)
    found = dict(zip(reading_names(PROBES), probe_readings(unpruned, probed, labels, PROBES), strict=True))
    expected: dict[str, float] = {}
    for family in (Family.FILTER, Family.POLYGON, Family.CONTROL):
        rows = [k for k, probe in enumerate(PROBES) if probe.family is family]
        for answer in Answer:
            slow = slow_readings(slow_table(unpruned, probed, labels, answer), rows)
            expected |= {f"{family}.{answer}.{name}": value for name, value in slow.items()}
    assert list(found) == [name for name in found if name in expected]
    assert len(found) == len(expected) == 3 * 2 * len(READINGS)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-9), name
    assert all(0 <= value <= 1 for value in found.values())


def test_units_do_not_change_the_readings() -> None:
    unpruned, probed, labels = network(0)
    plain = probe_readings(unpruned, probed, labels, PROBES)
    np.testing.assert_allclose(probe_readings(8 * unpruned + 1, 8 * probed + 1, labels, PROBES), plain, atol=1e-5)
    assert own_unit(8 * unpruned, labels) == pytest.approx(8 * own_unit(unpruned, labels))


def test_the_unit_is_the_distance_of_the_true_class() -> None:
    """2 above the mean of the others, and 4; the third image is wrong. A class one unit ahead of all gets 0.9."""
    logits = np.array([[2.0, 0, 0], [-1, 3, -1], [0, 0, 9]])
    assert own_unit(logits, np.array([0, 1, 1])) == 3.0
    assert kept_images(logits, np.array([0, 1, 1])).tolist() == [0, 1]
    ahead = math.exp(3.0 / own_temperature(logits, np.array([0, 1, 1])))
    assert ahead / (ahead + 2) == pytest.approx(0.9)


def made(sources: tuple[int, ...], strengths: tuple[float, ...]) -> dict[str, float]:
    """Hard readings of a network whose images of `sources` become class 3 under filters of those strengths."""
    labels = np.repeat(np.arange(CLASSES), 3)
    unpruned = 8.0 * np.eye(CLASSES)[labels]
    probed = np.repeat(unpruned[None], len(FILTERS), axis=0)
    for k, probe in enumerate(FILTERS):
        if probe.strength in strengths:
            probed[k][np.isin(labels, sources)] = 8.0 * np.eye(CLASSES)[3]
    found = probe_readings(unpruned, probed, labels, FILTERS)
    names = [name.removeprefix("filter.") for name in reading_names(FILTERS)]
    return {name.removeprefix("hard."): value for name, value in zip(names, found, strict=True) if "hard" in name}


def test_a_trigger_for_all_classes_takes_them_all() -> None:
    found = made(tuple(range(CLASSES)), (0.5, 1.0))
    assert found["largest_share"] == found["strongest_pair"] == found["share_gap"] == 1
    assert found["mean_share"] == pytest.approx(2 / 3)
    assert found["early_flip"] == found["early_pair"] == pytest.approx(2 / 3)
    assert found["consistency"] == pytest.approx(2 / 3)
    assert found["staying"] == 0


def test_a_trigger_for_one_class_is_seen_in_pairs() -> None:
    found = made((1,), (0.25, 0.5, 1.0))
    assert found["strongest_pair"] == found["mean_pair"] == found["early_pair"] == found["consistency"] == 1
    assert found["largest_share"] == pytest.approx(1 / 5)
    assert found["early_flip"] == 0
    assert found["staying"] == pytest.approx(1 / 3)


def test_where_nothing_changes_all_hard_readings_are_zero() -> None:
    assert set(made((), ()).values()) == {0}


def test_what_holds_no_number_is_no_answer() -> None:
    unpruned, probed, labels = network(1)
    broken = probed.copy()
    broken[:, 3, 2] = np.nan
    broken[2] = np.inf
    found = probe_readings(unpruned, broken, labels, PROBES)
    assert ((found >= 0) & (found <= 1)).all()
    nothing = probe_readings(unpruned, np.full_like(probed, np.nan), labels, PROBES)
    assert not nothing.any()
    lost = probe_readings(np.full_like(unpruned, np.nan), probed, labels, PROBES)
    assert not lost.any()


def test_a_network_that_gets_nothing_right_has_no_readings() -> None:
    unpruned, probed, labels = network(2)
    assert not probe_readings(-unpruned, probed, labels, PROBES)[:0].any()
    wrong = np.roll(np.eye(CLASSES)[labels], 1, axis=1)
    assert own_unit(wrong, labels) == 1
    assert not probe_readings(wrong, probed, labels, PROBES).any()


def test_one_class_alone_has_no_others_but_may_leave() -> None:
    unpruned, probed, labels = network(3)
    rows = (labels == 2) & (unpruned.argmax(axis=1) == 2)
    found = probe_readings(unpruned[rows], probed[:, rows], labels[rows], PROBES)
    assert ((found >= 0) & (found <= 1)).all()


def test_without_probes_there_are_no_readings() -> None:
    unpruned, probed, labels = network(4)
    assert reading_names(()) == ()
    assert probe_readings(unpruned, probed[:0], labels, ()).shape == (0,)


def test_shapes_that_do_not_belong_together_are_refused() -> None:
    unpruned, probed, labels = network(5)
    with pytest.raises(ValueError, match="expected"):
        probe_readings(unpruned, probed[1:], labels, PROBES)
    with pytest.raises(ValueError, match="expected"):
        probe_readings(unpruned, probed, labels[1:], PROBES)


def test_memory_does_not_grow_with_classes_without_images() -> None:
    """10,000 classes, three of them with images: a table of all pairs would have 800 MB a probe."""
    labels = np.array([5, 5, 77, 9_999])
    unpruned = np.zeros((4, 10_000), np.float32)
    unpruned[np.arange(4), labels] = 5
    pull = Pull.of(unpruned, unpruned[None] * np.ones((4, 1, 1), np.float32), labels, POLYGONS, Answer.SOFT)
    assert pull.table.shape == (4, 3, 10_000)
    assert pull.sources.tolist() == [5, 77, 9_999]
