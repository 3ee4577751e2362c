"""A run as a whole: what it leaves in its files for a model that is measured, and that nothing about it is random."""

from __future__ import annotations

import csv
import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from PIL import Image

from detector.rounds.preprocessing import PROFILES
from detector.torchvision_ops import torchvision_models

Run = Callable[..., Any]

HOME = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((HOME / "metaparameters_schema.json").read_text())["properties"]
LEARNED = json.loads((HOME / "learned_params" / "nist-round2" / "squeezenetv1_1.json").read_text())


def logits_of(outcome: Any) -> dict[str, np.ndarray]:
    with np.load(outcome.output / "scratch" / "logits.npz", allow_pickle=False) as archive:
        return dict(archive)


def test_the_result_file_is_one_line_that_harnesses_read(answer: Any) -> None:
    assert answer.code == 0
    with (answer.output / "result.txt").open() as file:
        probability = float(file.readline().strip())
        assert file.read() == ""
    assert 0.01 <= probability <= 0.99
    assert probability == answer.report["probability"]


def test_nothing_else_is_left(answer: Any) -> None:
    files = {str(path.relative_to(answer.output)) for path in answer.output.rglob("*") if path.is_file()}
    assert files == {"result.txt", "features.csv", "scratch/report.json", "scratch/logits.npz"}
    assert answer.stderr == ""


def test_the_report_holds_everything_behind_the_answer(answer: Any, small_case: Any) -> None:
    report = answer.report
    jsonschema.validate(report, json.loads((HOME / "detector" / "report" / "report.schema.json").read_text()))
    assert (report["exit_code"], report["error"], report["basis"]) == (0, None, "measured")
    assert report["thetas"] == LEARNED["configurations"][0]["thetas"]
    assert report["preprocessing"]["name"] == LEARNED["preprocessing"]
    assert report["examples"] == sorted(path.name for path in small_case.examples.iterdir())
    assert report["unpruned_accuracy"] == 1.0
    assert report["mapping"]["provenance"] == LEARNED["provenance"] | {"architectures": [], "sizes": []}
    assert report["mapping"]["held_out"] is None
    assert {"load", "check", "examples", "engine", "unpruned", "variants", "total"} == set(report["timings"])
    stages = math.fsum(seconds for stage, seconds in report["timings"].items() if stage != "total")
    assert 0 < stages <= report["timings"]["total"] < report["budget_seconds"] == 600
    assert report["versions"]["torch"] == torch.__version__
    assert {finding["severity"] for finding in report["findings"]} == {"info", "warning"}
    assert "examples_label_out_of_range" not in answer.finding_codes


def test_the_answer_is_nists_regression_on_the_vector(answer: Any) -> None:
    report, (configuration,) = answer.report, LEARNED["configurations"]
    vector, prediction = report["signal_vector"], report["prediction"]
    assert len(vector) == 15
    assert min(vector) < max(vector) <= 1  # pruning changes what the network answers
    mapping = configuration["mapping"]
    products = [mapping["coefficients"][name] * a for name, a in zip(report["features"], vector, strict=True)]
    assert prediction["contributions"] == [mapping["intercept"], *products]
    assert prediction["raw"] == math.fsum(prediction["contributions"])
    assert report["probability"] == min(max(prediction["raw"], 0.01), 0.99)


def test_logits_are_those_of_the_accuracies(answer: Any, small_case: Any) -> None:
    logits = logits_of(answer)
    assert {name: array.shape for name, array in logits.items()} == {
        "unpruned": (5, 5),
        "pruned": (15, 5, 5),
        "labels": (5,),
        "names": (5,),
    }
    assert [int(name.split("_")[1]) for name in logits["names"]] == logits["labels"].tolist() == [0, 1, 2, 3, 4]
    correct = logits["pruned"].argmax(2) == logits["labels"]
    assert correct.mean(1).tolist() == answer.report["signal_vector"]


