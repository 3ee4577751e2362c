"""A round judged model by model: every answer is that of `infer`, and whatever is wrong with one stops no other."""

from __future__ import annotations

import csv
import importlib
import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from detector.base.clock import SystemClock
from detector.base.errors import ParametersError, UsageError
from detector.base.pool import Died, Done
from detector.base.workers import Workers
from detector.commands import evaluate as module
from detector.commands.detect import Detection
from detector.commands.evaluate import EvaluateRequest, evaluate, merge
from detector.commands.settings import Settings, load_settings
from detector.report.report import Report
from detector.scoring.answers import Answer, read_answers
from detector.scoring.folder import Shard
from tests.base.test_cluster import Cluster
from tests.report.test_explanation import SIZE, measured

HOME = Path(__file__).resolve().parents[2]
SETTINGS = load_settings(HOME / "metaparameters.json", HOME / "metaparameters_schema.json")
LEARNED = HOME / "learned_params"
Run = Callable[..., Any]
NOT_VALIDATED = [  # by a finding, by an architecture that the bundle has not seen, and not at all
    (measured(0.2, 0.9, 0.95, findings=(SIZE,)), "poisoned, not validated"),
    (measured(0.02, 0.1, 0.3, architecture="densenet121"), "clean, not validated"),
    (measured(0.2, 0.9, 0.95), "poisoned"),
]


