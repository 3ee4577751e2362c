"""The program as a whole: every row of the README's table of exit codes, every generation of options, and kills.

What is refused or tampered with is answered without waiting for torch, so those processes are quick.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch

Run = Callable[..., Any]

HOME = Path(__file__).resolve().parents[1]
REPORT_SCHEMA = json.loads((HOME / "detector" / "report" / "report.schema.json").read_text())
LINE = re.compile(r"error: (?P<where>.+?): (?P<what>.+) \(expected (?P<expected>.+)\); (?P<next_step>.+)")
NEUTRAL = "0.5\n"


def failed(outcome: Any, code: int, *, wrote: frozenset[str] = frozenset({"result.txt", "scratch/report.json"})) -> str:
    """The one line on stderr of a run that failed as the table says, leaving 0.5, a report and nothing else."""
    assert outcome.code == code
    told = outcome.stdout.splitlines()
    assert told[:1] == (["REFUSED  0.500 stands for no answer"] if code == 3 else [])
    assert len(told) <= 12
    line: str = outcome.error_line
    assert LINE.fullmatch(line), line
    files = {str(path.relative_to(outcome.output)) for path in outcome.output.rglob("*") if path.is_file()}
    assert files == wrote
    if "result.txt" in wrote:
        assert outcome.result == NEUTRAL
    if "scratch/report.json" in wrote:
        jsonschema.validate(outcome.report, REPORT_SCHEMA)
        assert outcome.report["exit_code"] == code
        assert line == f"error: {outcome.report['error']}"
        assert (outcome.report["probability"], outcome.report["basis"]) == (0.5, "neutral")
    return line


def with_option(options: list[str], name: str, value: Path) -> list[str]:
    return [*options, f"--{name}", str(value)]  # of an option given twice the last one counts


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "output"


# --- 0: answered ---------------------------------------------------------------------------------------------------


def test_rounds_1_to_4_with_relative_paths_and_blanks_from_anywhere(
    answer: Any, small_case: Any, run_process: Run, metaparameters: Run, tmp_path: Path
) -> None:
    """A measured answer from a process of its own: the same to the bit as in this one."""
    folder = tmp_path / "a folder with blanks"
    shutil.copytree(small_case.model.parent, folder / "active model")
    options = ["--model_filepath", "active model/model.pt", "--result_filepath", "out put/result.txt"]
    options += ["--scratch_dirpath", "./out put/scratch", "--examples_dirpath", "active model/example_data"]
    options += metaparameters()
    outcome = run_process(options, folder / "out put", cwd=folder, env={"HOME": None, "LANG": None, "LC_ALL": "C"})
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.result == answer.result
    assert outcome.report["signal_vector"] == answer.report["signal_vector"]
    assert outcome.report["timings"]["total"] < 60
    assert "squeezenetv1_1" in outcome.stdout
    assert sorted(path.name for path in folder.rglob("*") if path.suffix in (".tmp", ".txt")) == ["result.txt"]


def generations(tmp_path: Path) -> dict[str, list[str]]:
    """The options that harnesses add to the four of Rounds 1-4."""
    round_9 = ["--round_training_dataset_dirpath", str(tmp_path), "--tokenizer_filepath", str(tmp_path / "t.pt")]
    for name, shipped in {
        "metaparameters_filepath": "metaparameters.json",
        "schema_filepath": "metaparameters_schema.json",
        "learned_parameters_dirpath": "learned_params",
    }.items():
        round_9 += [f"--{name}", str(HOME / shipped)]
    return {
        "rounds 5 to 8": ["--cls_token_is_first", "--tokenizer_filepath", "t.pt", "--embedding_filepath", "e.pt"],
        "round 9": round_9,
        "round 10 and later": [*round_9[:2], *round_9[4:], f"--source_dataset_dirpath={tmp_path}"],
    }


@pytest.mark.parametrize("subcommand", [[], ["infer"]])
@pytest.mark.parametrize("generation", ["rounds 5 to 8", "round 9", "round 10 and later"])
def test_options_of_every_generation(
    generation: str, subcommand: list[str], tampered_case: Any, run_process: Run, output: Path, tmp_path: Path
) -> None:
    options = [*subcommand, *tampered_case.options(output), *generations(tmp_path)[generation]]
    outcome = run_process(options, output, cwd=tmp_path)
    assert (outcome.code, outcome.stderr, outcome.result) == (0, "", "0.95\n")


def test_unknown_options_are_a_warning(tampered_case: Any, run_process: Run, output: Path) -> None:
    outcome = run_process([*tampered_case.options(output), "--gpu", "3", "--new=\x1b[2J"], output)
    assert (outcome.code, outcome.result) == (0, "0.95\n")
    line = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ WARNING: ignored unknown options: --gpu 3 --new=\\x1b\[2J\n"
    assert re.fullmatch(line, outcome.stderr)


def test_a_tampered_model_is_answered_and_its_deviation_spelled_out(
    tampered_case: Any, run_here: Run, metaparameters: Run, output: Path
) -> None:
    outcome = run_here([*tampered_case.options(output), *metaparameters(infer_tampered_probability=1)], output)
    assert (outcome.code, outcome.result, outcome.report["basis"]) == (0, "0.99\n", "tampered")
    jsonschema.validate(outcome.report, REPORT_SCHEMA)
    (finding,) = [finding for finding in outcome.report["findings"] if finding["severity"] == "tampered"]
    for place in (json.dumps(finding["evidence"]), " ".join(outcome.stdout.split())):
        assert "features.0" in place
        assert "stride" in place


def test_how_much_is_told(tampered_case: Any, run_here: Run, output: Path) -> None:
    options = tampered_case.options(output)
    verdict = run_here(options, output).stdout
    assert verdict.startswith("TAMPERED  0.950") and len(verdict.splitlines()) <= 12
    assert run_here([*options, "--quiet"], output).stdout == ""
    everything = run_here([*options, "--verbose"], output).stdout
    assert everything.startswith("TAMPERED") and "\nFindings  tampered: " in everything
    printed = json.loads(run_here([*options, "--json"], output).stdout)
    assert printed == json.loads((output / "scratch" / "report.json").read_text())
    jsonschema.validate(printed, REPORT_SCHEMA)


def test_a_page_at_once_and_later(tampered_case: Any, run_here: Run, output: Path) -> None:
    first, second = output / "first.html", output / "second.html"
    assert run_here([*tampered_case.options(output), "--html", str(first)], output).code == 0
    told = run_here(["report", str(output / "scratch" / "report.json"), "--html", str(second)], output)
    assert (told.code, told.stdout.splitlines()[-1].split()) == (0, ["Report", str(second)])
    assert first.read_text() == second.read_text() and '<h1 class="alarming">TAMPERED</h1>' in first.read_text()
    broken = run_here([*tampered_case.options(output), "--html", str(first), "--model_filepath", "none.pt"], output)
    assert broken.code == 3 and "REFUSED" in first.read_text()
    assert run_here(["report", str(output / "result.txt")], output).code == 2


def test_errors_as_json(run_process: Run, output: Path, tmp_path: Path) -> None:
    outcome = run_process(["inspect", str(tmp_path / "none.pt"), "--log_format", "json"], output)
    line = json.loads(outcome.stderr)
    assert (outcome.code, line["level"]) == (3, "error") and "none.pt" in line["message"]


def test_nobody_reading_takes_nothing_from_the_answer(tampered_case: Any, output: Path) -> None:
    command = [sys.executable, str(HOME / "entrypoint.py"), *tampered_case.options(output)]
    reader, writer = os.pipe()
    os.close(reader)
    for stdout in (writer, os.open("/dev/full", os.O_WRONLY)):
        done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60)
        os.close(stdout)
        assert (done.returncode, done.stderr) == (0, "")
        assert (output / "result.txt").read_text() == "0.95\n"


# --- 1: internal error ---------------------------------------------------------------------------------------------


def test_a_fault_of_ours_is_one_line_too(
    small_case: Any, run_here: Run, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("boom\nerror: forged")

    monkeypatch.setattr("detector.quality.checked_model.check_model", broken)
    outcome = run_here(small_case.options(output), output)
    assert (outcome.code, outcome.stdout, outcome.result) == (1, "", NEUTRAL)
    assert outcome.error_line.startswith(r"error: internal fault: RuntimeError('boom\nerror: forged'); please report")
    assert (outcome.report["exit_code"], outcome.report["error"]) == (1, "RuntimeError: boom\\nerror: forged")
    assert outcome.report["model"]["file"] == "model.pt"
    assert sorted(path.name for path in output.rglob("*")) == ["report.json", "result.txt", "scratch"]


# --- 2: usage ------------------------------------------------------------------------------------------------------


def test_usage_in_a_process_of_its_own(run_process: Run, output: Path) -> None:
    line = failed(run_process([], output), 2, wrote=frozenset())
    for word in ("--model_filepath", "--result_filepath", "--scratch_dirpath", "--help"):
        assert word in line


@pytest.mark.parametrize(
    "options",
    [
        ["--model_filepath", "m"],
        ["--model_filepath", "m", "--scratch_dirpath"],
        ["configure", "--scratch_dirpath", "s", "--configure_models_dirpath", "c"],
        ["--model_filepath", "m", "--scratch_dirpath", "s", "--configure_mode"],
    ],
)
def test_a_result_file_that_was_named_holds_no_old_answer(options: list[str], run_here: Run, output: Path) -> None:
    output.mkdir()
    (output / "result.txt").write_text("0.9\n")
    subcommand, rest = (options[:1], options[1:]) if options[0] == "configure" else ([], options)
    outcome = run_here([*subcommand, "--result_filepath", str(output / "result.txt"), *rest], output)
    failed(outcome, 2, wrote=frozenset({"result.txt"}))


@pytest.mark.parametrize("place", [".", "file/result.txt", "n" * 300])
def test_a_result_path_that_cannot_be_written(place: str, small_case: Any, run_here: Run, output: Path) -> None:
    output.mkdir()
    (output / "file").write_text("")
    options = with_option(small_case.options(output), "result_filepath", output / place)
    line = failed(run_here(options, output), 2, wrote=frozenset({"file", "scratch/report.json"}))
    assert "cannot be written" in line


# --- 3: model refused ----------------------------------------------------------------------------------------------


class Payload:
    """Makes a folder where it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


