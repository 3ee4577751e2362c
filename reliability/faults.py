"""Kills and full disks: `python -m reliability.faults --kills 200`.

Every trial begins with the answer and the report of an earlier run, about another model, in their places, and ends in
one of a few states; any other one is a find. A kill in the first moments, before the program has its first line, leaves
the old answer: nothing of ours has run. Prints tables for docs/reliability.md; ends with 1 where anything was found.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from detector.base.errors import DetectorError
from detector.mapping.bundles import load_bundle, load_parameters

ROOT = Path(__file__).resolve().parents[1]
OLD_ANSWER, NEUTRAL = "0.123456789\n", "0.5\n"
OLD_REPORT = '{"of": "another model"}'
_SIGNALS = (signal.SIGKILL, signal.SIGTERM)
_INSIDE = """
mount -t tmpfs -o size="$1",nr_inodes=40 none "$2" && cp -r "$3/." "$2" && { cat /dev/zero > "$2/filling" 2>/dev/null
[ -n "$4" ] && truncate -s "-$4" "$2/filling"; shift 4; "$@"; }
"""


@dataclass(frozen=True)
class State:
    """What a trial has left: the result, the report, other files, and how the process ended."""

    result: str
    report: str
    others: tuple[str, ...]
    ended: str

    @classmethod
    def of(cls, folder: Path, code: int, answer: str) -> State:
        """Of the folder of an `infer`, whose answer would be `answer`."""
        path = folder / "result.txt"
        text = path.read_text() if path.exists() else None
        names = {OLD_ANSWER: "old", NEUTRAL: "neutral", answer: "answer", None: "absent", "": "empty"}
        others = tuple(sorted(one.name for one in folder.iterdir() if one.name not in ("result.txt", "scratch")))
        ended = f"signal {-code}" if code < 0 else f"exit {code}"
        return cls(names.get(text, f"TORN {text!r}"), _report(folder / "scratch" / "report.json"), others, ended)

    @property
    def is_sound(self) -> bool:
        """Old state or new state, whole; an old report never beside a fresh answer."""
        if self.result.startswith("TORN") or self.report == "TORN":
            return False
        if self.ended == "exit 0":  # a disk that is full costs the report, not the answer
            return self.result == "answer" and self.report in ("new", "absent")
        if self.ended.startswith("exit"):
            return self.result in ("neutral", "absent", "empty")
        return not (self.report == "old" and self.result in ("neutral", "answer"))


def _report(path: Path) -> str:
    if not path.exists():
        return "absent"
    text = path.read_text()
    if text == OLD_REPORT:
        return "old"
    try:
        return "new" if "probability" in json.loads(text) else "TORN"
    except ValueError:
        return "TORN"


@dataclass(frozen=True)
class Model:
    """A model of the samples, or one made of it, with its examples."""

    path: Path
    examples: Path
    settings: Path = ROOT / "metaparameters.json"

    def command(self, output: Path) -> list[str]:
        """`infer`, with its outputs in `output`."""
        words = ["--model_filepath", str(self.path), "--examples_dirpath", str(self.examples)]
        words += ["--result_filepath", str(output / "result.txt"), "--scratch_dirpath", str(output / "scratch")]
        words += ["--metaparameters_filepath", str(self.settings)]
        return [sys.executable, str(ROOT / "entrypoint.py"), *words]


def patient_settings(folder: Path) -> Path:
    """Metaparameters with the longest budget, so that a busy machine changes no answer, and the samples' own bundle."""
    values = json.loads((ROOT / "metaparameters.json").read_text())
    (folder / "patient.json").write_text(json.dumps(values | {"infer_max_seconds": 3600, "infer_bundle": "small"}))
    return folder / "patient.json"


def earlier_run(folder: Path) -> Path:
    """The folder, with what an earlier run has left."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "scratch").mkdir(parents=True)
    (folder / "result.txt").write_text(OLD_ANSWER)
    (folder / "scratch" / "report.json").write_text(OLD_REPORT)
    return folder


def run_killed(command: Sequence[str], seconds: float, sent: signal.Signals) -> int:
    """Start it, send the signal after so many seconds, and wait for the end; the exit code, negative for a signal."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet, cwd=ROOT, start_new_session=True) as process:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(sent)
            return process.wait()


def _undisturbed(prepared: Callable[[], Sequence[str]]) -> float:
    """Seconds that the command takes: of two runs the shorter one, so that kills come before it ends by itself."""
    taken = []
    for _ in range(2):
        command, began = prepared(), time.monotonic()
        if run_killed(command, 7200, signal.SIGKILL) != 0:
            raise RuntimeError(f"fails even undisturbed: {' '.join(command)}")
        taken.append(time.monotonic() - began)
    return min(taken)