@pytest.fixture(scope="module")
def members(tampered_case: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six models: three tampered ones, of which one has no label, one refused, one without examples, one without file.

    Judging them takes no torch.
    """
    root = tmp_path_factory.mktemp("rounds") / "round2-test"
    for number in range(6):
        folder = root / f"id-{number:08d}"
        folder.mkdir(parents=True)
        if number != 2:
            (folder / "example_data").symlink_to(tampered_case.examples)
        if number < 4:
            (folder / "model.pt").symlink_to(tampered_case.model)
    (root / "id-00000003" / "model.pt").unlink()
    (root / "id-00000003" / "model.pt").write_text("no model")
    rows = [
        "model_name,poisoned,model_architecture,number_classes,number_triggered_classes,trigger_type",
        "id-00000000,True,squeezenetv1_1,5,5,polygon",
        "id-00000001,False,squeezenetv1_1,5,0,None",
        "id-00000002,True,squeezenetv1_1,5,1,instagram",
        "id-00000003,False,resnet18,5,0,None",
        "id-00000004,True,resnet18,5,1,instagram",
    ]
    (root / "METADATA.csv").write_text("\n".join(rows))
    return root


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pool works in this process; the list gets the names of the models that were judged."""
    judged: list[str] = []

    def serial(work: Callable[[Any], Any], tasks: Sequence[Any], workers: Workers) -> Iterator[Done[Any, Any]]:
        for task in tasks:
            judged.append(task.name)
            yield Done(task, work(task))

    monkeypatch.setattr(module, "run_tasks", serial)
    return judged


def request(members: Path, output: Path, shard: Shard | None = None) -> EvaluateRequest:
    return EvaluateRequest(members, output, LEARNED, shard)


def judged(members: Path, output: Path, settings: Settings = SETTINGS, shard: Shard | None = None) -> Any:
    return evaluate(request(members, output, shard), settings, Workers(), SystemClock())


def timeless(answers: Sequence[Answer]) -> list[Answer]:
    return [replace(answer, seconds=0.0) for answer in answers]


def test_every_model_has_an_answer(members: Path, here: list[str], tmp_path: Path) -> None:
    found = judged(members, tmp_path)
    assert [answer.exit_code for answer in found.answers] == [0, 0, 0, 3, 3, 3]
    assert [answer.truth for answer in found.answers] == [True, False, True, False, True, None]
    assert {answer.verdict for answer in found.answers[:3]} == {"tampered"}
    assert {answer.probability for answer in found.answers[:3]} == {SETTINGS.tampered_probability}
    assert {answer.probability for answer in found.answers[3:]} == {0.5}
    assert all(answer.error for answer in found.answers[3:])
    assert found.answers[0].findings == ("tampered:graph_deviates",)
    assert [answer.architecture for answer in found.answers[2:5]] == ["squeezenetv1_1", "resnet18", "resnet18"]
    assert [one.name for one in found.remarks] == ["id-00000005"]


def test_what_is_written(members: Path, here: list[str], tmp_path: Path) -> None:
    found = judged(members, tmp_path)
    assert timeless(read_answers(tmp_path / "results.csv")) == timeless(found.answers)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert (metrics["num_models"], metrics["num_labelled"]) == (6, 5)
    assert metrics["missing"] == [f"id-0000000{number}" for number in (3, 4, 5)]
    assert metrics["scores"]["num_missing"] == 2
    assert list(metrics["by_trigger_type"]) == ["instagram", "polygon"]
    assert list(metrics["by_source_classes"]) == ["1", "all"]
    assert list(metrics["by_architecture"]) == ["resnet18", "squeezenetv1_1"]
    page = (tmp_path / "round.html").read_text()
    assert all(answer.model in page for answer in found.answers)
    text = module.evaluation_text(found)
    assert "6 models, 5 with a known label" in text and "id-00000003: " in text and str(tmp_path) in text


def test_the_answer_is_that_of_infer(
    members: Path, here: list[str], tampered_case: Any, run_here: Run, tmp_path: Path
) -> None:
    outcome = run_here(tampered_case.options(tmp_path / "infer"), tmp_path / "infer")
    answer = judged(members, tmp_path / "out").answers[0]
    assert answer.probability == float(outcome.result)
    assert answer.basis == outcome.report["basis"]
    assert list(answer.findings) == [f"{one['severity']}:{one['code']}" for one in outcome.report["findings"]]


def test_it_goes_on_where_it_was_killed(
    members: Path, here: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = judged(members, tmp_path / "whole")
    here.clear()
    serial = vars(module)["run_tasks"]

    def killed(*arguments: Any) -> Iterator[Any]:
        running = serial(*arguments)
        yield next(running)
        yield next(running)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "run_tasks", killed)
        with pytest.raises(KeyboardInterrupt):
            judged(members, tmp_path / "out")
    assert here == ["id-00000000", "id-00000001"]
    assert not (tmp_path / "out" / "metrics.json").exists()
    here.clear()
    again = judged(members, tmp_path / "out")
    assert here == [f"id-0000000{number}" for number in (2, 3, 4, 5)]
    assert timeless(again.answers) == timeless(whole.answers)
    here.clear()
    assert judged(members, tmp_path / "out").answers == again.answers
    assert here == []


def test_a_fault_of_ours_stops_nothing_and_is_tried_again(
    members: Path, here: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Detection.run

    def broken(self: Detection) -> Report:
        model = self._request.model
        if isinstance(model, Path) and model.parent.name == "id-00000001":
            raise ZeroDivisionError("ours\n")
        return run(self)

    with monkeypatch.context() as patch:
        patch.setattr(Detection, "run", broken)
        found = judged(members, tmp_path)
    assert [answer.exit_code for answer in found.answers] == [0, 1, 0, 3, 3, 3]
    assert found.answers[1].error == "internal fault: ZeroDivisionError: ours\\n"
    here.clear()
    assert judged(members, tmp_path).answers[1].exit_code == 0
    assert here == ["id-00000001"]


def test_a_model_whose_process_dies_is_listed(members: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "run_tasks", lambda work, tasks, workers: (Died(task) for task in tasks))
    found = judged(members, tmp_path)
    assert {(answer.exit_code, answer.probability) for answer in found.answers} == {(1, 0.5)}
    assert all("process" in answer.error for answer in found.answers)
    assert [answer.truth for answer in found.answers] == [True, False, True, False, True, None]


def test_labels_that_come_later_count(members: Path, here: list[str], tmp_path: Path) -> None:
    root = tmp_path / "round2-test"
    for folder in sorted(members.glob("id-*"))[:2]:
        (root / folder.name).mkdir(parents=True)
        for entry in folder.iterdir():
            (root / folder.name / entry.name).symlink_to(entry)
    found = judged(root, tmp_path / "out")
    assert found.metrics.scores is None
    assert "No label is known" in module.evaluation_text(found)
    here.clear()
    (root / "METADATA.csv").symlink_to(members / "METADATA.csv")
    assert judged(root, tmp_path / "out").metrics.num_labelled == 2
    assert here == []


def test_shards_are_the_whole(members: Path, here: list[str], tmp_path: Path) -> None:
    whole = judged(members, tmp_path / "whole")
    for number in (2, 1):
        part = judged(members, tmp_path / "out", shard=Shard(number, 2))
        assert part.metrics is None
        assert "`merge` scores them" in module.evaluation_text(part)
        if number == 2:
            half = merge(members, tmp_path / "out")
            assert [answer.exit_code for answer in half.answers] == [None, 0, None, 3, None, 3]
            assert half.metrics is not None and len(half.metrics.missing) == 5
            (tmp_path / "out" / "results.csv").unlink()
    found = merge(members, tmp_path / "out")
    assert timeless(found.answers) == timeless(whole.answers)
    assert found.metrics is not None and found.metrics.scores == whole.metrics.scores


def test_merge_wants_the_round_of_the_answers(members: Path, here: list[str], tmp_path: Path) -> None:
    judged(members, tmp_path / "out")
    other = tmp_path / "other"
    (other / "id-00000000").mkdir(parents=True)
    with pytest.raises(UsageError, match="not to other"):
        merge(other, tmp_path / "out")


def test_a_bundle_that_is_not_there_is_told_once(members: Path, here: list[str], tmp_path: Path) -> None:
    with pytest.raises(ParametersError, match="no bundle 'absent'"):
        judged(members, tmp_path / "out", replace(SETTINGS, bundle="absent"))
    assert here == [] and not (tmp_path / "out" / "results.csv").exists()


def test_progress_is_told(members: Path, here: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="detector"):
        judged(members, tmp_path)
    assert "6 of 6: id-00000005" in caplog.text


@pytest.mark.parametrize(("report", "verdict"), NOT_VALIDATED)
def test_what_is_not_validated_is_told_and_kept(
    report: Report,
    verdict: str,
    members: Path,
    here: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(Detection, "run", lambda self: report)
    with caplog.at_level(logging.INFO, logger="detector"):
        found = judged(members, tmp_path)
    assert f"{report.probability:.3f}, {verdict}, about" in caplog.text
    assert (tmp_path / "round.html").read_text().count(f"<td>{verdict}</td><td>measured</td>") == 6
    for answers in (
        read_answers(tmp_path / "results.csv"),
        judged(members, tmp_path).answers,
        merged(members, tmp_path),
    ):
        assert {answer.verdict_in_words for answer in answers} == {verdict}
        assert {answer.verdict for answer in answers} == {verdict.partition(",")[0]}
    assert len(here) == 6 and timeless(found.answers) == timeless(merged(members, tmp_path))


def merged(members: Path, output: Path) -> tuple[Answer, ...]:
    return merge(members, output).answers


def command(members: Path, output: Path, *more: str) -> list[str]:
    return ["evaluate", str(members), "--output", str(output), "--bundle", "nist-round2", *more]


def test_the_command(members: Path, here: list[str], run_here: Run, tmp_path: Path) -> None:
    outcome = run_here(command(members, tmp_path, "--seconds", "30", "--shard", "1/1"), tmp_path)
    assert (outcome.code, outcome.stderr.count("ERROR")) == (0, 0)
    outcome = run_here(["merge", str(members), "--output", str(tmp_path)], tmp_path)
    assert outcome.code == 0, outcome.stderr
    assert "ROC-AUC" in outcome.stdout
    terms = json.loads((tmp_path / "evaluation.json").read_text())
    assert (terms["bundle"], terms["seconds"], terms["round"]) == ("nist-round2", 30.0, "round2-test")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["evaluate"], 2),
        (["evaluate", "absent", "--output", "out"], 2),
        (["evaluate", "ROUND", "--output", "out", "--workers", "0"], 2),
        (["evaluate", "ROUND", "--output", "out", "--seconds", "nan"], 2),
        (["evaluate", "ROUND", "--output", "out", "--shard", "2/1"], 2),
        (["evaluate", "ROUND", "--output", "ROUND/METADATA.csv"], 2),
        (["evaluate", "ROUND", "--output", "out", "--bundle", "absent"], 5),
        (["evaluate", "ROUND", "--output", "out", "--backend", "loky", "--scheduler", "tcp://127.0.0.1:1"], 2),
        (["merge", "ROUND", "--output", "absent"], 2),
        (["compare", "absent", "absent"], 2),
        (["compare", "absent"], 2),
    ],
)
def test_exit_codes(words: list[str], code: int, members: Path, here: list[str], run_here: Run, tmp_path: Path) -> None:
    places = {"ROUND": str(members), "out": str(tmp_path / "out"), "absent": "absent"}
    outcome = run_here(
        [word.replace("ROUND", places["ROUND"]) if word != "out" else places[word] for word in words], tmp_path
    )
    assert outcome.code == code
    assert outcome.stderr.startswith("error: ")


