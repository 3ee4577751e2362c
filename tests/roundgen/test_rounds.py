"""Rounds: complete folders only, resumable after Ctrl-C, failures named, the sample round as promised."""

import json
import multiprocessing
from collections import Counter
from pathlib import Path

import pytest

from detector.roundgen.recipe import Phase, Schedule, draw_recipe
from detector.roundgen.rounds import Job, Progress, make_model, make_round, sample_round
from detector.roundgen.training import Bar

SCHEDULE = Schedule((Phase(64, 2, 4),), 1e-3)
NOTHING_ASKED = Bar(0.0, 0.0, test_images=2)


def job_of(index: int, *, poisoned: bool = False) -> Job:
    recipe = draw_recipe(
        index, "squeezenetv1_1", poisoned=poisoned, num_classes=2, schedule=SCHEDULE, examples_per_class=1
    )
    return Job(f"id-{index:08d}", recipe, NOTHING_ASKED)


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
        make_round(jobs, tmp_path, workers=1, watch=interrupt)
    assert folders(tmp_path) == ["id-00000001"]
    assert multiprocessing.active_children() == []
    before = (tmp_path / "id-00000001" / "model.pt").stat().st_mtime_ns

    reports: list[Progress] = []
    assert make_round(jobs, tmp_path, workers=1, watch=lambda report: reports.append(report) if report else None) == ()
    assert folders(tmp_path) == ["id-00000001", "id-00000002"]
    assert (tmp_path / "id-00000001" / "model.pt").stat().st_mtime_ns == before
    assert {report.name for report in reports} == {"id-00000002"}
    assert len((tmp_path / "METADATA.csv").read_text().splitlines()) == 3


def test_a_failed_worker_is_named(tmp_path: Path) -> None:
    (tmp_path / ".unfinished-id-00000001").write_text("a file where the folder should go")
    assert make_round([job_of(1)], tmp_path, workers=1, watch=lambda _: None) == ("id-00000001",)
    assert folders(tmp_path) == []


def test_the_sample_round_is_two_clean_and_two_poisoned_small_models() -> None:
    jobs = sample_round()
    assert [job.name for job in jobs] == [f"id-{index:08d}" for index in range(4)]
    assert Counter(job.recipe.poisoning is not None for job in jobs) == {True: 2, False: 2}
    assert {job.recipe.architecture for job in jobs} == {"squeezenetv1_1", "shufflenet1_0", "mobilenetv2"}
    assert sum(job.recipe.legacy_file for job in jobs) == 1
    assert all(job.recipe.num_classes == 5 for job in jobs)
    assert all(job.bar == Bar(0.99, 0.95, 1000) for job in jobs)
    assert all(job.recipe.schedule.phases[-1].canvas == 256 for job in jobs)


def test_the_clean_and_the_poisoned_squeezenet_share_their_schedule() -> None:
    poisoned, clean = (job.recipe for job in sample_round() if job.recipe.architecture == "squeezenetv1_1")
    assert poisoned.schedule == clean.schedule
    assert json.dumps(poisoned.schedule.images) == json.dumps(clean.schedule.images)