@pytest.mark.hostile
@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_a_hostile_model_does_nothing(
    form: str, small_case: Any, run_process: Run, output: Path, tmp_path: Path
) -> None:
    payload, model = Payload(tmp_path / "marker"), tmp_path / "model.pt"
    if form == "pickle":
        model.write_bytes(pickle.dumps(payload))
    else:
        torch.save({"weight": torch.ones(1), "more": payload}, model, _use_new_zipfile_serialization=form == "zip")
    outcome = run_process(with_option(small_case.options(output), "model_filepath", model), output)
    assert str(model) in failed(outcome, 3)
    assert not (tmp_path / "marker").exists()
    pickle.loads(pickle.dumps(payload))
    assert (tmp_path / "marker").exists()  # it would have, if anybody had unpickled it


@pytest.mark.parametrize("content", ["empty", "text", "half", "zip of nothing", "folder", "missing", "list"])
def test_what_is_no_model_is_refused(
    content: str, small_case: Any, run_here: Run, output: Path, tmp_path: Path
) -> None:
    model, whole = tmp_path / "model.pt", small_case.model.read_bytes()
    match content:
        case "folder":
            model.mkdir()
        case "list":
            torch.save([1, 2, 3], model)
        case "missing":
            pass
        case _:
            files = {"empty": b"", "text": b"0.5\n", "half": whole[: len(whole) // 2], "zip of nothing": whole[-22:]}
            model.write_bytes(files[content])
    outcome = run_here(with_option(small_case.options(output), "model_filepath", model), output)
    assert str(model) in failed(outcome, 3)


# --- 4: examples unusable ------------------------------------------------------------------------------------------


def test_examples_that_are_missing(small_case: Any, run_process: Run, output: Path, tmp_path: Path) -> None:
    options = with_option(small_case.options(output), "examples_dirpath", tmp_path / "none")
    outcome = run_process(options, output)
    assert str(tmp_path / "none") in failed(outcome, 4)
    assert outcome.report["model"]["architecture"] == "squeezenetv1_1"


@pytest.mark.parametrize("names", [[], ["class_1.png", "data.csv", "image.png"], ["class_7_example_0.png"]])
def test_examples_without_a_usable_image(
    names: list[str], small_case: Any, run_here: Run, output: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "examples"
    folder.mkdir()
    for name in names:
        shutil.copy(next(small_case.examples.iterdir()), folder / name)
    outcome = run_here(with_option(small_case.options(output), "examples_dirpath", folder), output)
    line = failed(outcome, 4)
    assert all(name in line for name in names[:1])


# --- 5: parameters invalid -----------------------------------------------------------------------------------------


def test_metaparameters_out_of_range(small_case: Any, run_process: Run, metaparameters: Run, output: Path) -> None:
    outcome = run_process([*small_case.options(output), *metaparameters(infer_max_seconds=7)], output)
    line = failed(outcome, 5)
    assert "infer_max_seconds" in line
    assert "minimum of 8" in line


@pytest.mark.parametrize(
    ("option", "content"),
    [
        ("metaparameters_filepath", None),
        ("metaparameters_filepath", "{"),
        ("metaparameters_filepath", "{}"),
        ("schema_filepath", None),
        ("schema_filepath", '{"type": "nonsense"}'),
        ("schema_filepath", '{"$ref": "#/nowhere"}'),
        ("schema_filepath", '{"$ref": "http://localhost:9/schema.json"}'),
    ],
)
def test_files_that_cannot_be_used(
    option: str, content: str | None, small_case: Any, run_here: Run, output: Path, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "file").write_text(content)
    outcome = run_here(with_option(small_case.options(output), option, tmp_path / "file"), output)
    assert str(tmp_path / "file") in failed(outcome, 5)


@pytest.mark.parametrize(
    "changes",
    [
        {"infer_threads": -1},
        {"infer_threads": "two"},
        {"infer_preprocessing": "round99"},
        {"infer_preprocessing": ["round1"]},
        {"infer_max_seconds": None},
        {"infer_bundle": "../learned_params"},
        {"infer_bundle": "nist-round99"},
    ],
)
def test_values_that_a_schema_of_ones_own_let_through(
    changes: dict[str, Any], small_case: Any, run_here: Run, metaparameters: Run, output: Path, tmp_path: Path
) -> None:
    (tmp_path / "schema.json").write_text("{}")
    options = with_option(small_case.options(output), "schema_filepath", tmp_path / "schema.json")
    failed(run_here([*options, *metaparameters(**changes)], output), 5)


@pytest.mark.parametrize("broken", ["directory", "bundle", "bundle.json", "text", "coefficients", "architecture"])
def test_learned_parameters_that_are_missing_or_broken(
    broken: str, small_case: Any, run_here: Run, output: Path, tmp_path: Path
) -> None:
    learned = tmp_path / "learned"
    shutil.copytree(HOME / "learned_params" / "nist-round2", learned / "nist-round2")
    own = learned / "nist-round2" / "squeezenetv1_1.json"
    match broken:
        case "directory":
            shutil.rmtree(learned)
        case "bundle":
            shutil.rmtree(learned / "nist-round2")
        case "bundle.json":
            (learned / "nist-round2" / "bundle.json").write_text("{}")
        case "text":
            own.write_text("not JSON")
        case "coefficients":
            document = json.loads(own.read_text())
            document["configurations"][0]["mapping"]["coefficients"].popitem()
            own.write_text(json.dumps(document))
        case "architecture":
            shutil.copy(own.with_name("squeezenetv1_0.json"), own)
    outcome = run_here(with_option(small_case.options(output), "learned_parameters_dirpath", learned), output)
    assert str(learned) in failed(outcome, 5)


# --- 6: deadline before any measurement ----------------------------------------------------------------------------


def test_a_deadline_before_any_measurement(
    small_case: Any, run_here: Run, metaparameters: Run, output: Path, tmp_path: Path
) -> None:
    """A second is always kept for writing."""
    (tmp_path / "schema.json").write_text("{}")
    options = with_option(small_case.options(output), "schema_filepath", tmp_path / "schema.json")
    outcome = run_here([*options, *metaparameters(infer_max_seconds=1)], output)
    assert "infer_max_seconds" in failed(outcome, 6)
    assert outcome.report["budget_seconds"] == 1
    assert outcome.report["model"]["architecture"] == "squeezenetv1_1"


# --- failures whose report cannot be written -----------------------------------------------------------------------


def test_scratch_that_cannot_be_written_does_not_hide_the_reason(
    small_case: Any, run_process: Run, output: Path, tmp_path: Path
) -> None:
    output.mkdir()
    (output / "scratch").write_text("a file")
    options = with_option(small_case.options(output), "model_filepath", tmp_path / "none.pt")
    outcome = run_process(options, output)
    failed(outcome, 3, wrote=frozenset({"result.txt", "scratch"}))
    warning, error = outcome.stderr.splitlines()
    assert " WARNING: no report: " in warning
    assert str(tmp_path / "none.pt") in error


def test_help_is_no_failure(run_process: Run, output: Path) -> None:
    outcome = run_process(["--help"], output)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert "--examples_dirpath" in outcome.stdout


# --- kills ---------------------------------------------------------------------------------------------------------


def test_the_neutral_answer_stands_before_anything_large_is_loaded(output: Path, tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("import os\nos._exit(77)\n")  # as a kill in the middle of the imports
    options = ["--model_filepath", "m", "--result_filepath", str(output / "result.txt"), "--scratch_dirpath", "s"]
    command = [sys.executable, str(HOME / "entrypoint.py"), *options]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(tmp_path)}, check=False)
    assert done.returncode == 77
    assert (output / "result.txt").read_text() == NEUTRAL


@pytest.mark.parametrize(
    ("number", "seconds"), [*((signal.SIGKILL, s) for s in (0.0, 0.4, 2.5, 300.0)), (signal.SIGTERM, 1.0)]
)
def test_a_killed_run_leaves_a_whole_line(
    number: signal.Signals, seconds: float, answer: Any, small_case: Any, metaparameters: Run, output: Path
) -> None:
    """The kill comes so long after the result file does, or when that holds the answer, whichever is first."""
    command = [sys.executable, str(HOME / "entrypoint.py"), *small_case.options(output), *metaparameters()]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    seen = set()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 300
        while not (output / "result.txt").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        kill_at = time.monotonic() + seconds
        while time.monotonic() < kill_at and answer.result not in seen:
            seen.add((output / "result.txt").read_text())
            time.sleep(0.01)
        process.send_signal(number)
    seen.add((output / "result.txt").read_text())
    assert seen <= {NEUTRAL, answer.result}
    assert answer.result in seen or seconds < 300
