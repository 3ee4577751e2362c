"""Rounds: complete folders only, resumable after Ctrl-C, failures named, networks to start from made first."""

import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import laboratory.roundgen.rounds as rounds
from detector.base.workers import Workers
from laboratory.roundgen.presets import Job, Preset, draw_recipe, start_recipe
from laboratory.roundgen.recipe import Phase, Poisoning, Recipe, Schedule
from laboratory.roundgen.reports import Progress
from laboratory.roundgen.rounds import (
    Start,
    dropped_path,
    is_done,
    make_model,
    make_round,
    make_start,
    path_of,
    read_start,
)
from laboratory.roundgen.training import Bar

SCHEDULE = Schedule((Phase(64, 2, 4),), 1e-3)
NOTHING_ASKED = Bar(0.0, 0.0, test_images=2)


def job_of(index: int, *, poisoned: bool = False) -> Job:
    drawn = draw_recipe(index, "squeezenetv1_1", Preset.SMALL, poisoned=poisoned)
    poisoning = Poisoning(drawn.poisoning.trigger, (0, 1)) if drawn.poisoning else None
    small = replace(drawn, num_classes=2, favoured=1, examples_per_class=1, start=None)
    return Job(f"id-{index:08d}", replace(small, schedule=SCHEDULE, poisoning=poisoning), NOTHING_ASKED)


def folders(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.glob("id-*"))


def test_a_model_is_made_once_and_then_left_alone(tmp_path: Path) -> None:
    seen: list[Progress] = []
    make_model(job_of(1, poisoned=True), tmp_path, seen.append)
    assert seen == [Progress("id-00000001", 1, 1, 2), Progress("id-00000001", 1, 2, 2)]
    assert (tmp_path / "id-00000001" / "ground_truth.csv").read_text() == "1"
    make_model(job_of(1, poisoned=True), tmp_path, seen.append)
    assert len(seen) == 2


def test_what_a_killed_run_left_behind_is_replaced(tmp_path: Path) -> None:
    left = tmp_path / ".unfinished-id-00000001"
    left.mkdir()
    (left / "model.pt").write_bytes(b"half a model")
    make_model(job_of(1), tmp_path, lambda _: None)
    assert (tmp_path / "id-00000001" / "model.pt").stat().st_size > 1_000_000
    assert [path.name for path in tmp_path.iterdir()] == ["id-00000001"]


def test_an_interrupted_round_keeps_its_finished_models_and_continues(tmp_path: Path) -> None:
    jobs = [job_of(1), job_of(2)]

    def interrupt(_: Progress | None) -> None:
        if folders(tmp_path):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_round(jobs, tmp_path, workers=Workers(1), watch=interrupt)
    assert folders(tmp_path) == ["id-00000001"]
    assert multiprocessing.active_children() == []
    before = (tmp_path / "id-00000001" / "model.pt").stat().st_mtime_ns

    reports: list[Progress] = []

    def watch(report: Progress | None) -> None:
        reports.extend([report] if report else [])

    assert make_round(jobs, tmp_path, workers=Workers(1), watch=watch) == ()
    assert folders(tmp_path) == ["id-00000001", "id-00000002"]
    assert (tmp_path / "id-00000001" / "model.pt").stat().st_mtime_ns == before
    assert {report.name for report in reports} == {"id-00000002"}
    assert len((tmp_path / "METADATA.csv").read_text().splitlines()) == 3


def test_a_failed_worker_is_named(tmp_path: Path) -> None:
    (tmp_path / ".unfinished-id-00000001").write_text("a file where the folder should go")
    assert make_round([job_of(1)], tmp_path, workers=Workers(1), watch=lambda _: None) == ("id-00000001",)
    assert folders(tmp_path) == []


def short_start_recipe(architecture: str, number: int) -> Recipe:
    return replace(start_recipe(architecture, number), schedule=SCHEDULE)


