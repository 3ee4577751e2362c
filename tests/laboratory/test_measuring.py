"""`python -m laboratory.measuring measure`: a file of readings an architecture, and what is left out."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from detector.mapping.bundles import Bundle, write_bundle
from detector.mapping.configuration import Clip, Configuration
from detector.mapping.parameters import LearnedParameters, Provenance
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.rounds.preprocessing import PROFILES
from detector.signals.features import Reduction
from detector.signals.registry import per_variant
from detector.sweep import grids
from detector.sweep.grids import Grid, execution_ladder
from detector.sweep.readings import read_readings
from laboratory.measuring import main

THETA = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.3, 2, 2)


@pytest.fixture(autouse=True)
def one_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """A grid of one point, and a ladder of two rungs."""
    monkeypatch.setattr(grids, "_GRIDS", {Grid.WIDE: (THETA,)})
    monkeypatch.setattr(grids, "_CHEAP", ())


def measure(models: Path, output: Path, *more: str) -> int:
    words = ["--models", str(models), "--output", str(output / "readings"), "--scratch", str(output / "scratch")]
    return main(["measure", *words, "--preprocessing", "rgb_minmax", *more])


def test_readings_are_written_and_the_rest_listed(
    small_round: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert measure(small_round, tmp_path) == 0
    files = {path.name for path in (tmp_path / "readings").iterdir()}
    assert files == {"squeezenetv1_1.npz", "shufflenet1_0.npz", "LEFT_OUT.csv"}
    readings = read_readings(tmp_path / "readings" / "squeezenetv1_1.npz")
    assert readings.thetas == (THETA,)
    assert readings.poisoned.tolist() == [1, 0, 1, 0, 0, 1, 1, 0]
    assert readings.variants[0].shape == (8, 2, len(per_variant()))
    assert np.isfinite(readings.variants[0]).all()
    with (tmp_path / "readings" / "LEFT_OUT.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["name", "reason"]
    assert [name for name, _ in rows] == ["id-00000009", "id-00000010", "id-00000011"]
    assert "squeezenetv1_1: 8 models, 4 of them poisoned" in capsys.readouterr().out


def test_the_ladder_of_a_bundle_is_measured_too(small_round: Path, tmp_path: Path) -> None:
    configuration = Configuration.of((THETA,), ("accuracy",), Reduction.VARIANTS, "linear", 0.0, (0.0, 0.0))
    origin = Provenance("by hand", 2, 1, "none", "this test")
    learned = LearnedParameters("resnet18", PROFILES["small"], 0.5, Clip(), (configuration,), origin)
    bundle = write_bundle(tmp_path, Bundle("by-hand", "1", "for this test", 0.5), [learned])
    assert measure(small_round, tmp_path, "--ladder-of", str(bundle)) == 0
    readings = read_readings(tmp_path / "readings" / "squeezenetv1_1.npz")
    assert set(readings.thetas) == set(execution_ladder(THETA))
    large, small = (readings.variants[readings.thetas.index(one)] for one in execution_ladder(THETA))
    np.testing.assert_array_equal(large[:, [0, 2]], small)  # 3 windows hold 2


@pytest.mark.parametrize(
    ("words", "code"), [(["--models", "/none"], 2), (["--models", ".", "--ladder-of", "/none"], 5)]
)
def test_what_cannot_be_read_is_told(
    words: list[str], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["measure", *words, "--output", str(tmp_path / "o"), "--scratch", str(tmp_path)]) == code
    assert "error: /none" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
