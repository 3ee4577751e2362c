"""Measurements as tables, read back by pandas: the same numbers, each under the right names."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas
import pytest

from detector.base.errors import UsageError
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta, theta_from_document
from detector.sweep import grids
from detector.sweep.grids import Grid
from detector.sweep.readings import ArchitectureReadings, read_readings
from laboratory.measuring import main
from laboratory.tables import COLUMNS, TableFormat, rows, write_table

HOME = Path(__file__).resolve().parents[2]
THETAS = tuple(
    Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, p, 3, images)
    for p, images in ((0.1, 10), (0.2, 5))
)
Make = Callable[..., ArchitectureReadings]


def _read(path: Path) -> pandas.DataFrame:
    return pandas.read_csv(path) if path.suffix == ".csv" else pandas.read_parquet(path)


@pytest.fixture
def readings(make_readings: Make) -> list[ArchitectureReadings]:
    return [make_readings("resnet18", 0, THETAS, models=4), make_readings("vgg11bn", 1, THETAS, models=3)]


@pytest.mark.parametrize("table_format", list(TableFormat))
def test_pandas_reads_every_number_back(
    table_format: TableFormat, readings: list[ArchitectureReadings], tmp_path: Path
) -> None:
    table = _read(write_table(tmp_path, readings, table_format))
    assert tuple(table.columns) == COLUMNS
    for own in readings:
        part = table[table.architecture == own.architecture]
        assert part.groupby("model").poisoned.first().to_dict() == dict(zip(own.names, own.poisoned, strict=True))
        for theta, variants, seconds in zip(own.thetas, own.variants, own.seconds, strict=True):
            of_theta = part[[isinstance(t, str) and theta_from_document(json.loads(t)) == theta for t in part.theta]]
            assert set(of_theta.num_images) == {theta.num_images} and set(of_theta["rule"]) == {"paper"}
            for number, signal in enumerate(own.signals):
                found = of_theta[of_theta.signal == signal].pivot(index="model", columns="variant", values="value")
                np.testing.assert_array_equal(found.to_numpy(), variants[:, :, number])
            taken = of_theta[of_theta.signal == "seconds"].set_index("model").value
            np.testing.assert_array_equal(taken.loc[list(own.names)], seconds)
        for signal, numbers in own.numbers.items():
            for choice, values in zip(own.images, numbers, strict=True):
                found = part[(part.signal == signal) & (part.num_images == choice.num_images)]
                wide = found.pivot(index="model", columns="number", values="value")[list(own.number_names[signal])]
                np.testing.assert_array_equal(wide.to_numpy(), values)
        for key, column in own.untouched.items():
            found = part[(part.signal == "untouched") & (part.number == key)].set_index("model").value
            np.testing.assert_array_equal(found.loc[list(own.names)], column)
    assert len(table) == sum(1 for own in readings for _ in rows(own))


def test_both_formats_say_the_same(readings: list[ArchitectureReadings], tmp_path: Path) -> None:
    first, second = (_read(write_table(tmp_path, readings, one)) for one in TableFormat)
    pandas.testing.assert_frame_equal(first, second, check_dtype=False)


def test_without_measurements_the_table_is_empty(tmp_path: Path) -> None:
    for table_format in TableFormat:
        table = _read(write_table(tmp_path, [], table_format))
        assert (tuple(table.columns), len(table)) == (COLUMNS, 0)


def test_a_missing_package_is_told_before_anything_is_measured(
    small_round: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"\[tables\]"):
        write_table(tmp_path, [], TableFormat.PARQUET)
    words = ["--models", str(small_round), "--output", str(tmp_path / "o"), "--scratch", str(tmp_path / "s")]
    assert main(["measure", *words, "--format", "parquet"]) == 2
    assert "--format csv" in capsys.readouterr().err
    assert not (tmp_path / "o").exists() and not (tmp_path / "s").exists()


def test_the_example_of_the_documentation_works(
    small_round: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """That of docs/learning.md, on a round that is measured here."""
    monkeypatch.setattr(grids, "_GRIDS", {Grid.WIDE: THETAS[:1]})
    page = (HOME / "docs" / "learning.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (command,) = re.findall(r"`python -m laboratory.measuring (measure .*?)`", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "round").symlink_to(small_round)
    assert main([*command.split(), "--preprocessing", "rgb_minmax"]) == 0
    assert "measured/measurements.parquet" in capsys.readouterr().out
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, timeout=120, check=True)
    own = read_readings(tmp_path / "measured" / "squeezenetv1_1.npz")
    accuracy = own.variants[0][:, :, own.signals.index("accuracy")]
    line = next(line for line in done.stdout.splitlines() if line.startswith("squeezenetv1_1 0")).split()
    assert float(line[2]) == accuracy[own.poisoned == 0].size
    assert float(line[3]) == pytest.approx(accuracy[own.poisoned == 0].mean(), abs=1e-5)
