"""`configure` from the command line: a round becomes a bundle that `infer` uses at once, or nothing changes."""

from __future__ import annotations

import csv
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.base.errors import ParametersError
from detector.commands.train_settings import load_train_settings
from detector.mapping.bundles import load_bundle, load_parameters
from detector.rounds.preprocessing import PROFILES

Run = Callable[..., Any]

HOME = Path(__file__).resolve().parents[2]
SCHEMA = HOME / "metaparameters_schema.json"
QUICK = {"train_num_pruned_models": 2, "train_num_images": 2, "train_p": 0.3, "train_preprocessing": "rgb_minmax"}


def options(models: Path, learned: Path, *more: str) -> list[str]:
    return ["configure", "--configure_models_dirpath", str(models), "--learned_parameters_dirpath", str(learned), *more]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module", autouse=True)
def one_process() -> Iterator[None]:
    """Models are measured in this process, where a test can watch; `test_workers` has the others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("detector.commands.cli.usable_cpus", lambda: 1)
        yield


def doubtful(stdout: str) -> int:
    """How many models fail before pruning, by the text."""
    (line,) = [line for line in stdout.splitlines() if "fail at their clean examples" in line]
    return int(line.split()[0])


@pytest.fixture(scope="module")
def configured(small_round: Path, run_here: Run, metaparameters: Run, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Learned from the small round into `output / learned`, measurements in `output / scratch`."""
    output = tmp_path_factory.mktemp("configured")
    words = options(small_round, output / "learned", "--scratch_dirpath", str(output / "scratch"))
    given = metaparameters(**QUICK)
    shutil.copy(given[1], output / "given.json")
    return run_here([*words, *given], output)


def test_the_bundle_holds_what_was_learned(configured: Any) -> None:
    assert configured.code == 0, configured.stderr
    learned = configured.output / "learned"
    bundle = load_bundle(learned, "configured")
    assert bundle.base_rate == pytest.approx(5 / 9)
    assert "round2-train-dataset" in bundle.description
    parameters = load_parameters(learned, "configured", "squeezenetv1_1")
    assert parameters is not None
    assert (parameters.base_rate, parameters.preprocessing.name) == (0.5, "rgb_minmax")
    assert (parameters.clip.low, parameters.clip.high) == (0.01, 0.99)
    (configuration,) = parameters.configurations
    assert configuration.kind == "linear"
    (theta,) = configuration.thetas
    assert (theta.num_pruned_models, theta.num_images, theta.p) == (2, 2, 0.3)
    for figures in (configuration.held_out, configuration.in_sample):
        assert figures is not None
        assert figures.num_models == 8
        assert math.isfinite(figures.cross_entropy)
    origin = parameters.provenance
    assert (origin.round, origin.num_models, origin.num_poisoned) == ("round2-train-dataset", 8, 4)
    (note,) = origin.notes
    assert note.endswith(" of the models fail at their clean examples before pruning.")
    assert doubtful(configured.stdout) - 1 <= int(note.split()[0]) <= doubtful(configured.stdout)  # a ShuffleNet, too
    for words in ("4-fold", "shuffled", "p = ", "In-sample"):
        assert words in origin.evaluation
    assert load_parameters(learned, "configured", "shufflenet1_0") is None


