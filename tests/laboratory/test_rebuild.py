"""A rebuilt network answers as the saved one did, and only files that fit the architecture exactly are rebuilt."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from detector.architectures import ARCHITECTURES, Architecture, build
from detector.base.errors import CorruptModelError
from detector.model_file import parse_model, read_model
from detector.torchvision_ops import torchvision_models
from laboratory.rebuild import rebuild

State = dict[str, torch.Tensor]
Change = Callable[[State], object]

OLD = Path(__file__).parents[3] / "shared" / "old-torch"
OLD_FILES = {
    "densenet121-legacy": "densenet121",
    "googlenet-legacy": "googlenet",
    "mobilenet_v2-legacy": "mobilenetv2",
    "mobilenet_v2-zip": "mobilenetv2",
    "shufflenet_v2_x1_0-legacy": "shufflenet1_0",
    "shufflenet_v2_x1_0-zip": "shufflenet1_0",
    "squeezenet1_1-legacy": "squeezenetv1_1",
    "squeezenet1_1-zip": "squeezenetv1_1",
}
SMALL = ARCHITECTURES["squeezenetv1_1"]
NORMALISED = ARCHITECTURES["shufflenet1_0"]


def _network(architecture: Architecture = SMALL, num_classes: int = 5, **options: Any) -> Any:
    torch.manual_seed(0)
    return build(architecture, num_classes, **options).eval()


def _saved(value: object, *, legacy: bool = False, protocol: int = 2) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def _images() -> torch.Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.skipif(not OLD.is_dir(), reason="the files saved by torch 1.7 are not here")
@pytest.mark.parametrize(("name", "architecture"), OLD_FILES.items(), ids=OLD_FILES)
def test_logits_of_torch_1_7(name: str, architecture: str) -> None:
    """Files saved by Round 4's own torch 1.7.0 and torchvision 0.8.0 answer as they did there."""
    network = rebuild(read_model(OLD / f"{name}.pt"), ARCHITECTURES[architecture], 5)
    images = np.random.RandomState(0).random_sample((2, 3, 224, 224)).astype("float32")
    with torch.no_grad():
        logits = network(torch.from_numpy(images)).numpy()
    expected = json.loads((OLD / "logits.json").read_text())["logits"][name.rpartition("-")[0]]
    assert np.abs(logits - np.array(expected)).max() < 1e-3


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("what", ["module", "state_dict", "data_parallel", "data_parallel_state_dict"])
def test_same_logits_as_saved(legacy: bool, what: str) -> None:
    network = _network()
    wrapped = torch.nn.DataParallel(network) if what.startswith("data_parallel") else network
    content = _saved(wrapped.state_dict() if what.endswith("state_dict") else wrapped, legacy=legacy)
    rebuilt = rebuild(parse_model(content), SMALL, 5)
    with torch.no_grad():
        assert torch.equal(rebuilt(_images()), network(_images()))


def test_a_network_of_our_own() -> None:
    rebuilt = rebuild(parse_model(_saved(_network().train())), SMALL, 5)
    assert not any(module.training for module in rebuilt.modules())
    assert not any(parameter.requires_grad for parameter in rebuilt.parameters())
    tensors = [*rebuilt.parameters(), *rebuilt.buffers()]
    assert all(tensor.device.type == "cpu" and tensor.is_contiguous() for tensor in tensors)


def test_memory_of_our_own() -> None:
    """Writing to the rebuilt network neither fails nor reaches the record."""
    record = parse_model(_saved(_network()))
    rebuilt = rebuild(record, SMALL, 5)
    before = {name: tensor.copy() for name, tensor in record.tensors.items()}
    for tensor in rebuilt.state_dict().values():
        tensor.fill_(7)
    assert all(np.array_equal(before[name], tensor) for name, tensor in record.tensors.items())


def test_memory_is_about_twice_the_file(tmp_path: Path) -> None:
    """The file's bytes and one copy of the tensors (which torch allocates outside of what Python traces)."""
    path = tmp_path / "model.pt"
    path.write_bytes(_saved(_network(NORMALISED)))
    tracemalloc.start()
    record = read_model(path)
    read = tracemalloc.get_traced_memory()[1]
    rebuild(record, NORMALISED, 5)
    rebuilt = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert read < path.stat().st_size + 20e6
    assert rebuilt < path.stat().st_size + 20e6


def test_tensors_that_were_saved_as_views() -> None:
    """Channels-last weights and slices of one large storage arrive as ordinary tensors."""
    network = _network()
    expected = {name: value.clone() for name, value in network.state_dict().items()}
    content = _saved({name: _as_view(value) for name, value in expected.items()})
    rebuilt = rebuild(parse_model(content), SMALL, 5).state_dict()
    assert all(torch.equal(rebuilt[name], value) for name, value in expected.items())


def _as_view(value: torch.Tensor) -> torch.Tensor:
    if value.ndim == 4:
        return value.contiguous(memory_format=torch.channels_last)
    return torch.cat([torch.zeros(3), value])[3:]