def test_unpruned_logits_are_those_of_torchvision(answer: Any, small_case: Any) -> None:
    torchvision_models()
    network = torch.load(small_case.model, weights_only=False)
    logits = logits_of(answer)
    images = [Image.open(small_case.examples / name) for name in logits["names"]]
    pixels = np.stack([np.asarray(image, dtype=np.float64) for image in images])
    low, high = (bound(pixels, axis=(1, 2, 3), keepdims=True) for bound in (np.min, np.max))
    with torch.inference_mode():
        expected = network(torch.from_numpy((pixels - low) / (high - low)).permute(0, 3, 1, 2).float())
    np.testing.assert_allclose(logits["unpruned"], expected.numpy(), rtol=0, atol=1e-3)


def test_features_are_two_rows(answer: Any) -> None:
    with (answer.output / "features.csv").open(newline="") as file:
        names, values = csv.reader(file)
    assert names == [f"accuracy_{index:02d}" for index in range(15)]
    assert [float(value) for value in values] == answer.report["signal_vector"]


def test_the_text_says_what_the_files_say(answer: Any) -> None:
    for text in ("squeezenetv1_1, 5 classes", f"{answer.report['probability']:.3f} is the probability", "nist-round2"):
        assert text in answer.stdout


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_number_of_threads_changes_no_bit(
    threads: int, answer: Any, small_case: Any, run_here: Run, metaparameters: Run, tmp_path: Path
) -> None:
    outcome = run_here([*small_case.options(tmp_path), *metaparameters(infer_threads=threads)], tmp_path)
    assert outcome.result == answer.result
    for key in ("signal_vector", "prediction", "findings"):
        assert outcome.report[key] == answer.report[key]
    for name, array in logits_of(answer).items():
        assert logits_of(outcome)[name].tobytes() == array.tobytes()