def test_the_text_says_it_all(configured: Any) -> None:
    lines = configured.stdout.splitlines()
    header = "architecture models poisoned held-out CE held-out AUC held-out error in-sample CE"
    assert " ".join(lines[0].split()) == header
    (shuffle,) = [line for line in lines if line.startswith("shufflenet1_0")]
    assert shuffle.split()[:3] == ["shufflenet1_0", "1", "1"]
    assert "fewer than 8 models" in shuffle
    squeeze, chosen = [line.split() for line in lines if line.startswith("squeezenetv1_1")]
    assert chosen[1:5] == ["Reset", "Targeted", "L1", "p=0.3"]
    (document,) = json.loads((configured.output / "learned/configured/squeezenetv1_1.json").read_text())[
        "configurations"
    ]
    held_out, in_sample = document["held_out"], document["in_sample"]
    assert squeeze[1:3] == ["8", "4"]
    assert [float(word.rstrip("%")) for word in squeeze[3:]] == pytest.approx(
        [held_out["cross_entropy"], held_out["roc_auc"], 100 * held_out["error_rate"], in_sample["cross_entropy"]],
        abs=0.051,
    )
    assert "Left out: 3" in lines
    for name, reason in (
        ("id-00000009", "saved by torch.save"),
        ("id-00000010", "the same file as id-00000000"),
        ("id-00000011", "no label"),
    ):
        (line,) = [line for line in lines if line.strip().startswith(name)]
        assert reason in line


def measured_features(output: Path) -> Iterator[tuple[str, list[float]]]:
    """Accuracies by hand, from the logits that were kept: of each model the two variants on two images."""
    for path in (output / "scratch" / "logits").rglob("*.npz"):
        with np.load(path) as arrays:
            header, logits = json.loads(arrays["header"].tobytes()), arrays["logits"]
        labels = np.array([int(name.split("_")[1]) for name in header["names"]])
        if header["key"]["theta"] is not None:
            yield header["key"]["model"], (logits.argmax(-1) == labels).mean(-1).tolist()


def test_infer_uses_it_at_once(configured: Any, small_round: Path, run_here: Run, tmp_path: Path) -> None:
    model = small_round / "id-00000002"
    words = ["--model_filepath", str(model / "model.pt"), "--result_filepath", str(tmp_path / "result.txt")]
    learned = configured.output / "learned"
    words += ["--scratch_dirpath", str(tmp_path / "scratch"), "--learned_parameters_dirpath", str(learned)]
    outcome = run_here([*words, "--metaparameters_filepath", str(learned / "metaparameters.json")], tmp_path)
    assert outcome.code == 0, outcome.stderr
    report = outcome.report
    assert (report["basis"], report["mapping"]["bundle"], len(report["signal_vector"])) == ("measured", "configured", 2)
    (row,) = [features for name, features in measured_features(configured.output) if name == report["model"]["sha256"]]
    assert row == report["signal_vector"]


def test_the_metaparameters_differ_in_the_bundle_alone(configured: Any) -> None:
    given = json.loads((configured.output / "given.json").read_text())
    written = json.loads((configured.output / "learned" / "metaparameters.json").read_text())
    assert written == given | {"infer_bundle": "configured"}
    assert load_train_settings(configured.output / "learned" / "metaparameters.json", SCHEMA).theta.p == 0.3


@pytest.mark.usefixtures("nothing_is_measured")
def test_a_second_run_continues_and_ends_in_the_same_bytes(
    configured: Any,
    small_round: Path,
    run_here: Run,
    metaparameters: Run,
    tmp_path: Path,
) -> None:
    """With the flag of Rounds 9 and later, the other options of that generation, and an old bundle in the way."""

    learned = tmp_path / "learned"
    shutil.copytree(HOME / "learned_params", learned)
    words = options(small_round, learned, "--scratch_dirpath", str(configured.output / "scratch"))
    given = metaparameters(**QUICK)
    others = ["--configure_mode", "--round_training_dataset_dirpath", "r", "--model_filepath", "m"]
    outcome = run_here([*words[1:], *given, *others], tmp_path)
    assert outcome.code == 0, outcome.stderr
    assert files(learned / "configured") == files(configured.output / "learned" / "configured")
    assert (learned / "nist-round2" / "bundle.json").exists()
    assert json.loads(Path(given[1]).read_text())["infer_bundle"] == "configured"  # the file that was named, too


