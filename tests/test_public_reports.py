"""Files as people really have them, judged as a whole: the sample in other wrapping gets the sample's own answer.

Each kind is known from public bug reports of other projects; all files are made here. Whether a wrapping is parsed is
tested in tests/model_file; here it is the answer that counts, and that what was set aside is told.
"""

from __future__ import annotations

import collections
import contextlib
import io
import json
import pickle
import shutil
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

from detector.architectures import ARCHITECTURES, build
from detector.rounds.reading import read_round
from detector.torchvision_ops import torchvision_models

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
SAMPLE = SAMPLES / "id-00000001"
Run = Callable[..., Any]
State = Mapping[str, torch.Tensor]


def network_of(sample: Path) -> torch.nn.Module:
    """The sample's network, made anew by today's torchvision."""
    torchvision_models()
    saved = torch.load(sample / "model.pt", weights_only=False)  # our own file
    architecture = json.loads((sample / "config.json").read_text())["MODEL_ARCHITECTURE"]
    network = build(ARCHITECTURES[architecture], 5).eval()
    network.load_state_dict(saved.state_dict())
    return network


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    return network_of(SAMPLE)


@pytest.fixture(scope="module")
def judged(run_here: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    def judge(model: Path, examples: Path) -> Any:
        output = tmp_path_factory.mktemp("judged")
        settings = json.loads((SAMPLES.parent / "metaparameters.json").read_text()) | {"infer_max_seconds": 3600}
        (output / "metaparameters.json").write_text(json.dumps(settings))
        words = ["--model_filepath", str(model), "--examples_dirpath", str(examples)]
        words += ["--result_filepath", str(output / "result.txt"), "--scratch_dirpath", str(output / "scratch")]
        outcome = run_here([*words, "--metaparameters_filepath", str(output / "metaparameters.json")], output)
        assert (outcome.code, outcome.stderr) == (0, "")
        return outcome.report

    return judge


@pytest.fixture(scope="module")
def expected(judged: Run) -> Any:
    """The report about the sample as it ships."""
    return judged(SAMPLE / "model.pt", SAMPLE / "example_data")


def saved(value: object, path: Path, **arguments: Any) -> None:
    torch.save(value, path, **arguments)


def prefixed(state: State, *prefixes: str) -> dict[str, torch.Tensor]:
    return {f"{''.join(prefixes)}{name}": tensor for name, tensor in state.items()}


def checkpoint_with_a_schedule(network: torch.nn.Module, path: Path) -> None:
    """Beside the weights a collections.Counter, of the milestones of a learning-rate schedule."""
    optimiser = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, [30, 60])
    saved({"epoch": 3, "state_dict": network.state_dict(), "scheduler": schedule.state_dict()}, path)


def lightning_checkpoint(network: torch.nn.Module, path: Path) -> None:
    beside = {"epoch": 9, "loops": {}, "callbacks": {}, "optimizer_states": [], "hyper_parameters": {"lr": 1e-3}}
    saved({"state_dict": prefixed(network.state_dict(), "model."), "pytorch-lightning_version": "2.4.0"} | beside, path)


class _OldStorage:
    def __init__(self, key: str, tensor: torch.Tensor) -> None:
        self.key, self.tensor = key, tensor


class _OldTensor:
    def __init__(self, key: str, tensor: torch.Tensor) -> None:
        self.key, self.tensor = key, tensor

    def __reduce__(self) -> Any:
        place = (_OldStorage(self.key, self.tensor), 0, tuple(self.tensor.shape), self.tensor.stride())
        return torch._utils._rebuild_tensor, place


class _OldPickler(pickle.Pickler):
    def persistent_id(self, value: object) -> Any:
        if isinstance(value, _OldStorage):
            return "storage", torch.FloatStorage, value.key, "cpu", value.tensor.numel(), None
        return None


