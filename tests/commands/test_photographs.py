"""Photographs of one's own from end to end: what the report claims of them, and what it does not."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import detector
from detector.base.budget import Budget
from detector.commands.detect import Detection, Request
from detector.commands.settings import Settings
from detector.report.document import to_document
from detector.report.html import page
from detector.report.report import Basis, Report
from detector.report.summary import summary_text
from detector.rounds.preparation import AS_THEY_ARE, Preparation

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples" / "id-00000001"
SETTINGS = Settings("universal", 60.0, None, save_logits=False, tampered_probability=0.9, threads=1)
Run = Callable[..., Any]


class _Stopped:
    def now(self) -> float:
        return 0.0


def _judged(folder: Path, preparation: Preparation = AS_THEY_ARE, settings: Settings = SETTINGS) -> Report:
    request = Request(SAMPLE / "model.pt", folder, ROOT / "learned_params", preparation)
    return Detection(request, settings, Budget(_Stopped(), 0.0, 60.0)).run()


def _codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings}


def _examples(count: int) -> list[Path]:
    """Of the sample, the classes in turn, in the order of their names."""
    paths = sorted((SAMPLE / "example_data").glob("*.png"), key=lambda path: path.stem.split("_")[::-1])
    return sorted(paths[:count])


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labelled")
    for path in _examples(40):
        shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="module")
def unlabelled(labelled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same images under names that say nothing, in the same order."""
    folder = tmp_path_factory.mktemp("unlabelled")
    for number, path in enumerate(sorted(labelled.iterdir())):
        shutil.copy(path, folder / f"photo {number:02d}.png")
    return folder


def test_a_network_that_knows_its_images_gets_the_same_answer_without_labels(labelled: Path, unlabelled: Path) -> None:
    """Its own answers are then the true classes, number for number."""
    with_labels, without = _judged(labelled), _judged(unlabelled)
    assert with_labels.unpruned_accuracy == 1.0
    assert without.basis is Basis.MEASURED
    assert without.signal_vector == with_labels.signal_vector
    assert without.probability == with_labels.probability


def test_nothing_that_needs_true_classes_is_claimed(unlabelled: Path) -> None:
    report = _judged(unlabelled)
    told = next(one for one in report.findings if one.code == "labels_are_answers")
    assert "nobody has labelled" in told.message and "was not checked" in told.message
    assert report.unpruned_accuracy is None
    claims = {
        "clean_accuracy", "low_clean_accuracy", "many_wrong_answers", "preprocessing_found", "class_without_examples",
        "labels_counted_from_one", "examples_label_out_of_range",
    }  # fmt: skip
    assert not claims & _codes(report)
    assert report.answers is not None and {one.label for one in report.answers} == {None}
    document = to_document(report)
    shown = summary_text(document)
    assert "NOT VALIDATED" in shown or "UNDECIDED" in shown
    assert "nobody has labelled the images" in shown
    assert "not labelled, answer" in " ".join(page(document).split())


def test_a_network_that_errs_is_not_said_to_err(labelled: Path, tmp_path: Path) -> None:
    """Blue first: the network is wrong on these, as the labels say; without them nobody knows, and nothing is tried."""
    for number, path in enumerate(sorted(labelled.iterdir())):
        with Image.open(path) as image:
            Image.fromarray(np.asarray(image)[..., ::-1].copy()).save(tmp_path / f"{number:02d}.png")
    report = _judged(tmp_path)
    assert report.preprocessing is not None and report.preprocessing.name == "small"
    assert "labels_are_answers" in _codes(report)
    assert not _codes(report) & {"preprocessing_found", "low_clean_accuracy", "many_wrong_answers"}


def _enlarged(folder: Path, files: Sequence[Path], name: Callable[[int, Path], str]) -> Path:
    """Photographs of the sample's images: four times as large, with margins that the centre crop takes away."""
    folder.mkdir()
    for number, path in enumerate(files):
        with Image.open(path) as image:
            side = np.asarray(image.convert("RGB").resize((216, 216), Image.Resampling.BICUBIC))
        Image.fromarray(np.pad(side, ((0, 0), (40, 40), (0, 0)))).save(folder / name(number, path), quality=95)
    return folder


