"""The Python interface: the same answers as the command, whatever form the inputs have, and nothing left behind."""

from __future__ import annotations

import doctest
import inspect as introspection
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from PIL import Image

import detector
from detector import api
from detector.architectures import ARCHITECTURES
from detector.commands.train_settings import load_train_settings
from detector.model_file import read_model
from laboratory.rebuild import rebuild

HOME = Path(__file__).resolve().parents[1]
OPTIONS: dict[str, Any] = {"bundle": "nist-round2", "seconds": 600}


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary files go: empty again after each test, whatever happened in it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture(scope="module")
def verdict(small_case: Any) -> detector.Verdict:
    return detector.detect(str(small_case.model), small_case.examples, **OPTIONS)


@pytest.fixture
def network(small_case: Any) -> torch.nn.Module:
    return rebuild(read_model(small_case.model), ARCHITECTURES["squeezenetv1_1"], 5)


@pytest.fixture
def images(small_case: Any) -> detector.Images:
    files = sorted(small_case.examples.iterdir())
    return detector.Images(np.stack([np.asarray(Image.open(file)) for file in files]), range(len(files)))


OF_A_RUN = ("timings", "date", "command")


def timeless(verdict: detector.Verdict) -> dict[str, Any]:
    return {key: value for key, value in verdict.report().items() if key not in OF_A_RUN}


def test_the_answer_is_that_of_the_command(verdict: detector.Verdict, answer: Any) -> None:
    assert verdict.probability == float(answer.result)
    assert timeless(verdict) == {key: value for key, value in answer.report.items() if key not in OF_A_RUN}
    told, printed = str(verdict).splitlines(), answer.stdout.splitlines()
    assert told == printed[:-1] and printed[-1].startswith("Report")


def test_the_report_satisfies_its_schema(verdict: detector.Verdict) -> None:
    schema = json.loads((HOME / "detector" / "report" / "report.schema.json").read_text())
    jsonschema.validate(verdict.report(), schema)
    assert verdict.findings == verdict.data.findings


def test_a_network_and_images_in_memory_get_the_same_answer(
    verdict: detector.Verdict, network: torch.nn.Module, images: detector.Images
) -> None:
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    found = detector.detect(network, images, **OPTIONS)
    assert found.data.signal_vector == verdict.data.signal_vector
    assert (found.probability, found.verdict) == (verdict.probability, verdict.verdict)
    assert found.report()["model"]["file"] == "SqueezeNet-in-memory.pt"  # type: ignore[index, call-overload]
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_network_in_memory_is_not_written_anywhere(network: torch.nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a temporary file")

    for name in ("TemporaryDirectory", "NamedTemporaryFile", "mkdtemp", "mkstemp"):
        monkeypatch.setattr(tempfile, name, refused)
    assert detector.inspect(network).model.file == "SqueezeNet-in-memory.pt"


def test_a_list_of_files_is_as_good_as_their_folder(verdict: detector.Verdict, small_case: Any) -> None:
    files = sorted(small_case.examples.iterdir(), reverse=True)
    assert detector.detect(small_case.model, files, **OPTIONS).data.examples == verdict.data.examples


def test_a_network_that_was_tampered_with_is_told_in_memory_too(
    network: torch.nn.Module, images: detector.Images
) -> None:
    network.get_submodule("features.0").stride = (1, 2)  # type: ignore[assignment]
    found = detector.detect(network, images, **OPTIONS)
    assert found.verdict is detector.Judgement.TAMPERED
    assert "tampered" in {finding.severity for finding in found.findings}
    (deviation,) = detector.inspect(network).deviations
    assert "features.0" in str(deviation)


def test_inspect(small_case: Any, network: torch.nn.Module) -> None:
    of_file, of_network = detector.inspect(small_case.model), detector.inspect(network)
    assert of_file.model.architecture == of_network.model.architecture == "squeezenetv1_1"
    assert of_file.parameters == of_network.parameters == sum(one.numel() for one in network.parameters())


def test_progress_tells_the_stages_in_order(small_case: Any) -> None:
    stages: list[str] = []
    detector.detect(small_case.model, small_case.examples, progress=stages.append, **OPTIONS)
    assert stages == ["load", "check", "examples", "engine", "unpruned", "variants"]


def test_nothing_is_printed_and_nothing_stays_changed(small_case: Any, capfd: pytest.CaptureFixture[str]) -> None:
    torch.set_num_threads(3)
    try:
        detector.detect(small_case.model, small_case.examples, **OPTIONS)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(1)
    assert capfd.readouterr() == ("", "")


def test_a_folder_is_a_bundle_of_its_own(small_case: Any) -> None:
    folder = HOME / "learned_params" / "nist-round3"
    found = detector.detect(small_case.model, small_case.examples, bundle=folder, seconds=600)
    assert found.data.mapping is not None
    assert found.data.mapping.bundle == "nist-round3"


def test_configure_writes_a_bundle_that_detect_uses(small_round: Path, small_case: Any, tmp_path: Path) -> None:
    files = HOME / "metaparameters.json", HOME / "metaparameters_schema.json"
    settings = replace(load_train_settings(*files), min_models=8)
    theta = replace(settings.theta, num_pruned_models=2, num_images=2)
    outcome = detector.configure(small_round, tmp_path / "learned", settings=replace(settings, theta=theta))
    assert outcome.bundle == tmp_path / "learned" / "configured"
    found = detector.detect(small_case.model, small_case.examples, bundle=outcome.bundle, seconds=600)
    assert found.data.mapping is not None
    assert found.data.mapping.bundle == "configured"


# What is wrong is told


class Unpicklable(torch.nn.Module):
    def __reduce__(self) -> str:
        raise RuntimeError("not to be saved")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"model": 3}, detector.UsageError, "a int"),
        ({"model": Unpicklable()}, detector.UsageError, "not to be saved"),
        ({"model": torch.nn.Linear(2, 2)}, None, ""),
        ({"model": "no/such/file.pt"}, detector.ModelRefusedError, "no/such/file.pt"),
        ({"examples": "no/such/folder"}, detector.ExamplesError, "no/such/folder"),
        ({"examples": ["no/such/file.png"]}, detector.ExamplesError, "no/such/file.png"),
        (
            {"examples": ["a/class_0_example_0.png", "b/class_0_example_0.png"]},
            detector.ExamplesError,
            "cannot be read",
        ),
        ({"examples": []}, detector.ExamplesError, "directory is empty"),
        ({"bundle": "no-such-bundle"}, detector.ParametersError, "no-such-bundle"),
        ({"seconds": 0}, detector.UsageError, "0 seconds"),
        ({"seconds": float("nan")}, detector.UsageError, "nan seconds"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], error: type[Exception] | None, words: str, small_case: Any) -> None:
    given = {"model": small_case.model, "examples": small_case.examples, **OPTIONS, **arguments}
    if error is None:  # a network of another kind is no error, but told
        assert detector.detect(**given).verdict is not detector.Judgement.CLEAN
        return
    with pytest.raises(error, match=words):
        detector.detect(**given)


