"""Reports of training: written by a worker now and then, shown by the other side, and gone afterwards."""

from __future__ import annotations

import json
import time
from pathlib import Path

from laboratory.roundgen.reports import Progress, Reporter, Reports


def _until(condition: object, seconds: float = 10) -> None:
    late = time.monotonic() + seconds
    while not condition() and time.monotonic() < late:  # type: ignore[operator]
        time.sleep(0.05)


def test_what_a_worker_writes_is_shown_once_and_removed(tmp_path: Path) -> None:
    seen: list[Progress] = []
    with Reports.watched(tmp_path, lambda one: seen.extend([one] if one else [])) as reports:
        Reporter(tmp_path)(Progress("id-00000001", 1, 1, 9))
        _until(lambda: seen)
        time.sleep(1.2)  # it is looked at twice in the meantime
        assert seen == [Progress("id-00000001", 1, 1, 9)]
        Reporter(tmp_path)(Progress("id-00000001", 2, 9, 9))
        reports.tell("id-00000001")
        assert seen[-1] == Progress("id-00000001", 2, 9, 9)
    assert list(tmp_path.iterdir()) == []


def test_steps_are_written_now_and_then_and_the_last_one_always(tmp_path: Path) -> None:
    report = Reporter(tmp_path)
    place = tmp_path / ".progress" / "id-00000001.json"
    for step in (1, 2, 3):
        report(Progress("id-00000001", 1, step, 9))
    assert json.loads(place.read_text())["step"] == 1
    report(Progress("id-00000001", 1, 9, 9))
    assert json.loads(place.read_text())["step"] == 9


def test_what_is_no_report_is_passed_over_and_an_old_one_is_not_shown(tmp_path: Path) -> None:
    Reporter(tmp_path)(Progress("of an earlier run", 1, 1, 9))
    seen: list[Progress] = []
    with Reports.watched(tmp_path, lambda one: seen.extend([one] if one else [])) as reports:
        (tmp_path / ".progress").mkdir(exist_ok=True)
        (tmp_path / ".progress" / "id-00000002.json").write_text('{"name": 7}')
        reports.tell("id-00000002")
        reports.tell("id-00000003")
    assert seen == []