def test_photographs_are_resized_as_pillow_does_it(labelled: Path, tmp_path: Path) -> None:
    """The oracle resizes and crops them beforehand, and says nothing of it."""
    large = _enlarged(tmp_path / "large", sorted(labelled.iterdir()), lambda _, path: path.name)
    (tmp_path / "oracle").mkdir()
    for path in large.iterdir():
        with Image.open(path) as image:
            assert image.size == (296, 216)
            small = image.resize((74, 54), Image.Resampling.BILINEAR)
        small.crop((13, 3, 61, 51)).save(tmp_path / "oracle" / path.name)
    named = Settings("universal", 60.0, "small", save_logits=False, tampered_probability=0.9, threads=1)
    found = _judged(large, Preparation.of(resize=True), named)
    expected = _judged(tmp_path / "oracle", settings=named)
    assert found.basis is Basis.MEASURED
    assert found.signal_vector == expected.signal_vector
    assert "examples_resized" in _codes(found) and "examples_resized" not in _codes(expected)
    assert found.preprocessing is not None and found.preprocessing.resized


def test_where_the_preprocessing_is_found_photographs_become_224_pixels(labelled: Path, tmp_path: Path) -> None:
    large = _enlarged(tmp_path / "large", sorted(labelled.iterdir())[:8], lambda _, path: path.name)
    report = _judged(large, Preparation.of(resize=True))
    assert report.preprocessing is not None
    assert (report.preprocessing.crop, report.preprocessing.uncropped) == (224, 256)


def test_the_profile_of_photographs_is_found_among_those_of_their_size(labelled: Path, tmp_path: Path) -> None:
    """Blue first: the network knows them with its channels swapped."""
    large = _enlarged(tmp_path / "large", sorted(labelled.iterdir()), lambda _, path: path.name)
    for path in large.iterdir():
        with Image.open(path) as image:
            swapped = Image.fromarray(np.asarray(image)[..., ::-1].copy())
        swapped.save(path)
    report = _judged(large, Preparation.of(resize=48))
    assert report.preprocessing is not None
    assert (report.preprocessing.channel_order, report.preprocessing.crop) == ("BGR", 48)


def test_a_mean_of_ones_own_is_the_callers_word(labelled: Path) -> None:
    """One that changes nothing gives the answer of none; nothing is tried beside it."""
    same = _judged(labelled, Preparation.of(mean=(0, 0, 0), deviation=(1, 1, 1)))
    assert same.signal_vector == _judged(labelled).signal_vector
    assert "preprocessing_found" not in _codes(same)
    other = _judged(labelled, Preparation.of(mean=(0.9, 0.9, 0.9), deviation=(0.1, 0.1, 0.1)))
    assert other.preprocessing is not None and other.preprocessing.mean == (0.9, 0.9, 0.9)
    assert other.unpruned_accuracy is not None and other.unpruned_accuracy < 1.0


