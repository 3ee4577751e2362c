"""What `inspect` says of files, honest and hostile, and that it never loads torch to say it."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from detector.base.errors import UnsafeModelError
from detector.commands.inspect import inspect_model, inspection_text
from detector.torchvision_ops import torchvision_models

Run = Callable[..., Any]

HOME = Path(__file__).resolve().parents[2]
# SqueezeNet 1.1 with 5 classes, counted by hand from its paper: 26 convolutions with weight and bias.
TENSORS, PARAMETERS = 52, 722_496 + 5 * 512 + 5


@pytest.fixture(scope="module")
def network(small_case: Any) -> torch.nn.Module:
    loaded: torch.nn.Module = torch.load(small_case.model, weights_only=False)
    return loaded


class Payload:
    """Writes a file where it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


def test_a_whole_module(small_case: Any) -> None:
    inspection = inspect_model(small_case.model)
    assert (inspection.model.architecture, inspection.model.num_classes) == ("squeezenetv1_1", 5)
    assert (inspection.model.format, inspection.model.kind) == ("zip", "module")
    assert (inspection.tensors, inspection.parameters) == (TENSORS, PARAMETERS)
    assert inspection.classes["torch.nn.modules.conv.Conv2d"] == 26
    assert inspection.classes["torchvision.models.squeezenet.Fire"] == 8
    assert inspection.pickle_protocol == 2
    assert not inspection.data_parallel
    assert inspection.deviations == ()
    text = inspection_text(inspection)
    for words in (
        "squeezenetv1_1, 5 classes",
        "no deviation from squeezenetv1_1",
        f"{PARAMETERS:,} numbers",
        "26 x torch.nn.modules.conv.Conv2d",
    ):
        assert words in text


def test_what_could_not_be_compared_does_not_look_clean(tmp_path: Path) -> None:
    torch.save(torchvision_models().mobilenet_v3_small(num_classes=5), tmp_path / "model.pt")
    text = inspection_text(inspect_model(tmp_path / "model.pt"))
    assert "unknown architecture" in text
    assert "no reference to compare with" in text
    assert "no deviation" not in text


@pytest.mark.parametrize("legacy", [False, True])
def test_a_state_dict(network: torch.nn.Module, tmp_path: Path, legacy: bool) -> None:
    state = {f"module.{name}": value for name, value in network.state_dict().items()}
    torch.save(state, tmp_path / "state.pt", pickle_protocol=4, _use_new_zipfile_serialization=not legacy)
    inspection = inspect_model(tmp_path / "state.pt")
    assert inspection.model.format == ("legacy" if legacy else "zip")
    assert inspection.model.kind == "state_dict"
    assert inspection.data_parallel
    assert inspection.pickle_protocol == 4
    assert inspection.model.architecture == "squeezenetv1_1"
    assert inspection.classes == {}
    assert "saved inside DataParallel" in inspection_text(inspection)


def test_a_tampered_module(tampered_case: Any) -> None:
    inspection = inspect_model(tampered_case.model)
    assert inspection.model.architecture is None
    (deviation,) = inspection.deviations
    assert "features.0" in str(deviation)
    assert "stride" in str(deviation)
    text = " ".join(inspection_text(inspection).split())
    assert str(deviation) in text
    assert "changed squeezenetv1_1, 5 classes" in text and "unknown architecture" not in text


def test_a_hostile_file_is_refused_and_does_nothing(tmp_path: Path) -> None:
    torch.save(Payload(tmp_path / "marker"), tmp_path / "model.pt")
    with pytest.raises(UnsafeModelError, match="mkdir"):
        inspect_model(tmp_path / "model.pt")
    assert not (tmp_path / "marker").exists()
    pickle.loads(pickle.dumps(Payload(tmp_path / "marker")))
    assert (tmp_path / "marker").exists()  # the payload of this test does work


def test_the_command_prints_text_or_json(small_case: Any, tampered_case: Any, run_here: Run, tmp_path: Path) -> None:
    told = run_here(["inspect", str(small_case.model)], tmp_path)
    assert (told.code, told.stderr) == (0, "")
    assert told.stdout == inspection_text(inspect_model(small_case.model)) + "\n"
    told = run_here(["inspect", "--json", str(tampered_case.model)], tmp_path)
    document = json.loads(told.stdout)
    assert (told.code, document["parameters"], len(document["deviations"])) == (0, PARAMETERS, 1)
    assert {"tampered"} <= {finding["severity"] for finding in document["findings"]}
    assert list(tmp_path.iterdir()) == []


def test_the_command_refuses_with_exit_code_3(run_here: Run, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_text("not a model")
    told = run_here(["inspect", str(tmp_path / "model.pt")], tmp_path)
    assert (told.code, told.stdout) == (3, "")
    assert told.error_line.startswith(f"error: {tmp_path / 'model.pt'}: ")


def test_torch_is_not_imported(small_case: Any) -> None:
    program = (
        "import sys, entrypoint\n"
        f"code = entrypoint.main(['inspect', {str(small_case.model)!r}])\n"
        "print(code, sorted({'torch', 'torchvision'} & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=HOME, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "0 []"