def test_two_files_of_one_name_are_refused(small_case: Any) -> None:
    file = next(small_case.examples.iterdir())
    with pytest.raises(detector.ExamplesError, match="two files are called"):
        detector.detect(small_case.model, [file, file], **OPTIONS)


@pytest.mark.parametrize(
    ("pixels", "labels", "words"),
    [
        (np.zeros((2, 8, 8, 3)), [0, 1], "float64"),
        (np.zeros((2, 3, 8, 8), np.uint8), [0, 1], r"\(2, 3, 8, 8\)"),
        (np.zeros((8, 8, 3), np.uint8), [0], r"\(8, 8, 3\)"),
        (np.zeros((0, 8, 8, 3), np.uint8), [], r"\(0, 8, 8, 3\)"),
        (np.zeros((2, 8, 8, 3), np.uint8), [0], "2 integers"),
        (np.zeros((2, 8, 8, 3), np.uint8), [0, -1], "2 integers"),
        (np.zeros((2, 8, 8, 3), np.uint8), [0.0, 1.0], "float64"),
    ],
)
def test_images_are_checked(pixels: Any, labels: list[Any], words: str) -> None:
    with pytest.raises(detector.ExamplesError, match=words):
        detector.Images(pixels, labels)


def test_images_of_a_size_that_no_round_has_are_refused(small_case: Any) -> None:
    images = detector.Images(np.zeros((2, 99, 99, 3), np.uint8), [0, 1])
    with pytest.raises(detector.ExamplesError, match="99 x 99"):
        detector.detect(small_case.model, images, **OPTIONS)


# What the package offers


def test_the_names_are_those_that_are_documented_and_nothing_is_loaded_for_them() -> None:
    program = (
        "import sys, detector\n"
        "print(sorted({'numpy', 'torch', 'detector.api'} & sys.modules.keys()))\n"
        "print(all(getattr(detector, name) is not None for name in detector.__all__))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=HOME, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == ["[]", "True"], done.stderr
    offered = {name for names in detector._INTERFACE.values() for name in names}
    assert sorted({*offered, "__version__"}) == sorted(detector.__all__)
    for name in offered:
        assert introspection.getdoc(getattr(detector, name))
    with pytest.raises(AttributeError, match="no attribute 'judge'"):
        detector.judge  # noqa: B018


def test_the_examples_of_the_documentation_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HOME)
    result = doctest.testmod(api)
    assert (result.failed, result.attempted > 5) == (0, True)
