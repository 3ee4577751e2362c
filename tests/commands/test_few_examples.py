"""Few clean examples: the configuration that was learned on as few, and no answer where there are fewer still."""

import shutil
from pathlib import Path

import pytest

from detector.base.budget import Budget
from detector.commands.detect import Detection, Request
from detector.commands.settings import Settings
from detector.report.report import Basis, Report

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples" / "id-00000001"
SETTINGS = Settings("universal", 60.0, None, save_logits=False, tampered_probability=0.9, threads=1)


class _Stopped:
    def now(self) -> float:
        return 0.0


def _judged(folder: Path, count: int) -> Report:
    """With so many images, classes in turn."""
    folder.mkdir()
    paths = sorted((SAMPLE / "example_data").glob("*.png"), key=lambda path: path.stem.split("_")[::-1])
    for path in paths[:count]:
        shutil.copy(path, folder)
    request = Request(SAMPLE_MODEL, folder, ROOT / "learned_params")
    return Detection(request, SETTINGS, Budget(_Stopped(), 0.0, 60.0)).run()


SAMPLE_MODEL = SAMPLE / "model.pt"


@pytest.mark.parametrize(("count", "used"), [(50, 40), (39, 15), (12, 10), (9, 6), (6, 6)])
def test_as_many_are_used_as_a_configuration_was_learned_on(count: int, used: int, tmp_path: Path) -> None:
    report = _judged(tmp_path / "few", count)
    assert report.examples is not None
    assert len(report.examples) == used
    assert not [one for one in report.findings if one.code == "too_few_examples"]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_with_fewer_the_answer_is_the_base_rate(count: int, tmp_path: Path) -> None:
    report = _judged(tmp_path / "few", count)
    assert (report.basis, report.probability) == (Basis.BASE_RATE, 0.5)
    (told,) = [one for one in report.findings if one.code == "too_few_examples"]
    assert told.evidence == {"used": count, "fewest": 6}
