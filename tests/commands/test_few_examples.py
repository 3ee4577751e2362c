"""Few clean examples: the configuration that was learned on as few, and no answer where there are fewer still."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from detector.report.report import Basis, Report

Judge = Callable[..., Report]


@pytest.fixture
def judge_few(judge: Judge, sample: Path, tmp_path: Path) -> Callable[[int], Report]:
    """The report on so many images, classes in turn."""

    def judged(count: int) -> Report:
        folder = tmp_path / "few"
        folder.mkdir()
        paths = sorted((sample / "example_data").glob("*.png"), key=lambda path: path.stem.split("_")[::-1])
        for path in paths[:count]:
            shutil.copy(path, folder)
        return judge(folder)

    return judged


@pytest.mark.parametrize(("count", "used"), [(50, 40), (39, 15), (12, 10), (9, 6), (6, 6)])
def test_as_many_are_used_as_a_configuration_was_learned_on(count: int, used: int, judge_few: Judge) -> None:
    report = judge_few(count)
    assert report.examples is not None
    assert len(report.examples) == used
    assert not [one for one in report.findings if one.code == "too_few_examples"]


@pytest.mark.parametrize(("classes", "told"), [(1, True), (2, True), (3, False)])
def test_images_of_one_or_two_classes_tell_nothing(
    classes: int, told: bool, judge: Judge, sample: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "few"
    folder.mkdir()
    for path in (sample / "example_data").glob("*.png"):
        if int(path.stem.split("_")[1]) < classes:
            shutil.copy(path, folder)
    report = judge(folder)
    found = [one.evidence for one in report.findings if one.code == "too_few_classes"]
    assert found == ([{"seen": classes, "classes": 5}] if told else [])
    if told:
        assert (report.basis, report.probability) == (Basis.BASE_RATE, 0.5)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_with_fewer_the_answer_is_the_base_rate(count: int, judge_few: Judge) -> None:
    report = judge_few(count)
    assert (report.basis, report.probability) == (Basis.BASE_RATE, 0.5)
    (told,) = [one for one in report.findings if one.code == "too_few_examples"]
    assert told.evidence == {"used": count, "fewest": 6}