@pytest.mark.parametrize(
    ("flag", "least", "code", "updated"),
    [([], 8, 0, False), (["--configure_mode"], 8, 0, True), (["--configure_mode"], 9, 7, False)],
)
@pytest.mark.parametrize("beside", [False, True])
def test_the_file_of_the_settings_is_updated_by_the_flag_alone_and_only_where_something_was_learned(
    flag: list[str],
    least: int,
    code: int,
    updated: bool,
    beside: bool,
    configured: Any,
    small_round: Path,
    run_here: Run,
    metaparameters: Run,
    tmp_path: Path,
) -> None:
    """What `--set` says is never written into it, also where it is the very file that lies beside the bundles."""
    learned = tmp_path / "learned"
    learned.mkdir()
    file = learned / "metaparameters.json" if beside else tmp_path / "mine.json"
    shutil.copy(metaparameters(**QUICK)[1], file)
    before = file.read_bytes()
    words = options(small_round, learned, "--scratch_dirpath", str(configured.output / "scratch"), *flag)
    named = ["--metaparameters_filepath", str(file), "--set", f"train_min_models={least}"]
    outcome = run_here([*words, *named, "--set", "train_seed=5"], tmp_path)
    assert outcome.code == code, outcome.stderr
    if updated:
        assert json.loads(file.read_bytes()) == json.loads(before) | {"infer_bundle": "configured"}
    else:
        assert file.read_bytes() == before
    if not beside:
        written = json.loads((learned / "metaparameters.json").read_text())
        assert (written["infer_bundle"], written["train_seed"]) == ("configured", 5)


@pytest.mark.parametrize("train_mapping", ["ols", "logistic"])
def test_every_mapping_is_learned(
    train_mapping: str, configured: Any, small_round: Path, run_here: Run, metaparameters: Run, tmp_path: Path
) -> None:
    words = options(small_round, tmp_path / "learned", "--scratch_dirpath", str(configured.output / "scratch"))
    assert run_here([*words, *metaparameters(**QUICK, train_mapping=train_mapping)], tmp_path).code == 0
    parameters = load_parameters(tmp_path / "learned", "configured", "squeezenetv1_1")
    assert parameters is not None
    linear = train_mapping == "ols"
    assert parameters.configurations[0].kind == ("linear" if linear else "logistic")


def test_too_few_models_leave_the_base_rate(
    configured: Any, small_round: Path, run_here: Run, metaparameters: Run, tmp_path: Path
) -> None:
    words = options(small_round, tmp_path / "learned", "--scratch_dirpath", str(configured.output / "scratch"))
    outcome = run_here([*words, *metaparameters(**QUICK, train_min_models=9)], tmp_path)
    assert outcome.code == 7
    assert outcome.stdout.startswith("NOTHING LEARNED. ")
    assert files(tmp_path / "learned").keys() == {"metaparameters.json", "configured/bundle.json"}
    assert outcome.stdout.count("fewer than 9 models") == 2
    assert "Nothing could be learned" in outcome.stdout


def test_images_of_another_size_are_told_once_with_the_profile_that_fits(
    small_round: Path, run_here: Run, metaparameters: Run, tmp_path: Path
) -> None:
    given = metaparameters(**QUICK | {"train_preprocessing": "small"})
    outcome = run_here([*options(small_round, tmp_path / "learned"), *given], tmp_path)
    assert outcome.code == 5
    assert outcome.error_line.count("train_preprocessing small") == 1
    assert "--set train_preprocessing=round" in outcome.error_line and "left out" not in outcome.stderr
    fitting = outcome.error_line.partition("another train_preprocessing: ")[2].partition(" would fit")[0].split(" or ")
    assert set(fitting) <= PROFILES.keys() and len(fitting) == len(set(fitting)) > 1