def torch_0_3(network: torch.nn.Module, path: Path) -> None:
    """As torch < 0.4 wrote a state dict: the legacy format, tensors without a word on gradients and hooks."""
    tensors = {f"{94_000_000_000_000 + 64 * i}": t for i, t in enumerate(network.state_dict().values())}
    floats = dict(zip(network.state_dict(), tensors.items(), strict=True))
    state = collections.OrderedDict((name, _OldTensor(key, tensor)) for name, (key, tensor) in floats.items())
    with path.open("wb") as file:
        sizes = {"short": 2, "int": 4, "long": 4}
        platform = {"protocol_version": 1001, "little_endian": True, "type_sizes": sizes}
        for part in (0x1950A86A20F9469CFC6C, 1001, platform):
            pickle.dump(part, file, 2)
        _OldPickler(file, 2).dump(state)
        pickle.dump(sorted(tensors), file, 2)
        for key in sorted(tensors):
            file.write(struct.pack("<q", tensors[key].numel()) + tensors[key].numpy().astype("<f4").tobytes())


def safetensors(network: torch.nn.Module, path: Path) -> None:
    """After the published description of the format: a length, a header in JSON, the numbers."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    numbers = bytearray()
    for name, tensor in network.state_dict().items():
        array = tensor.numpy()
        kind = {np.dtype("float32"): "F32", np.dtype("int64"): "I64"}[array.dtype]
        places = [len(numbers), len(numbers) + array.nbytes]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": places}
        numbers += array.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + numbers)


WRAPPINGS: dict[str, Callable[[torch.nn.Module, Path], None]] = {
    "schedule beside it": checkpoint_with_a_schedule,
    "net of DataParallel": lambda n, p: saved({"net": prefixed(n.state_dict(), "module."), "acc": 97.4}, p),
    "Lightning": lightning_checkpoint,
    "torch.compile": lambda n, p: saved(prefixed(n.state_dict(), "_orig_mod."), p),
    "torch.compile inside": lambda n, p: saved(prefixed(n.state_dict(), "module.", "_orig_mod."), p),
    "averaged": lambda n, p: saved(torch.optim.swa_utils.AveragedModel(n).eval(), p),
    "DataParallel, legacy": lambda n, p: saved(
        torch.nn.DataParallel(n), p, _use_new_zipfile_serialization=False, pickle_protocol=4
    ),
    "double": lambda n, p: saved({"model_ema": {k: v.double() for k, v in n.state_dict().items()}}, p),
    "torch 0.3": torch_0_3,
    "safetensors": safetensors,
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_the_same_numbers_in_other_wrapping_get_the_same_answer(
    wrapping: str, network: torch.nn.Module, judged: Run, expected: Any, tmp_path: Path
) -> None:
    WRAPPINGS[wrapping](network, tmp_path / "model.pt")
    report = judged(tmp_path / "model.pt", SAMPLE / "example_data")
    for key in ("probability", "basis", "signal_vector", "unpruned_accuracy"):
        assert report[key] == expected[key], key
    assert report["model"]["architecture"] == "squeezenetv1_1"
    told = {finding["code"] for finding in report["findings"]} & {"note", "set_aside"}
    assert told or wrapping in ("torch 0.3", "safetensors", "DataParallel, legacy")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened_exactly_and_told(
    dtype: torch.dtype, network: torch.nn.Module, judged: Run, tmp_path: Path
) -> None:
    halved = {name: tensor.to(dtype) for name, tensor in network.state_dict().items()}
    torch.save(halved, tmp_path / "half.pt")
    torch.save({name: tensor.float() for name, tensor in halved.items()}, tmp_path / "single.pt")
    half, single = (judged(tmp_path / name, SAMPLE / "example_data") for name in ("half.pt", "single.pt"))
    assert half["probability"] == single["probability"]
    assert half["signal_vector"] == single["signal_vector"]
    assert str(dtype).removeprefix("torch.") in json.dumps(half["findings"])


def test_synchronised_batch_normalisation_gets_the_answer_of_the_plain_one(judged: Run, tmp_path: Path) -> None:
    plain = network_of(SAMPLES / "id-00000002")
    converted = torch.nn.SyncBatchNorm.convert_sync_batchnorm(plain)  # type: ignore[no-untyped-call]
    torch.save(converted.eval(), tmp_path / "model.pt")
    examples = SAMPLES / "id-00000002" / "example_data"
    report, expected = (judged(model, examples) for model in (tmp_path / "model.pt", examples.parent / "model.pt"))
    assert (report["probability"], report["basis"]) == (expected["probability"], expected["basis"])


def test_idle_auxiliary_heads_are_no_tampering(judged: Run, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = torchvision_models().googlenet(num_classes=5, init_weights=False).eval()
    torch.save(network, tmp_path / "model.pt")
    report = judged(tmp_path / "model.pt", SAMPLE / "example_data")
    assert report["model"]["architecture"] == "googlenet"
    assert report["basis"] != "tampered"
    assert "tampered" not in {finding["severity"] for finding in report["findings"]}
    assert "aux1" in json.dumps(report["findings"])


# Examples.


def linked(examples: Path, path: Path) -> None:
    path.symlink_to(examples)


def profiled(examples: Path, path: Path) -> None:
    """A colour profile of 2 MB, as image editors on calibrated screens write it."""
    with Image.open(examples) as image:
        image.save(path, icc_profile=bytes(range(256)) * 8000)


def described(examples: Path, path: Path) -> None:
    """Two megabytes of XMP."""
    more = PngImagePlugin.PngInfo()
    more.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta/>" * 170_000)
    with Image.open(examples) as image:
        image.save(path, pnginfo=more)


@pytest.mark.parametrize("form", [linked, profiled, described])
def test_the_same_images_in_another_form_get_the_same_answer(
    form: Callable[[Path, Path], None], judged: Run, expected: Any, tmp_path: Path
) -> None:
    for path in (SAMPLE / "example_data").iterdir():
        form(path, tmp_path / path.name)
    report = judged(SAMPLE / "model.pt", tmp_path)
    assert (report["probability"], report["signal_vector"]) == (expected["probability"], expected["signal_vector"])


def test_labels_counted_from_one_are_shifted_and_told(judged: Run, expected: Any, tmp_path: Path) -> None:
    for path in (SAMPLE / "example_data").iterdir():
        _, label, _, number = path.stem.split("_")
        shutil.copy(path, tmp_path / f"class_{int(label) + 1}_example_{number}.png")
    report = judged(SAMPLE / "model.pt", tmp_path)
    assert (report["probability"], report["unpruned_accuracy"]) == (expected["probability"], 1.0)
    assert "labels_counted_from_one" in {finding["code"] for finding in report["findings"]}


def test_one_wrong_label_decides_nothing(judged: Run, expected: Any, tmp_path: Path) -> None:
    shutil.copytree(SAMPLE / "example_data", tmp_path / "examples")
    shutil.copy(SAMPLE / "example_data" / "class_3_example_5.png", tmp_path / "examples" / "class_2_example_5.png")
    report = judged(SAMPLE / "model.pt", tmp_path / "examples")
    assert (report["probability"] > 0.5) == (expected["probability"] > 0.5)
    assert abs(report["probability"] - expected["probability"]) < 0.1


# Names and labels.


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "koi8-r"])
def test_a_name_that_the_terminals_alphabet_lacks(
    encoding: str, run_here: Run, small_case: Any, tmp_path: Path
) -> None:
    model = tmp_path / "mod\u00e8le-\u6a21\u578b.pt"
    network = build(ARCHITECTURES["squeezenetv1_1"], 5)
    network.get_submodule("features.0").stride = (1, 2)  # type: ignore[assignment]  # answered at once: tampered with
    torch.save(network, model)
    words = ["--model_filepath", str(model), "--result_filepath", str(tmp_path / "result.txt")]
    words += ["--scratch_dirpath", str(tmp_path / "scratch"), "--examples_dirpath", str(small_case.examples)]
    printed = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    from detector import program

    with contextlib.redirect_stdout(printed):
        assert program.main(words) == 0
    assert "\\u6a21\\u578b" in printed.buffer.getvalue().decode(encoding)
    assert float((tmp_path / "result.txt").read_text()) > 0.5


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_labels_written_on_windows(encoding: str, tmp_path: Path) -> None:
    labels = []
    for sample in sorted(SAMPLES.glob("id-*")):
        member = tmp_path / sample.name
        member.mkdir()
        for name in ("model.pt", "example_data"):
            (member / name).symlink_to(sample / name)
        label = (sample / "ground_truth.csv").read_text().strip()
        (member / "ground_truth.csv").write_bytes(f"{label}\r\n".encode(encoding))
        labels.append(label == "1")
    found = read_round(tmp_path)
    assert found.left_out == ()
    assert [model.poisoned for model in found.models] == labels
    assert set(labels) == {True, False}
