"""From nothing to an answer: a round is generated, learned from and judged, each step from the command line.

Eight networks that are hardly trained: the path is tested, not what is learned on it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from detector.base.workers import Workers
from detector.mapping.bundles import load_bundle
from detector.pruning.theta import PruningMethod
from detector.rounds.reading import read_round
from laboratory.roundgen.presets import Plan, Preset, round_of
from laboratory.roundgen.recipe import Phase, Schedule, TriggerFamily
from laboratory.roundgen.rounds import make_model, make_round
from laboratory.roundgen.training import Bar

Run = Callable[..., Any]

pytestmark = pytest.mark.slow

NAME = "shufflenet1_0"
HOME = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first eight models of a small round, with a schedule of ten steps and nothing asked of them."""
    folder = tmp_path_factory.mktemp("rounds") / "tiny"
    jobs = round_of(Plan(Preset.SMALL, (NAME,), 8, (TriggerFamily.POLYGON,), 1))
    schedule = Schedule((Phase(jobs[0].recipe.schedule.canvas, 10, 8),), 1e-3)
    quick = [
        replace(job, recipe=replace(job.recipe, schedule=schedule, start=None), bar=Bar(0.0, 0.0, test_images=10))
        for job in jobs
    ]
    for job in quick:
        make_model(job, folder, lambda _: None)  # here: a process for each would take longer than its ten steps
    assert make_round(quick, folder, workers=Workers(1), watch=lambda _: None) == ()
    return folder


@pytest.fixture(scope="module")
def configured(generated: Path, run_process: Run, metaparameters: Run, tmp_path_factory: pytest.TempPathFactory) -> Any:
    output = tmp_path_factory.mktemp("configured")
    words = ["configure", "--automatic_configuration", "--configure_models_dirpath", str(generated)]
    words += ["--learned_parameters_dirpath", str(output / "learned"), "--scratch_dirpath", str(output / "scratch")]
    settings = metaparameters(train_grid="paper-round2", train_preprocessing="small")
    return run_process([*words, *settings], output)


def test_the_round_is_one(generated: Path) -> None:
    found = read_round(generated)
    assert (len(found.models), found.left_out) == (8, ())
    assert sum(model.poisoned for model in found.models) == 4


def test_it_is_learned_from(configured: Any) -> None:
    assert configured.code in (0, 7), configured.stderr
    assert "8 of 8 models" in configured.stderr
    assert load_bundle(configured.output / "learned", "configured").base_rate == 0.5
    path = configured.output / "learned" / "configured" / f"{NAME}.json"
    if not path.exists():  # an honest answer to eight networks that have learned next to nothing
        assert configured.code == 7 and "Nothing could be learned" in configured.stdout
        return
    assert configured.code == 0
    configurations = json.loads(path.read_text())["configurations"]
    costs = [one["cost"] for one in configurations]
    assert costs == sorted(costs, reverse=True)
    assert {theta["pruning_method"] for one in configurations for theta in one["thetas"]} <= {
        PruningMethod.REMOVE,
        PruningMethod.RESET,
        PruningMethod.TRIM,
    }


@pytest.mark.parametrize("number", [0, 1])
def test_infer_works_at_once(number: int, configured: Any, generated: Path, run_process: Run, tmp_path: Path) -> None:
    model, learned = generated / f"id-{number:08d}", configured.output / "learned"
    words = ["--model_filepath", model / "model.pt", "--result_filepath", tmp_path / "result.txt"]
    words += ["--scratch_dirpath", tmp_path / "scratch", "--learned_parameters_dirpath", learned]
    words += ["--metaparameters_filepath", learned / "metaparameters.json"]
    outcome = run_process(list(map(str, words)), tmp_path)
    assert outcome.code == 0, outcome.stderr
    assert 0.01 <= float(outcome.result) <= 0.99
    learned_something = (learned / "configured" / f"{NAME}.json").exists()
    assert outcome.report["basis"] == ("measured" if learned_something else "base_rate")


def test_readings_for_the_repository(configured: Any, generated: Path, tmp_path: Path) -> None:
    """The store of `configure` serves `measure` too: nothing is measured again, and little is written."""
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "laboratory.measuring",
        "measure",
        "--models",
        generated,
        "--grid",
        "paper-round2",
    ]
    paths: list[str | Path] = ["--scratch", configured.output / "scratch", "--output", tmp_path / "readings"]
    before = set((configured.output / "scratch").rglob("*.npz"))
    subprocess.run([*command, *paths], cwd=HOME, check=True, timeout=120, capture_output=True)
    assert set((configured.output / "scratch").rglob("*.npz")) == before
    assert 10_000 < (tmp_path / "readings" / f"{NAME}.npz").stat().st_size < 200_000
