"""Each limit refuses one more than it allows, and the defaults leave room for the largest architecture."""

from __future__ import annotations

import dataclasses
import os
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from detector.base.errors import CorruptModelError, UnsafeModelError
from detector.model_file import ModelFileLimits, SavedModel, parse_model, read_model

NAMES = [field.name for field in dataclasses.fields(ModelFileLimits)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0, -1, 1.5, True, None, "9"])
def test_validated_at_construction(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"expected {name} to be a positive int"):
        ModelFileLimits(**{name: value})


# What the forge's smallest network takes, counted by hand where it is small: (exactly enough, what is said if not).
NEEDS = {
    "members": (8, "too many members"),  # data.pkl, six storages, version
    "modules": (3, "too many modules"),
    "tensors": (6, "too many tensors"),
    "string_bytes": (len("_load_state_dict_pre_hooks"), "too many bytes in one string"),  # the longest text in it
}


@pytest.fixture
def content(forge: SimpleNamespace) -> bytes:
    made: bytes = forge.container(forge.network)
    return made


@pytest.mark.parametrize(("name", "enough", "named"), [(name, *need) for name, need in NEEDS.items()], ids=NEEDS)
def test_exact_limits(content: bytes, name: str, enough: int, named: str) -> None:
    assert parse_model(content, ModelFileLimits(**{name: enough})).tensors
    with pytest.raises(UnsafeModelError, match=named):
        parse_model(content, ModelFileLimits(**{name: enough - 1}))


def test_file_bytes(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(content)
    assert read_model(tmp_path / "model.pt", ModelFileLimits(file_bytes=len(content))).tensors
    assert read_model(SavedModel("it", content), ModelFileLimits(file_bytes=len(content))).tensors
    with pytest.raises(UnsafeModelError, match=rf"it: file: .*\({len(content)}\)"):
        read_model(SavedModel("it", content), ModelFileLimits(file_bytes=len(content) - 1))
    with pytest.raises(UnsafeModelError, match="too many bytes"):
        read_model(tmp_path / "model.pt", ModelFileLimits(file_bytes=len(content) - 1))


def _one_pickle(forge: SimpleNamespace, body: bytes, protocol: int = 4) -> bytes:
    """A file whose pickle leaves one entry of a checkpoint beside a state dict of one number."""
    made: bytes = forge.container(
        lambda storages: {"junk": forge.Raw(body), "model": _weights(forge, storages)}, protocol=protocol
    )
    return made


def _weights(forge: SimpleNamespace, storages: Any) -> dict[str, Any]:
    return {"weight": storages.tensor(np.ones(1, np.float32))}


MACHINE = {
    "opcodes": (b")" + b"\x85" * 100, 200, "too many pickle opcodes"),
    "stack": (b"(" + b"N" * 100 + b"t", 100, "too many objects on the pickle stack"),
    "memo": (b"N" + b"\x94" * 100, 99, "too many objects in the pickle memo"),
    "integer_bytes": (b"\x8a\x64" + b"\1" * 100, 99, "too many bytes in one integer"),
    "arguments": (b"cargparse\nNamespace\n(" + b"N" * 100 + b"tR", 99, "too many arguments of argparse.Namespace"),
    "pickle_bytes": (b"X\xe8\x03\0\0" + b"x" * 1000, 1000, "too many bytes in one pickle"),
}


@pytest.mark.parametrize(
    ("name", "body", "limit", "named"), [(name, *case) for name, case in MACHINE.items()], ids=MACHINE
)
def test_limits_of_the_pickle_machine(forge: SimpleNamespace, name: str, body: bytes, limit: int, named: str) -> None:
    content = _one_pickle(forge, body)
    generous = ModelFileLimits(**{name: 10_000})
    assert parse_model(content, generous).tensors
    with pytest.raises(UnsafeModelError, match=named):
        parse_model(content, dataclasses.replace(generous, **{name: limit}))


@pytest.mark.parametrize("what", ["modules", "values"])
def test_nesting(forge: SimpleNamespace, what: str) -> None:
    def deep(storages: Any) -> Any:
        network = forge.network(storages, value=forge.Raw(b")" + b"\x85" * (5 if what == "values" else 0)))
        for _ in range(0 if what == "values" else 4):  # the network itself is two deep
            network = forge.module(("torch.nn.modules.container", "Sequential"), children={"0": network})
        return network

    content = forge.container(deep)
    assert parse_model(content, ModelFileLimits(nesting=5)).tensors
    with pytest.raises(UnsafeModelError, match=f"{what} nested too deeply"):
        parse_model(content, ModelFileLimits(nesting=4))


def test_values(forge: SimpleNamespace) -> None:
    content = forge.container(lambda storages: forge.network(storages, many=[0] * 1000))
    assert parse_model(content, ModelFileLimits(values=2000)).modules[0].attributes["many"] == (0,) * 1000
    with pytest.raises(UnsafeModelError, match="too many attribute values"):
        parse_model(content, ModelFileLimits(values=1000))


def test_marks_count_as_stack(forge: SimpleNamespace) -> None:
    content = _one_pickle(forge, b"(" * 100 + b"t" * 100)
    assert parse_model(content).tensors
    with pytest.raises(UnsafeModelError, match="too many marks on the pickle stack"):
        parse_model(content, ModelFileLimits(stack=50))


def test_text(forge: SimpleNamespace) -> None:
    """Counted as often as it is referred to, and before anything is done with it."""
    content = forge.container(lambda storages: forge.network(storages, many=["x" * 100] * 10))
    assert parse_model(content, ModelFileLimits(text=2000)).modules[0].attributes["many"] == ("x" * 100,) * 10
    with pytest.raises(UnsafeModelError, match="too many characters in attributes"):
        parse_model(content, ModelFileLimits(text=999))


def test_every_limit_has_a_test() -> None:
    assert set(NAMES) == {
        *NEEDS,
        *MACHINE,
        "file_bytes",
        "nesting",
        "values",
        "text",
        "header_bytes",
    }  # the last in test_checkpoints


@pytest.mark.hostile
@pytest.mark.parametrize("start", [b"", b"\x00", b"\x89PNG\r\n\x1a\n", b"<html>", b"version https://git-lfs"])
def test_a_large_file_of_another_kind_is_not_read_to_be_refused(start: bytes, tmp_path: Path) -> None:
    """A sparse file just below the limit: it takes no room on disk, but would take two gigabytes of memory."""
    path = tmp_path / "model.pt"
    path.write_bytes(start)
    os.truncate(path, ModelFileLimits().file_bytes)
    tracemalloc.start()
    try:
        with pytest.raises(CorruptModelError):
            read_model(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