def killed_detections(model: Model, folder: Path, kills: int, rng: random.Random) -> tuple[Counter[State], float]:
    """The states after kills at random moments of a detection, and how long one takes undisturbed."""
    seconds = _undisturbed(lambda: model.command(earlier_run(folder)))
    answer, states = (folder / "result.txt").read_text(), Counter[State]()
    for number in range(kills):
        output = earlier_run(folder)
        code = run_killed(model.command(output), rng.uniform(0, 1.1 * seconds), _SIGNALS[number % 2])
        states[State.of(output, code, answer)] += 1
    return states, seconds


def on_full_disks(model: Model, folder: Path, free: Sequence[int]) -> Counter[State]:
    """The states where result and scratch are on a disk with so many bytes free."""
    answer_folder = earlier_run(folder / "whole")
    subprocess.run(model.command(answer_folder), capture_output=True, check=True, cwd=ROOT)
    answer, states = (answer_folder / "result.txt").read_text(), Counter[State]()
    for left in free:
        before, disk, after = earlier_run(folder / "before"), folder / "disk", folder / "after"
        (before / "scratch" / "report.json").unlink()  # its removal would make room
        disk.mkdir(exist_ok=True)
        shutil.rmtree(after, ignore_errors=True)
        keep = f'"$@"; code=$?; rm "{disk}/filling"; cp -r "{disk}/." "{after}"; exit $code'
        words = ["sh", "-c", _INSIDE, "sh", "256k", str(disk), str(before), str(left or ""), "sh", "-c", keep, "sh"]
        after.mkdir()
        done = subprocess.run(["unshare", "--mount", *words, *model.command(disk)], capture_output=True, cwd=ROOT)
        states[State.of(after, done.returncode, answer)] += 1
    return states


@dataclass(frozen=True)
class Configured:
    """What a killed `configure` has left: which bundle can be loaded as a whole, and folders of killed runs."""

    bundle: str
    leftovers: int
    ended: str

    @classmethod
    def of(cls, learned: Path, code: int) -> Configured:
        """Of the folder of learned parameters."""
        try:
            description = load_bundle(learned, "configured").description
            for path in (learned / "configured").glob("*.json"):
                if path.name != "bundle.json":
                    load_parameters(learned, "configured", path.stem)
            bundle = "old" if description == "old" else "new"
        except DetectorError as error:
            bundle = f"TORN {error}"
        leftovers = len([path for path in learned.iterdir() if path.name.startswith(".measuring-")])
        return cls(bundle, leftovers, f"signal {-code}" if code < 0 else f"exit {code}")

    @property
    def is_sound(self) -> bool:
        """The old or the new bundle, whole; of killed runs at most the last one's folder."""
        return self.bundle in ("old", "new") and self.leftovers <= 1


def killed_configures(models: Path, folder: Path, kills: int, rng: random.Random) -> tuple[Counter[Configured], float]:
    """The states after kills at random moments of a `configure` on the models, and how long one takes undisturbed."""
    learned, settings = folder / "learned", _quick_settings(folder)
    command = [sys.executable, str(ROOT / "entrypoint.py"), "configure", "--configure_models_dirpath", str(models)]
    command += ["--learned_parameters_dirpath", str(learned), "--metaparameters_filepath", str(settings)]
    seconds, states = _undisturbed(lambda: _with_old_bundle(learned, command)), Counter[Configured]()
    for number in range(kills):
        code = run_killed(_with_old_bundle(learned, command), rng.uniform(0, 1.1 * seconds), _SIGNALS[number % 2])
        states[Configured.of(learned, code)] += 1
    return states, seconds