def test_counters_of_batches_may_be_missing() -> None:
    network = _network(NORMALISED)
    state = {name: value for name, value in network.state_dict().items() if not name.endswith("num_batches_tracked")}
    rebuilt: Any = rebuild(parse_model(_saved(state)), NORMALISED, 5)
    assert rebuilt.conv1[1].num_batches_tracked == 0
    with torch.no_grad():
        assert torch.equal(rebuilt(_images()), network(_images()))


# What does not fit is refused, naming the tensor.


def _refused(content: bytes, architecture: Architecture = SMALL, num_classes: int = 5) -> str:
    with pytest.raises(CorruptModelError) as caught:
        rebuild(parse_model(content), architecture, num_classes)
    assert architecture.name in caught.value.expected
    return f"{caught.value.where}: {caught.value.what}"


def _changed(change: Change) -> bytes:
    state = _network(NORMALISED).state_dict()
    change(state)
    return _saved(dict(state))


def _replaced(name: str, *shape: int, **options: Any) -> Change:
    return lambda state: state.update({name: torch.zeros(shape, **options)})


def _without_statistics(state: State) -> None:
    for name in [name for name in state if "running" in name]:
        del state[name]


CHANGES: dict[str, tuple[Change, str]] = {
    "38-missing": (lambda state: state.pop("fc.bias"), "tensors missing: fc.bias"),
    "38-extra": (_replaced("extra", 1), "tensors unexpected: extra"),
    "38-renamed": (lambda state: state.update(head=state.pop("fc.weight")), "tensors missing: fc.weight"),
    "38-input-channels": (_replaced("conv1.0.weight", 24, 1, 3, 3), "conv1.0.weight: float32 of shape (24, 1, 3, 3)"),
    "38-type": (_replaced("fc.bias", 5, dtype=torch.int64), "fc.bias: int64"),
    "38-counter-type": (_replaced("conv1.1.num_batches_tracked"), "conv1.1.num_batches_tracked: float32"),
    "38-no-running-statistics": (_without_statistics, "tensors missing: conv1.1.running_mean, conv1.1.running_var, "),
}


@pytest.mark.hostile
@pytest.mark.parametrize(("change", "named"), CHANGES.values(), ids=CHANGES)
def test_tensors_that_do_not_fit(change: Change, named: str) -> None:
    assert named in _refused(_changed(change), NORMALISED)


@pytest.mark.hostile
@pytest.mark.parametrize("saved", [1, 10_000])
def test_38_other_numbers_of_classes(saved: int) -> None:
    content = _saved(_network(num_classes=saved))
    assert f"({saved}, 512, 1, 1) instead of float32 of shape (5, 512, 1, 1)" in _refused(content)
    assert rebuild(parse_model(content), SMALL, saved)


@pytest.mark.hostile
def test_38_other_block_counts() -> None:
    """The right class with the wrong number of blocks."""
    resnet = torchvision_models().resnet
    content = _saved(resnet.ResNet(resnet.BasicBlock, [1, 1, 1, 1], num_classes=5))
    assert "tensors missing: layer1.1.conv1.weight" in _refused(content, ARCHITECTURES["resnet18"])


@pytest.mark.hostile
def test_38_auxiliary_heads_do_not_fit() -> None:
    content = _saved(_network(ARCHITECTURES["googlenet"], aux_logits=True))
    assert "tensors unexpected: aux1.conv.conv.weight" in _refused(content, ARCHITECTURES["googlenet"])


@pytest.mark.hostile
def test_38_unknown_architecture_is_described() -> None:
    """A vision transformer is outside our table: it becomes a record that quality assurance can judge."""
    options: dict[str, Any] = {
        "image_size": 32,
        "patch_size": 16,
        "num_layers": 1,
        "num_heads": 2,
        "hidden_dim": 8,
        "mlp_dim": 8,
    }
    network = torchvision_models().VisionTransformer(**options, num_classes=3)
    record = parse_model(_saved(network))
    assert record.modules[0].class_name == "VisionTransformer"
    assert list(record.tensors) == list(network.state_dict())


@pytest.mark.hostile
def test_38_changed_attributes_are_recorded_and_not_used() -> None:
    """The code that runs is ours: a changed stride, epsilon or activation in the file is told but has no effect."""
    network = _network(NORMALISED)
    with torch.no_grad():
        expected = network(_images())
    network.conv1[0].stride = (1, 1)
    network.conv1[1].eps = 0.5
    network.conv1[2] = torch.nn.Sigmoid()
    record = parse_model(_saved(network))
    modules = {module.path: module for module in record.modules}
    assert modules["conv1.0"].attributes["stride"] == (1, 1)
    assert modules["conv1.1"].attributes["eps"] == 0.5
    assert modules["conv1.2"].class_name == "Sigmoid"
    with torch.no_grad():
        assert torch.equal(rebuild(record, NORMALISED, 5)(_images()), expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_every_architecture(name: str, legacy: bool) -> None:
    network = _network(ARCHITECTURES[name])
    record = parse_model(_saved(network, legacy=legacy, protocol=4))
    expected = network.state_dict()
    rebuilt = rebuild(record, ARCHITECTURES[name], 5).state_dict()
    assert list(rebuilt) == list(record.tensors) == list(expected)
    assert all(torch.equal(rebuilt[key], value) for key, value in expected.items())