def test_the_command_takes_a_folder_of_jpeg_photographs(labelled: Path, tmp_path: Path, run_here: Run) -> None:
    files = sorted(labelled.iterdir())
    photographs = _enlarged(tmp_path / "photographs", files, lambda number, _: f"DSC_{number:04d}.JPG")
    output = tmp_path / "output"
    arguments = ["--model_filepath", str(SAMPLE / "model.pt"), "--examples_dirpath", str(photographs)]
    arguments += ["--result_filepath", str(output / "result.txt"), "--scratch_dirpath", str(output / "scratch")]
    arguments += ["--set", "infer_max_seconds=600", "--resize", "48", "--mean", "0", "0", "0", "--std", "1", "1", "1"]
    outcome = run_here([*arguments, "--html", str(output / "page.html")], output)
    assert outcome.code == 0, outcome.stderr
    assert {"labels_are_answers", "examples_resized"} <= outcome.finding_codes
    preprocessing = outcome.report["preprocessing"]
    assert (preprocessing["crop"], preprocessing["uncropped"], preprocessing["resized"]) == (48, 55, True)
    assert preprocessing["mean"] == [0, 0, 0]
    assert "nobody has labelled the images" in outcome.stdout
    html = (output / "page.html").read_text()
    assert "DSC_0000.JPG" in html and html.count("data:image/png;base64,") >= 2 * 15
    again = run_here(["report", str(output / "scratch" / "report.json")], output)
    assert again.code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--mean", "0.5", "0.5", "0.5"], "one of them alone"),
        (["--mean", "124", "116", "104", "--std", "58", "57", "57"], "divide by 255"),
        (["--resize", "12"], "12 pixels"),
        (["--resize", "large"], "invalid int value"),
        (["--std", "0.5"], "expected 3 arguments"),
    ],
)
def test_options_that_cannot_be_meant_are_usage_errors(
    words: list[str], told: str, labelled: Path, tmp_path: Path, run_here: Run
) -> None:
    arguments = ["--model_filepath", str(SAMPLE / "model.pt"), "--examples_dirpath", str(labelled)]
    arguments += ["--result_filepath", str(tmp_path / "result.txt"), "--scratch_dirpath", str(tmp_path / "scratch")]
    outcome = run_here([*arguments, *words], tmp_path)
    assert (outcome.code, outcome.result) == (2, "0.5\n")
    assert told in outcome.stderr


def test_evaluate_takes_them_too_and_keeps_them_apart(labelled: Path, tmp_path: Path, run_here: Run) -> None:
    member = tmp_path / "round" / "id-00000000"
    member.mkdir(parents=True)
    shutil.copy(SAMPLE / "model.pt", member)
    _enlarged(member / "example_data", sorted(labelled.iterdir()), lambda _, path: path.stem + ".jpg")
    output = tmp_path / "output"
    arguments = ["evaluate", str(tmp_path / "round"), "--output", str(output), "--seconds", "600"]
    outcome = run_here([*arguments, "--set", "infer_preprocessing=small", "--resize"], output)
    assert outcome.code == 0, outcome.stderr
    (row,) = csv.DictReader((output / "results.csv").open())
    assert row["exit_code"] == "0" and row["basis"] == "measured"
    assert "info:examples_resized" in row["findings"]
    assert json.loads((output / "evaluation.json").read_text())["preprocessing"] == "small, resized"
    other = run_here([*arguments, "--set", "infer_preprocessing=small"], output)
    assert other.code == 2 and "preprocessing" in other.stderr


def test_in_python(labelled: Path, unlabelled: Path) -> None:
    pixels = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in sorted(labelled.iterdir())])
    options: dict[str, Any] = {"seconds": 600, "preprocessing": "small"}
    expected = detector.detect(SAMPLE / "model.pt", unlabelled, **options)
    found = detector.detect(SAMPLE / "model.pt", detector.Images(pixels), **options)
    assert found.data.signal_vector == expected.data.signal_vector
    assert "labels_are_answers" in {one.code for one in found.findings}
    large = np.stack([np.asarray(Image.fromarray(image).resize((90, 70))) for image in pixels])
    resized = detector.detect(
        SAMPLE / "model.pt", detector.Images(large), resize=48, mean=[0.5] * 3, std=[0.5] * 3, **options
    )
    assert resized.data.preprocessing is not None
    assert (resized.data.preprocessing.crop, resized.data.preprocessing.mean) == (48, (0.5, 0.5, 0.5))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"preprocessing": "round99"}, "round99"),
        ({"resize": 7}, "7 pixels"),
        ({"mean": (0.5, 0.5, 0.5)}, "one of them alone"),
    ],
)
def test_in_python_what_cannot_be_meant_is_refused(options: dict[str, Any], words: str, labelled: Path) -> None:
    with pytest.raises(detector.UsageError, match=words):
        detector.detect(SAMPLE / "model.pt", labelled, **options)
