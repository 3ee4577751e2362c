"""Good files of every vintage are read, with the tensors, modules and attributes that were saved."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from detector.base.errors import CorruptModelError
from detector.model_file import ContentKind, FileFormat, SavedModel, parse_model, read_model


def _network() -> torch.nn.Sequential:
    torch.manual_seed(0)
    block = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False), torch.nn.BatchNorm2d(4))
    return torch.nn.Sequential(block, torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(4, 2)).eval()


def _saved(value: object, *, legacy: bool, protocol: int) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


formats = pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
protocols = pytest.mark.parametrize("protocol", [2, 3, 4, 5])


@formats
@protocols
def test_whole_network(legacy: bool, protocol: int) -> None:
    network = _network()
    record = parse_model(_saved(network, legacy=legacy, protocol=protocol))
    assert record.kind is ContentKind.MODULE
    assert record.format is (FileFormat.LEGACY if legacy else FileFormat.ZIP)
    assert record.pickle_protocol == protocol
    expected = network.state_dict()
    assert list(record.tensors) == list(expected)
    assert all(np.array_equal(record.tensors[name], expected[name].numpy()) for name in expected)
    assert [m.path for m in record.modules] == [name for name, _ in network.named_modules()]
    convolution = record.modules[2]
    assert (convolution.class_module, convolution.class_name) == ("torch.nn.modules.conv", "Conv2d")
    assert convolution.attributes["stride"] == (2, 2)
    assert convolution.attributes["padding"] == (1, 1)
    assert not record.notes
    assert not record.data_parallel


@formats
@protocols
def test_state_dict(legacy: bool, protocol: int) -> None:
    expected = _network().state_dict()
    record = parse_model(_saved(expected, legacy=legacy, protocol=protocol))
    assert record.kind is ContentKind.STATE_DICT
    assert record.modules == ()
    assert list(record.tensors) == list(expected)
    assert all(np.array_equal(record.tensors[name], expected[name].numpy()) for name in expected)


@formats
@pytest.mark.parametrize("whole", [True, False], ids=["module", "state_dict"])
def test_data_parallel_is_unwrapped(legacy: bool, whole: bool) -> None:
    network = _network()
    wrapped = torch.nn.DataParallel(network)
    record = parse_model(_saved(wrapped if whole else wrapped.state_dict(), legacy=legacy, protocol=2))
    assert record.data_parallel
    assert list(record.tensors) == list(network.state_dict())
    assert record.modules[0].class_name == "Sequential" if whole else not record.modules


def test_data_parallel_of_a_cuda_machine(forge: SimpleNamespace) -> None:
    def wrapped(storages: Any) -> Any:
        options = {
            "device_ids": [0, 1],
            "dim": 0,
            "src_device_obj": forge.Reduce(forge.Global("torch", "device"), ("cuda", 0)),
        }
        children = {"module": forge.network(storages)}
        return forge.module(("torch.nn.parallel.data_parallel", "DataParallel"), children=children, **options)

    record = parse_model(forge.container(wrapped, location="cuda:0"))
    assert record.data_parallel
    assert record.notes == ("saved from cuda:0",)
    assert "0.weight" in record.tensors


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model"])
def test_checkpoint(key: str) -> None:
    network = _network()
    optimiser = torch.optim.Adam(network.parameters()).state_dict()
    record = parse_model(
        _saved({"epoch": 3, key: network.state_dict(), "optimizer": optimiser}, legacy=False, protocol=2)
    )
    assert list(record.tensors) == list(network.state_dict())
    assert record.notes == (f"taken from entry '{key}' of a checkpoint",)


def test_training_mode_is_a_note() -> None:
    record = parse_model(_saved(_network().train(), legacy=False, protocol=2))
    assert record.notes == ("7 modules were saved in training mode",)
    assert record.modules[0].attributes["training"] is True


@formats
def test_attributes_of_torch_1_2(forge: SimpleNamespace, legacy: bool) -> None:
    """`_backend`, no `_non_persistent_buffers_set`, no hooks added later, CUDA location tags."""
    backend = forge.Reduce(forge.Global("torch.nn.backends.thnn", "_get_thnn_function_backend"), ())
    content = forge.container(
        lambda storages: forge.network(storages, _backend=backend), legacy=legacy, location="cuda:0"
    )
    record = parse_model(content)
    assert record.notes == ("saved from cuda:0",)
    assert "_backend" not in record.modules[0].attributes
    assert record.tensors["1.num_batches_tracked"] == 7
    assert record.tensors["0.weight"].shape == (2, 3, 1, 1)


@formats
def test_class_sources_and_class_references(forge: SimpleNamespace, legacy: bool) -> None:
    """Legacy files tag each class with its source; torchvision's ResNet keeps a class as `_norm_layer`."""
    norm = forge.Global("torch.nn.modules.batchnorm", "BatchNorm2d")

    def value(storages: Any) -> Any:
        network = forge.network(storages, _norm_layer=norm)
        if legacy:
            network.cls = forge.PersistentId(("module", network.cls, "container.py", "class Sequential: 'source text'"))
        return network

    record = parse_model(forge.container(value, legacy=legacy))
    assert record.modules[0].class_name == "Sequential"
    assert record.modules[0].attributes["_norm_layer"] == "torch.nn.modules.batchnorm.BatchNorm2d"