@pytest.fixture(scope="module")
def two_images(small_case: Any, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options for fewer examples, where only running through matters."""
    folder = tmp_path_factory.mktemp("two")
    for path in sorted(small_case.examples.iterdir())[:2]:
        (folder / path.name).write_bytes(path.read_bytes())
    return ["--examples_dirpath", str(folder)]


@pytest.mark.parametrize(
    ("bundle", "preprocessing"),
    list(itertools.product(SCHEMA["infer_bundle"]["enum"], SCHEMA["infer_preprocessing"]["enum"])),
)
def test_every_enumerated_metaparameter_runs(
    bundle: str,
    preprocessing: str,
    two_images: list[str],
    small_case: Any,
    run_here: Run,
    metaparameters: Run,
    tmp_path: Path,
) -> None:
    chosen = metaparameters(infer_bundle=bundle, infer_preprocessing=preprocessing)
    outcome = run_here([*small_case.options(tmp_path), *two_images, *chosen], tmp_path)
    assert outcome.code == 0
    assert 0.01 <= float(outcome.result) <= 0.99
    folder = HOME / "learned_params" / bundle
    own = next((path for path in (folder / "squeezenetv1_1.json", folder / "any.json") if path.exists()), None)
    if own is None:  # nist-round1 knows three other architectures
        base_rate = json.loads((folder / "bundle.json").read_text())["base_rate"]
        assert (float(outcome.result), outcome.report["basis"]) == (base_rate, "base_rate")
        assert "nothing_learned" in outcome.finding_codes
        return
    # A random network is like no other, and two images are fewer than `universal` was learned on.
    undecided = outcome.finding_codes & {"beyond_experience", "many_wrong_answers", "too_few_examples"}
    assert bool(undecided) == (bundle == "universal")
    assert outcome.report["basis"] == ("base_rate" if undecided else "measured")
    assert outcome.report["mapping"]["bundle"] == bundle
    learned = json.loads(own.read_text())["preprocessing"]
    # The images have 224 pixels, which not every profile takes.
    wanted = learned if preprocessing == "learned" else preprocessing
    used = wanted if PROFILES[wanted].accepts(224, 224) else "round2"
    assert outcome.report["preprocessing"]["name"] == used
    told = outcome.finding_codes & {"preprocessing_overridden", "other_image_size"}
    assert bool(told) == (used != learned)


@pytest.mark.parametrize(
    "changes",
    [
        {"infer_max_seconds": SCHEMA["infer_max_seconds"]["maximum"], "infer_threads": 256},
        {"infer_max_seconds": 57.5, "infer_threads": 3, "infer_tampered_probability": 0},
        {"infer_tampered_probability": 1, "infer_save_logits": False},
    ],
)
def test_bounds_of_the_numbers_run(
    changes: dict[str, Any], two_images: list[str], small_case: Any, run_here: Run, metaparameters: Run, tmp_path: Path
) -> None:
    outcome = run_here([*small_case.options(tmp_path), *two_images, *metaparameters(**changes)], tmp_path)
    assert (outcome.code, outcome.report["basis"]) == (0, "measured")


def test_logits_are_not_saved_where_that_is_switched_off_and_old_ones_go(
    two_images: list[str], small_case: Any, run_here: Run, metaparameters: Run, tmp_path: Path
) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "logits.npz").write_bytes(b"of another model")
    outcome = run_here([*small_case.options(tmp_path), *two_images, *metaparameters(infer_save_logits=False)], tmp_path)
    assert outcome.code == 0
    assert [path.name for path in (tmp_path / "scratch").iterdir()] == ["report.json"]


def test_scratch_that_cannot_be_written_costs_the_report_and_not_the_answer(
    answer: Any, small_case: Any, run_here: Run, metaparameters: Run, tmp_path: Path
) -> None:
    (tmp_path / "scratch").write_text("a file, where a folder should be")
    outcome = run_here([*small_case.options(tmp_path), *metaparameters()], tmp_path)
    assert (outcome.code, outcome.result) == (0, answer.result)
    assert (tmp_path / "scratch").read_text() == "a file, where a folder should be"


def test_a_single_bundle_can_be_mounted_as_the_directory_whatever_is_configured(
    two_images: list[str], small_case: Any, run_here: Run, metaparameters: Run, tmp_path: Path
) -> None:
    directory = ["--learned_parameters_dirpath", str(HOME / "learned_params" / "nist-round3")]
    options = [*small_case.options(tmp_path), *two_images, *directory, *metaparameters(infer_bundle="nist-round2")]
    outcome = run_here(options, tmp_path)
    assert (outcome.code, outcome.report["mapping"]["bundle"]) == (0, "nist-round3")


@pytest.mark.parametrize("option", ["--result_filepath", "--features_filepath"])
@pytest.mark.parametrize("complete", [True, False])
def test_an_answer_never_overwrites_an_input(
    option: str, complete: bool, small_case: Any, run_here: Run, tmp_path: Path
) -> None:
    model = tmp_path / "model.pt"
    model.write_bytes(b"precious")
    options = {"--result_filepath": str(tmp_path / "result.txt"), "--scratch_dirpath": str(tmp_path / "scratch")}
    options |= {"--model_filepath": str(model), option: str(tmp_path / "." / "model.pt")}
    if not complete:
        del options["--scratch_dirpath"]
    outcome = run_here([word for pair in options.items() for word in pair], tmp_path)
    assert outcome.code == 2
    assert model.read_bytes() == b"precious"


def test_features_of_an_earlier_model_do_not_survive(small_case: Any, run_here: Run, tmp_path: Path) -> None:
    features, junk = tmp_path / "features.csv", tmp_path / "junk.pt"
    features.write_text("of another model")
    junk.write_text("no model")
    options = [*small_case.options(tmp_path), "--model_filepath", str(junk), "--features_filepath", str(features)]
    assert run_here(options, tmp_path).code == 3
    assert not features.exists()


def test_a_fault_in_the_report_leaves_the_neutral_result(
    small_case: Any, run_here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken report")

    monkeypatch.setattr("detector.commands.run.write_report", broken)
    outcome = run_here(small_case.options(tmp_path), tmp_path)
    assert outcome.code == 1
    assert (tmp_path / "result.txt").read_text() == "0.5\n"