def stripped(folder: Path) -> tuple[str, str]:
    """Both files less what time it took."""
    with (folder / "results.csv").open(newline="") as file:
        rows = [{**row, "seconds": ""} for row in csv.DictReader(file)]
    metrics = json.loads((folder / "metrics.json").read_text())
    return json.dumps(rows), json.dumps({key: metrics[key] for key in metrics if not key.startswith("runtime")})


def test_two_evaluations_are_compared(members: Path, here: list[str], run_here: Run, tmp_path: Path) -> None:
    for name in ("a", "b"):
        judged(members, tmp_path / name)
    outcome = run_here(["compare", str(tmp_path / "a"), str(tmp_path / "b")], tmp_path)
    assert outcome.code == 0, outcome.stderr
    assert "All are answered alike." in outcome.stdout
    outcome = run_here(["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--json"], tmp_path)
    assert json.loads(outcome.stdout)["differences"]["cross_entropy"]["value"] == 0.0
    terms = json.loads((tmp_path / "b" / "evaluation.json").read_text())
    (tmp_path / "b" / "evaluation.json").write_text(json.dumps(terms | {"round": "round3"}))
    outcome = run_here(["compare", str(tmp_path / "a"), str(tmp_path / "b")], tmp_path)
    assert outcome.code == 2 and "to round3" in outcome.stderr