def failed(outcome: Any, code: int, learned: Path, before: dict[str, bytes]) -> str:
    assert (outcome.code, outcome.stdout) == (code, "")
    assert files(learned) == before
    line: str = [line for line in outcome.stderr.splitlines() if line.startswith("error: ")][-1]
    return line


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A directory of learned parameters with a `configured` bundle that must survive."""
    shutil.copytree(HOME / "learned_params" / "configured", tmp_path / "learned" / "configured")
    return tmp_path / "learned"


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([], "0 clean and 0 poisoned models"),
        ([1, 2, 4], "3 clean and 0 poisoned models"),
        ([9], "0 clean and 0 poisoned models can be used, 1 are left out"),
    ],
)
def test_nothing_to_learn_from(
    members: list[int], expected: str, small_round: Path, run_here: Run, metaparameters: Run, old: Path, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    for number in members:
        shutil.copytree(small_round / f"id-{number:08d}", models / f"id-{number:08d}", symlinks=True)
        (models / f"id-{number:08d}" / "ground_truth.csv").write_text("0")
    models.mkdir(exist_ok=True)
    before = files(old)
    outcome = run_here([*options(models, old), *metaparameters(**QUICK)], tmp_path)
    assert expected in failed(outcome, 5, old, before)


def test_a_folder_of_models_that_is_missing(run_here: Run, old: Path, tmp_path: Path) -> None:
    assert "none" in failed(run_here(options(tmp_path / "none", old), tmp_path), 2, old, files(old))


@pytest.mark.parametrize("changes", [{"train_p": 1.0}, {"train_mapping": "forest"}, {"train_min_models": 2}])
def test_metaparameters_out_of_range(
    changes: dict[str, Any], small_round: Path, run_here: Run, metaparameters: Run, old: Path, tmp_path: Path
) -> None:
    outcome = run_here([*options(small_round, old), *metaparameters(**changes)], tmp_path)
    assert next(iter(changes)) in failed(outcome, 5, old, files(old))


def test_a_schema_that_does_not_know_the_bundle(small_round: Path, run_here: Run, old: Path, tmp_path: Path) -> None:
    schema = json.loads(SCHEMA.read_text())
    schema["properties"]["infer_bundle"]["enum"].remove("configured")
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    outcome = run_here(options(small_round, old, "--schema_filepath", str(tmp_path / "schema.json")), tmp_path)
    assert "infer_bundle" in failed(outcome, 5, old, files(old))


@pytest.mark.parametrize("place", ["file/learned", "learned/configured"])
def test_a_target_that_can_hold_no_bundle_is_found_before_measuring(
    place: str, small_round: Path, run_here: Run, old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detector.commands.configure.measure_round", None)
    (tmp_path / "file").touch()
    failed(run_here(options(small_round, tmp_path / place), tmp_path), 5, old, files(old))


@pytest.mark.parametrize(
    "fault", [ParametersError("disk full", where="x", expected="y", next_step="z"), RuntimeError()]
)
def test_the_old_bundle_survives_a_failure_while_writing(
    fault: Exception,
    configured: Any,
    small_round: Path,
    run_here: Run,
    metaparameters: Run,
    old: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def read_back(*_: object) -> None:
        raise fault

    monkeypatch.setattr("detector.mapping.bundles.load_parameters", read_back)
    words = options(small_round, old, "--scratch_dirpath", str(configured.output / "scratch"))
    code = 5 if isinstance(fault, ParametersError) else 1
    failed(run_here([*words, *metaparameters(**QUICK)], tmp_path), code, old, files(old))


def test_a_read_only_metaparameters_file_is_a_warning(
    configured: Any,
    small_round: Path,
    run_here: Run,
    metaparameters: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    given = metaparameters(**QUICK)
    from detector.base.errors import UsageError
    from detector.commands import run

    def write_file(path: Path, content: bytes) -> None:
        if str(path) == given[1]:
            raise UsageError("read-only", where=path, expected="", next_step="")
        path.write_bytes(content)

    monkeypatch.setattr(run, "write_file", write_file)
    words = options(small_round, tmp_path / "learned", "--scratch_dirpath", str(configured.output / "scratch"))
    outcome = run_here([*words, *given, "--new", "--configure_mode"], tmp_path)
    assert outcome.code == 0
    assert json.loads((tmp_path / "learned" / "metaparameters.json").read_text())["infer_bundle"] == "configured"
    for told in ("read-only", "unknown options: --new"):
        assert told in caplog.text


def test_infer_never_imports_scikit_learn() -> None:
    code = "import sys; import entrypoint, detector.measurement.engine; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=HOME, timeout=60).returncode == 0


def held_out_rows(learned: Path) -> dict[str, dict[str, str]]:
    with (learned / "held_out" / "results.csv").open(newline="") as file:
        return {row["model"]: row for row in csv.DictReader(file)}


def test_the_held_out_answers_are_kept_as_evaluate_keeps_its_own(configured: Any, small_round: Path) -> None:
    learned = configured.output / "learned"
    rows = held_out_rows(learned)
    with (small_round / "METADATA.csv").open(newline="") as file:
        truths = {row["model_name"]: str(int(row["poisoned"] == "True")) for row in csv.DictReader(file)}
    assert list(rows) == [f"id-{number:08d}" for number in range(9)]  # the others cannot be measured
    assert {name: row["truth"] for name, row in rows.items()} == {name: truths[name] for name in rows}
    assert "held_out" in configured.stdout
    base_rate = load_bundle(learned, "configured").base_rate
    alone = rows.pop("id-00000008")
    assert (alone["architecture"], alone["basis"]) == ("shufflenet1_0", "base_rate")
    assert float(alone["probability"]) == pytest.approx(base_rate)
    assert {(row["architecture"], row["basis"], row["exit_code"]) for row in rows.values()} == {
        ("squeezenetv1_1", "measured", "0")
    }
    parameters = load_parameters(learned, "configured", "squeezenetv1_1")
    assert parameters is not None and parameters.configurations[0].held_out is not None
    answers = [(float(row["probability"]), row["truth"] == "1") for row in rows.values()]
    losses = [-math.log(p if poisoned else 1 - p) for p, poisoned in answers]
    worst = parameters.configurations[0].held_out.cross_entropy
    assert 0 < float(np.mean(losses)) <= worst + 1e-9  # the mean of several answers is never worse than they are


def test_held_out_answers_compare_with_an_evaluation(
    configured: Any, small_round: Path, run_here: Run, tmp_path: Path
) -> None:
    learned = configured.output / "learned"
    words = ["evaluate", str(small_round), "--output", str(tmp_path / "evaluation"), "--seconds", "600"]
    words += ["--learned_parameters_dirpath", str(learned), "--bundle", "configured"]
    evaluated = run_here(words, tmp_path)
    assert evaluated.code == 0, evaluated.stderr
    compared = run_here(["compare", str(learned / "held_out"), str(tmp_path / "evaluation"), "--json"], tmp_path)
    assert compared.code == 0, compared.stderr
    comparison = json.loads(compared.stdout)
    assert (comparison["num_models"], comparison["num_poisoned"]) == (9, 5)
    assert set(comparison["differences"]) == {"cross_entropy", "brier", "accuracy", "roc_auc"}  # no seconds are known
    probabilities = [float(row["probability"]) for row in held_out_rows(learned).values()]
    truths = [int(row["truth"]) for row in held_out_rows(learned).values()]
    brier = float(np.mean((np.array(probabilities) - np.array(truths)) ** 2))
    assert comparison["differences"]["brier"]["first"] == pytest.approx(brier)


def test_held_out_answers_that_cannot_be_written_cost_a_warning(
    configured: Any, small_round: Path, run_here: Run, metaparameters: Run, tmp_path: Path, caplog: Any
) -> None:
    learned = tmp_path / "learned"
    learned.mkdir()
    (learned / "held_out").write_text("in the way")
    words = options(small_round, learned, "--scratch_dirpath", str(configured.output / "scratch"))
    outcome = run_here([*words, *metaparameters(**QUICK)], tmp_path)
    assert outcome.code == 0, outcome.stderr
    assert "no held-out answers" in caplog.text
    assert load_bundle(learned, "configured").base_rate == pytest.approx(5 / 9)