def test_a_start_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "start_recipe", short_start_recipe)
    seen: list[Progress] = []
    start = Start("squeezenetv1_1", 1)
    make_start(start, tmp_path, seen.append)
    make_start(start, tmp_path, seen.append)
    assert seen == [Progress("start-1", 1, 1, 2), Progress("start-1", 1, 2, 2)]
    assert read_start(start, tmp_path)["classifier.1.weight"].shape[0] == 42


def test_models_begin_with_the_start_of_their_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "start_recipe", short_start_recipe)
    make_start(Start("squeezenetv1_1", 1), tmp_path, lambda _: None)
    job = job_of(3)
    still = Schedule((Phase(64, 1, 2),), 1e-12)  # so that what it began with is what it ends with
    make_model(replace(job, recipe=replace(job.recipe, start=1, schedule=still)), tmp_path, lambda _: None)
    network = torch.load(tmp_path / job.name / "model.pt", weights_only=False)
    start = read_start(Start("squeezenetv1_1", 1), tmp_path)
    assert torch.allclose(network.state_dict()["features.0.weight"], start["features.0.weight"], atol=1e-6)


def test_a_model_whose_start_is_missing_is_not_made(tmp_path: Path) -> None:
    job = job_of(3)
    with pytest.raises(FileNotFoundError):
        make_model(replace(job, recipe=replace(job.recipe, start=0)), tmp_path, lambda _: None)
    assert folders(tmp_path) == []


STRICT = Bar(1.1, 0.0, test_images=2, tries=2, strict=True)


def test_a_model_that_never_reaches_a_strict_bar_leaves_a_note_and_is_not_tried_again(tmp_path: Path) -> None:
    job, seen = replace(job_of(1, poisoned=True), bar=STRICT), list[Progress]()
    make_model(job, tmp_path, seen.append)
    assert [progress.number for progress in seen] == [1, 1, 2, 2]
    assert folders(tmp_path) == []
    assert not list(tmp_path.glob(".unfinished*"))
    note = json.loads(dropped_path(job, tmp_path).read_text())
    assert (note["POISONED"], note["number_training_tries"]) == (True, 2)
    assert 0 <= note["reached_clean_accuracy"] <= 1
    assert is_done(job, tmp_path)
    make_model(job, tmp_path, seen.append)
    assert len(seen) == 4


def test_a_round_goes_on_when_models_are_dropped(tmp_path: Path) -> None:
    jobs = [replace(job_of(1), bar=STRICT), job_of(2)]
    assert make_round(jobs, tmp_path, workers=Workers(1), watch=lambda _: None) == ()
    assert folders(tmp_path) == ["id-00000002"]
    assert [path.name for path in (tmp_path / "dropped").iterdir()] == ["id-00000001.json"]


def test_a_start_comes_right_before_the_first_model_that_needs_it(tmp_path: Path) -> None:
    first, second, third = job_of(1), job_of(2), job_of(3)
    second, third = (replace(job, recipe=replace(job.recipe, start=1)) for job in (second, third))
    tasks = rounds._with_starts([first, second, third], tmp_path, None)
    start = Start("squeezenetv1_1", 1)
    assert tasks == [first, start, second, third]
    path_of(start, tmp_path).parent.mkdir()
    path_of(start, tmp_path).touch()
    assert rounds._with_starts([first, second, third], tmp_path, None) == [first, second, third]


def test_starts_may_lie_in_a_folder_that_rounds_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "start_recipe", short_start_recipe)
    shared = tmp_path / "shared"
    make_start(Start("squeezenetv1_1", 1), tmp_path / "round", lambda _: None, starts=shared)
    assert [path.name for path in shared.iterdir()] == ["squeezenetv1_1-1.npz"]
    job = job_of(3)
    job = replace(job, recipe=replace(job.recipe, start=1))
    make_model(job, tmp_path / "round", lambda _: None, starts=shared)
    assert folders(tmp_path / "round") == [job.name]


def test_varied_models_have_starts_of_their_own() -> None:
    names = {Start("resnet18", 0, varied).file_name for varied in (True, False)}
    assert names == {"resnet18-0.npz", "varied-resnet18-0.npz"}