def test_the_script_for_arrays_shares_a_round(members: Path, here: list[str], run_here: Run, tmp_path: Path) -> None:
    """What each task of the array would run, by the shell; run here."""
    judged(members, tmp_path / "whole", replace(SETTINGS, bundle="nist-round2"))
    script, out = HOME / "containers" / "evaluate.sbatch", tmp_path / "out"
    for task, count in (("1", "2"), ("2", "1")):  # the second one submitted again, alone
        environment = {"SLURM_ARRAY_TASK_ID": task, "SLURM_ARRAY_TASK_COUNT": count, "SLURM_CPUS_PER_TASK": "2"}
        environment |= {"DETECTOR": "printf %s\\n", "PATH": os.environ["PATH"]} | (
            {"SHARDS": "2"} if count == "1" else {}
        )
        words = ["bash", str(script), str(members), str(out), "--bundle", "nist-round2"]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True, timeout=60)
        assert run_here(done.stdout.splitlines(), tmp_path).code == 0
    assert run_here(["merge", str(members), "--output", str(out)], tmp_path).code == 0
    assert stripped(out) == stripped(tmp_path / "whole")
    assert subprocess.run(["bash", str(script), "only-one"], capture_output=True, timeout=60).returncode == 2


def test_the_job_script_of_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What dask_jobqueue would submit, made by the lines of docs/cluster.md."""
    pytest.importorskip("dask_jobqueue")
    text = (HOME / "docs" / "cluster.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    scope: dict[str, Any] = {}
    exec(code.partition("print(")[0], scope)
    try:
        job = scope["cluster"].job_script()
    finally:
        scope["cluster"].close()
    assert "#SBATCH -p normal" in job and "#SBATCH --job-name=trojan-detector" in job and "--nthreads 1" in job
    assert subprocess.run(["bash", "-n"], input=job, text=True, timeout=60).returncode == 0


@pytest.mark.slow
def test_a_cluster_gives_the_same(members: Path, here: list[str], tmp_path: Path) -> None:
    """A scheduler and three workers as processes of their own: all but the times is equal to the byte."""
    judged(members, tmp_path / "serial")
    module_of_pool = importlib.import_module("detector.base.pool")
    started = Cluster(tmp_path)
    try:
        killed, _, _ = (started.add_worker() for _ in range(3))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "run_tasks", _killing(module_of_pool.run_tasks, killed))
            evaluate(request(members, tmp_path / "out"), SETTINGS, started.workers, SystemClock())
    finally:
        started.end()
    assert stripped(tmp_path / "out") == stripped(tmp_path / "serial")


def _killing(run_tasks: Callable[..., Iterator[Any]], worker: subprocess.Popen[bytes]) -> Callable[..., Iterator[Any]]:
    """Once the first answer is there, one of the workers is no more."""

    def run(*arguments: Any) -> Iterator[Any]:
        for ended in run_tasks(*arguments):
            worker.kill()
            yield ended

    return run


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_their_parent_and_the_next_run_goes_on(
    sent: signal.Signals, members: Path, tmp_path: Path
) -> None:
    """In processes of its own, from the command line."""
    words = [sys.executable, str(HOME / "entrypoint.py"), *command(members, tmp_path, "--workers", "2")]
    process = subprocess.Popen(words, cwd=HOME, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        _wait(lambda: _rows(tmp_path) >= 1)
        workers = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
        process.send_signal(sent)
        assert process.wait(60) == (130 if sent is signal.SIGINT else -sent)
        _wait(lambda: not any(map(_is_running, workers)))
    finally:
        process.kill()
    first = _rows(tmp_path)
    done = subprocess.run(words, cwd=HOME, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert _rows(tmp_path) == 6
    assert f"{6 - first} of {6 - first}: " in done.stderr or first == 6


def _rows(folder: Path) -> int:
    path = folder / "results.csv"
    if not path.exists():
        return 0
    with path.open(newline="") as file:
        return len(list(csv.reader(file))) - 1


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
