"""`configure --start_from` from the command line: a round is probed, learned on from, and answered with at once."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from detector.learning.study import Study
from detector.mapping.bundles import Bundle, load_bundle, load_parameters, write_bundle
from detector.mapping.parameters import ANY_ARCHITECTURE, LearnedParameters

Run = Callable[..., Any]

SHIPPED = Path(__file__).resolve().parents[2] / "learned_params"
QUICK = {"train_preprocessing": "rgb_minmax", "train_min_models": 6}


@pytest.fixture(scope="module", autouse=True)
def one_process() -> Iterator[None]:
    """Models are measured in this process, where a test can watch; and fewer shuffled labels than there would be."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("detector.commands.configure.usable_cpus", lambda: 1)
        patch.setattr("detector.commands.configure.Study", partial(Study, repeats=1, permutations=3))
        yield


def universal() -> LearnedParameters:
    found = load_parameters(SHIPPED, "universal", ANY_ARCHITECTURE)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`universal` with three and two probes."""
    found = universal()
    first, *_, last = found.configurations
    cheaper = (replace(first, probes=first.probes[:3]), replace(last, probes=first.probes[:2]))
    folder = tmp_path_factory.mktemp("start")
    return write_bundle(folder, Bundle("tiny", "1", "by hand", 0.5), [replace(found, configurations=cheaper)])


@pytest.fixture(scope="module")
def models(small_round: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the small round three clean and three poisoned SqueezeNets, and one file that is no model."""
    root = tmp_path_factory.mktemp("rounds") / "six"
    for number in (*range(6), 9):
        shutil.copytree(small_round / f"id-{number:08d}", root / f"id-{number:08d}", symlinks=True)
    shutil.copy(small_round / "METADATA.csv", root)
    return root


def options(models: Path, learned: Path, scratch: Path, *more: str) -> list[str]:
    places = {"configure_models_dirpath": models, "learned_parameters_dirpath": learned, "scratch_dirpath": scratch}
    return ["configure", *(word for name, path in places.items() for word in (f"--{name}", str(path))), *more]


@pytest.fixture(scope="module")
def configured(
    models: Path, start: Path, run_here: Run, metaparameters: Run, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """Learned on into `output / learned`, measurements in `output / scratch`."""
    output = tmp_path_factory.mktemp("configured")
    words = options(models, output / "learned", output / "scratch", "--start_from", str(start))
    return run_here([*words, *metaparameters(**QUICK)], output)


def test_the_bundle_holds_what_was_learned(configured: Any) -> None:
    assert configured.code == 0, configured.stderr
    learned = configured.output / "learned"
    assert "tiny, learned on" in load_bundle(learned, "configured").description
    parameters = load_parameters(learned, "configured", ANY_ARCHITECTURE)
    assert parameters is not None
    assert (parameters.base_rate, parameters.preprocessing.name) == (0.5, "rgb_minmax")
    assert [len(one.probes) for one in parameters.configurations] == [3, 2]
    for one in parameters.configurations:
        assert one.kind == "any_of" and one.experience
        assert one.held_out is not None and one.held_out.num_models == 6
        assert math.isfinite(one.held_out.cross_entropy)
    origin = parameters.provenance
    assert (origin.num_models, origin.num_poisoned) == (6, 3)
    assert origin.round.startswith("six, started from tiny (")
    assert origin.notes[0].startswith("6 of the models fail at their clean examples")
    assert {path.name for path in (learned / "configured").iterdir()} == {"bundle.json", "any.json"}


def test_the_text_says_it_all(configured: Any) -> None:
    lines = configured.stdout.splitlines()
    first = "Started from tiny and learned on from 6 models, 3 of them poisoned, for any architecture."
    assert lines[0] == first
    rows = [line for line in lines if " probes, " in line]
    assert [row.split(",")[0] for row in rows] == ["3 probes", "2 probes"]
    parameters = load_parameters(configured.output / "learned", "configured", ANY_ARCHITECTURE)
    assert parameters is not None
    for row, one in zip(rows, parameters.configurations, strict=True):
        assert one.held_out is not None and one.in_sample is not None
        words = row.split()
        held_out = one.held_out
        assert held_out.roc_auc is not None
        assert words[6:10] == [
            f"{held_out.cross_entropy:.3f}",
            f"{held_out.roc_auc:.3f}",
            f"{held_out.error_rate:.1%}",
            f"{one.in_sample.cross_entropy:.3f}",
        ]
        (note,) = [note for note in parameters.provenance.notes if note.startswith(f"{len(one.probes)} probes on ")]
        assert f"cross-entropy of {words[4]}" in note
    assert "Left out: 1" in lines


def test_infer_uses_it_at_once(configured: Any, small_case: Any, run_here: Run, tmp_path: Path) -> None:
    learned = configured.output / "learned"
    words = ["--learned_parameters_dirpath", str(learned), "--metaparameters_filepath"]
    outcome = run_here([*small_case.options(tmp_path), *words, str(learned / "metaparameters.json")], tmp_path)
    assert outcome.code == 0, outcome.stderr
    mapping = outcome.report["mapping"]
    assert (mapping["bundle"], mapping["provenance"]["num_models"]) == ("configured", 6)
    assert len(outcome.report["signal_vector"]) == len(universal().configurations[0].inputs)


@pytest.mark.usefixtures("nothing_is_measured")
def test_a_second_run_measures_nothing_and_ends_in_the_same_bytes(
    configured: Any,
    models: Path,
    start: Path,
    run_here: Run,
    metaparameters: Run,
    tmp_path: Path,
) -> None:
    """The start by its name this time, in the folder that the new bundle is written to."""

    shutil.copytree(start, tmp_path / "learned" / "tiny")
    words = options(models, tmp_path / "learned", configured.output / "scratch", "--start_from", "tiny")
    assert run_here([*words, *metaparameters(**QUICK)], tmp_path).code == 0
    written = [folder / "configured" / "any.json" for folder in (configured.output / "learned", tmp_path / "learned")]
    assert written[0].read_bytes() == written[1].read_bytes()


def test_too_few_models_keep_the_start(
    configured: Any, models: Path, start: Path, run_here: Run, metaparameters: Run, tmp_path: Path
) -> None:
    words = options(models, tmp_path / "learned", configured.output / "scratch", "--start_from", str(start))
    outcome = run_here([*words, *metaparameters(**QUICK | {"train_min_models": 7})], tmp_path)
    assert outcome.code == 7
    assert "fewer than 7 models. tiny is kept as it is." in outcome.stdout
    kept = load_parameters(tmp_path / "learned", "configured", ANY_ARCHITECTURE)
    before = load_parameters(start, "tiny", ANY_ARCHITECTURE)
    assert kept is not None and before is not None
    assert kept.configurations == before.configurations


@pytest.mark.parametrize(
    ("more", "code", "expected"),
    [
        (("--start_from", "none"), 5, "no bundle 'none'"),
        (("--start_from", "nist-round2"), 5, "cannot be started from"),
        (("--start_from", "universal", "--automatic_configuration"), 2, "at once"),
    ],
)
def test_what_cannot_be_started_from_is_found_before_measuring(
    more: tuple[str, ...],
    code: int,
    expected: str,
    models: Path,
    run_here: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("detector.commands.configure.measure_round", None)
    outcome = run_here(options(models, tmp_path / "learned", tmp_path / "scratch", *more), tmp_path)
    assert (outcome.code, outcome.stdout) == (code, "")
    assert expected in outcome.stderr
    assert not (tmp_path / "learned" / "configured").exists()