def _quick_settings(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    values = json.loads((ROOT / "metaparameters.json").read_text())
    values |= {"train_num_pruned_models": 2, "train_num_images": 2, "train_p": 0.3, "train_preprocessing": "small"}
    (folder / "metaparameters.json").write_text(json.dumps(values))
    return folder / "metaparameters.json"


def _with_old_bundle(learned: Path, command: list[str]) -> list[str]:
    """The command, once an old bundle is in its place; what killed runs have left stays."""
    old = learned / "configured"
    shutil.rmtree(old, ignore_errors=True)
    old.mkdir(parents=True)
    document = {"format_version": 4, "name": "configured", "version": "1", "description": "old", "base_rate": 0.5}
    (old / "bundle.json").write_text(json.dumps(document))
    return command


@dataclass(frozen=True)
class Evaluated:
    """What a killed `evaluate` has left: how many whole answers, and how the same command ends when it goes on."""

    answered: int
    continued: str

    @property
    def is_sound(self) -> bool:
        """What is there is whole, and the same command ends in the answers of an undisturbed one."""
        return self.continued == "the same answers"


def killed_evaluates(members: Path, folder: Path, kills: int, rng: random.Random) -> tuple[Counter[Evaluated], float]:
    """The states after kills at random moments of an `evaluate` of the members, which then goes on."""
    folder.mkdir(exist_ok=True)
    output, settings = folder / "evaluated", patient_settings(folder)
    command = [sys.executable, str(ROOT / "entrypoint.py"), "evaluate", str(members), "--output", str(output)]
    command += ["--metaparameters_filepath", str(settings), "--workers", "2"]
    seconds = _undisturbed(lambda: _without(output, command))
    whole, states = _answers(output), Counter[Evaluated]()
    for number in range(kills):
        run_killed(_without(output, command), rng.uniform(0, 1.1 * seconds), _SIGNALS[number % 2])
        answered = len(_answers(output))
        code = run_killed(command, 7200, signal.SIGKILL)
        same = code == 0 and _answers(output) == whole
        states[Evaluated(answered, "the same answers" if same else f"exit {code}, other answers")] += 1
    return states, seconds


def _without(output: Path, command: list[str]) -> list[str]:
    """The command, once its output is gone."""
    shutil.rmtree(output, ignore_errors=True)
    return command


def _answers(output: Path) -> dict[str, str]:
    """The probability of each model that has one, as it is written."""
    table = output / "results.csv"
    if not table.exists():
        return {}
    with table.open(newline="", encoding="utf-8") as file:
        return {row["model"]: row["probability"] for row in csv.DictReader(file) if row["exit_code"]}


def tampered(folder: Path) -> Model:
    """A sample with another stride: answered within a second, so that kills meet the writing more often."""
    import torch

    from detector.torchvision_ops import torchvision_models

    torchvision_models()
    sample = ROOT / "samples" / "id-00000000"
    network = torch.load(sample / "model.pt", weights_only=False)  # our own file
    network.get_submodule("features.0").stride = (1, 2)
    torch.save(network, folder / "tampered.pt")
    return Model(folder / "tampered.pt", sample / "example_data")


def random_round(folder: Path) -> Path:
    """Nine untrained networks with the samples' examples, labelled by turns."""
    import torch

    from detector.architectures import ARCHITECTURES, build

    lines = ["model_name,poisoned"]
    for number in range(9):
        member = folder / f"id-{number:08d}"
        member.mkdir(parents=True)
        (member / "example_data").symlink_to(ROOT / "samples" / "id-00000000" / "example_data")
        torch.manual_seed(number)
        torch.save(build(ARCHITECTURES["squeezenetv1_1"], 5).eval(), member / "model.pt")
        lines.append(f"{member.name},{number % 2}")
    (folder / "METADATA.csv").write_text("\n".join(lines))
    return folder


def _table(title: str, states: Counter[State] | Counter[Configured] | Counter[Evaluated]) -> bool:
    """Print it; whether all states are sound."""
    print(f"\n{title}\n")
    for state, count in states.most_common():
        words = ", ".join(f"{key} {value}" for key, value in vars(state).items() if value != ())
        print(f"- {count}: {words}" + ("" if state.is_sound else " **FOUND**"))
    return all(state.is_sound for state in states)


def main() -> int:
    """Try it and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="of detections of each kind")
    parser.add_argument("--measured", type=int, default=None, help="kills of measured detections (default: --kills)")
    parser.add_argument("--configures", type=int, default=None, help="kills of configure (default: a fifth)")
    parser.add_argument("--evaluates", type=int, default=None, help="kills of evaluate (default: a fifth)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, sample = random.Random(options.seed), ROOT / "samples" / "id-00000000"
    measured = options.kills if options.measured is None else options.measured
    configures = options.kills // 5 if options.configures is None else options.configures
    evaluates = options.kills // 5 if options.evaluates is None else options.evaluates
    sound = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        quick = tampered(folder)
        whole = Model(sample / "model.pt", sample / "example_data", patient_settings(folder))
        for model, kills, what in ((quick, options.kills, "tampered"), (whole, measured, "measured")):
            if kills:
                states, seconds = killed_detections(model, folder / "killed", kills, rng)
                sound &= _table(f"{kills} kills of a detection that is {what} ({seconds:.1f} s undisturbed):", states)
        if os.geteuid() == 0 and options.kills:
            free = (0, 1, 4096, 8192, 16384, 20480, 24576, 32768, 65536)
            sound &= _table("Full disks, with 0 to 65536 bytes free:", on_full_disks(quick, folder / "full", free))
        if configures:
            of_round, seconds = killed_configures(random_round(folder / "round"), folder / "out", configures, rng)
            sound &= _table(f"{configures} kills of configure ({seconds:.1f} s undisturbed):", of_round)
        if evaluates:
            members = random_round(folder / "members")
            judged, seconds = killed_evaluates(members, folder / "out", evaluates, rng)
            sound &= _table(f"{evaluates} kills of evaluate ({seconds:.1f} s undisturbed), continued:", judged)
    return int(not sound)


if __name__ == "__main__":
    sys.exit(main())