def test_class_with_options_stays_a_description(forge: SimpleNamespace) -> None:
    """Transformers keep `functools.partial(LayerNorm, eps=1e-6)`; it is described, never called."""
    norm = forge.Global("torch.nn.modules.normalization", "LayerNorm")
    partial = forge.Build(forge.Reduce(forge.Global("functools", "partial"), (norm,)), (norm, (), {"eps": 1e-6}, None))
    record = parse_model(forge.container(lambda storages: forge.network(storages, norm_layer=partial)))
    described = ("functools.partial", "torch.nn.modules.normalization.LayerNorm", (), (("eps", 1e-6),))
    assert record.modules[0].attributes["norm_layer"] == described


def test_old_class_paths_need_not_exist(forge: SimpleNamespace) -> None:
    """torchvision 0.8's ConvBNReLU is gone from today's torchvision."""

    def value(storages: Any) -> Any:
        network = forge.network(storages)
        network.cls = forge.Global("torchvision.models.mobilenet", "ConvBNReLU")
        return network

    assert parse_model(forge.container(value)).modules[0].class_name == "ConvBNReLU"


def test_views_of_one_storage(forge: SimpleNamespace) -> None:
    numbers = np.arange(12, dtype=np.float32)

    def value(storages: Any) -> Any:
        storage = storages.storage(numbers)
        first = storages.tensor(numbers, storage=storage, sizes=(2, 3), strides=(1, 2))
        return {"a": first, "b": storages.tensor(numbers, storage=storage, offset=6, sizes=(6,), strides=(1,))}

    tensors = parse_model(forge.container(value)).tensors
    assert np.array_equal(tensors["a"], np.arange(6).reshape(3, 2).T)
    assert np.array_equal(tensors["b"], np.arange(6, 12))


def test_tensors_are_read_only_views_of_the_file(forge: SimpleNamespace) -> None:
    record = parse_model(forge.container(forge.network))
    weight = record.tensors["0.weight"]
    assert not weight.flags.writeable
    assert not weight.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        weight[...] = 0


def test_size_and_digest(forge: SimpleNamespace, tmp_path: Path) -> None:
    content = forge.container(forge.network)
    (tmp_path / "model.pt").write_bytes(content)
    record = read_model(tmp_path / "model.pt")
    assert record.file_bytes == len(content)
    assert record.sha256 == hashlib.sha256(content).hexdigest()


def test_errors_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"nothing of the kind")
    with pytest.raises(CorruptModelError, match=r"model\.pt: file: an unknown kind of file"):
        read_model(tmp_path / "model.pt")


def test_symbolic_link_is_followed(forge: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(forge.container(forge.network))
    (tmp_path / "link.pt").symlink_to(tmp_path / "model.pt")
    assert read_model(tmp_path / "link.pt").tensors


def test_the_forge_writes_what_torch_reads(forge: SimpleNamespace, tmp_path: Path) -> None:
    """The hand-made files are no invention: torch loads them to the same numbers."""
    for legacy in (False, True):
        path = tmp_path / "model.pt"
        path.write_bytes(forge.container(forge.network, legacy=legacy))
        network = torch.load(path, weights_only=False)
        record = read_model(path)
        assert all(np.array_equal(record.tensors[name], value) for name, value in network.state_dict().items())


def test_a_saved_model_in_memory_is_read_as_its_file(tmp_path: Path) -> None:
    content = _saved(_network(), legacy=False, protocol=2)
    (tmp_path / "model.pt").write_bytes(content)
    of_file, of_memory = read_model(tmp_path / "model.pt"), read_model(SavedModel("network", content))
    assert of_memory.modules == of_file.modules
    assert (of_memory.sha256, of_memory.file_bytes) == (of_file.sha256, len(content))
    assert all(np.array_equal(of_memory.tensors[name], tensor) for name, tensor in of_file.tensors.items())
    with pytest.raises(CorruptModelError, match=r"^network: "):
        read_model(SavedModel("network", content[:-100]))
    assert "content" not in repr(SavedModel("network", content))
