"""Parsing in the sandbox: the same record and the same refusals as here, and nothing believed of what a child says."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.base.errors import CorruptModelError, DetectorError, ModelRefusedError, UnsafeModelError
from detector.base.limits import ChildLimits, ModelFileLimits
from detector.model_file import confined
from detector.model_file.confined import JOB
from detector.model_file.parsing import parse
from detector.model_file.reading import read_model
from detector.model_file.records import ModelRecord
from detector.model_file.source import SavedModel
from detector.sandbox.sandbox import Sandbox
from reliability.mutations import Change, Edit, mutated
from reliability.targets import Target, targets

HOME = Path(__file__).resolve().parents[2]
SAMPLES = sorted((HOME / "samples").glob("id-*/model.pt"))
MODEL_FILES = ("model file, zip", "model file, legacy", "model file, pickle in a whole zip", "model file, safetensors")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox([JOB]) as made:
        yield made


def same(one: ModelRecord, other: ModelRecord) -> bool:
    """Bit for bit, down to the order of names and the strides of arrays."""
    assert list(one.tensors) == list(other.tensors)
    for name, mine in one.tensors.items():
        theirs = other.tensors[name]
        assert (mine.dtype, mine.shape, mine.strides) == (theirs.dtype, theirs.shape, theirs.strides)
        assert mine.tobytes() == theirs.tobytes()
        assert not theirs.flags.writeable
    rest = [{**vars(each), "tensors": None, "hashing": None} for each in (one, other)]
    return repr(rest[0]) == repr(rest[1]) and one.sha256 == other.sha256


def outcome(content: bytes, sandbox: Sandbox | None) -> ModelRecord | tuple[type, str]:
    try:
        return read_model(SavedModel("name", content), sandbox=sandbox)
    except DetectorError as error:
        return type(error), str(error)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.parent.name)
def test_a_sample_is_the_same(path: Path, sandbox: Sandbox) -> None:
    assert same(read_model(path), read_model(path, sandbox=sandbox))


def test_numbers_that_are_converted_are_the_same(sandbox: Sandbox) -> None:
    import io

    import torch

    values = torch.tensor([1.0, -0.0, 1e-40, 1e300, float("nan"), float("-inf"), 1 / 3] * 2, dtype=torch.float64)
    state = {"a.weight": values.reshape(7, 2).t(), "a.bias": values.half(), "b.weight": values.bfloat16().reshape(2, 7)}
    file = io.BytesIO()
    torch.save(state, file)
    here, there = outcome(file.getvalue(), None), outcome(file.getvalue(), sandbox)
    assert isinstance(here, ModelRecord)
    assert isinstance(there, ModelRecord)
    assert same(here, there)
    assert len(here.notes) == 5


def _change(rng: np.random.Generator) -> Change:
    return Change(rng.choice(list(Edit)), float(rng.random()), float(rng.random()), int(rng.integers(256)))


@pytest.mark.hostile
@pytest.mark.parametrize("name", MODEL_FILES)
def test_mutated_files_end_in_the_same_way(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    target: Target = next(one for one in targets(tmp_path) if one.name == name)
    rng = np.random.default_rng(5)
    refused = 0
    for number in range(60):
        changes = [_change(rng) for _ in range(number % 4)]
        content = target.wrap(mutated(target.seeds[number % len(target.seeds)], changes, target.tokens))
        here, there = outcome(content, None), outcome(content, sandbox)
        if isinstance(here, ModelRecord) and isinstance(there, ModelRecord):
            assert same(here, there)
        else:
            assert here == there
            refused += 1
    assert 10 < refused < 60


@pytest.mark.hostile
@pytest.mark.parametrize("content", [b"", b"abc", b"\x89PNG\r\n\x1a\n" + bytes(600), b"\x80\x02." + bytes(10)])
def test_what_is_no_model_is_told_in_the_same_words(content: bytes, sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(content)
    texts = []
    for place in (None, sandbox):
        with pytest.raises(CorruptModelError) as told:
            read_model(tmp_path / "model.pt", sandbox=place)
        texts.append(str(told.value))
    assert texts[0] == texts[1]


@pytest.mark.hostile
def test_limits_hold_in_the_child_too(sandbox: Sandbox) -> None:
    for place in (None, sandbox):
        with pytest.raises(UnsafeModelError, match="too many"):
            read_model(SAMPLES[0], ModelFileLimits(opcodes=100), place)


@pytest.mark.hostile
@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (ChildLimits(memory_bytes=1 << 20), "more than 1 MB of memory"),
        (ChildLimits(cpu_seconds=0), "processor time|killed"),
        (ChildLimits(header_bytes=1000), "nonsense"),
    ],
)
def test_a_child_at_the_end_of_its_means_is_a_refusal(limits: ChildLimits, told: str) -> None:
    with Sandbox([JOB], limits) as small, pytest.raises(UnsafeModelError, match=told) as refusal:
        read_model(SavedModel("large.pt", large()), sandbox=small)
    assert str(refusal.value).startswith("large.pt: file: ")
    assert refusal.value.next_step


def large() -> bytes:
    """32 MB in double precision, which become 16 MB in single, in many tensors."""
    import io

    import torch

    state = {f"{name}.weight": torch.zeros(1 << 16, dtype=torch.float64) for name in range(64)}
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def header_of(path: Path) -> tuple[dict[str, Any], memoryview]:
    content = memoryview(path.read_bytes())
    return confined._header(parse(content, ModelFileLimits(), Future()), content), content


def record(header: dict[str, Any], content: memoryview) -> ModelRecord:
    import json

    return confined._record(json.loads(json.dumps(header)), content, Future(), ModelFileLimits())


Lie = Callable[[dict[str, Any]], object]
LIES: dict[str, Lie] = {
    "no tensors": lambda header: header.pop("tensors"),
    "a tensor without parts": lambda header: header["tensors"].append([]),
    "an unknown type": lambda header: header["tensors"][0].__setitem__(1, "float128"),
    "a type that is not used": lambda header: header["tensors"][0].__setitem__(1, "complex64"),
    "an offset beyond the file": lambda header: header["tensors"][0].__setitem__(2, 1 << 40),
    "an offset before the file": lambda header: header["tensors"][0].__setitem__(2, -4),
    "an offset that is a float": lambda header: header["tensors"][0].__setitem__(2, 4.0),
    "an offset that is True": lambda header: header["tensors"][0].__setitem__(2, True),
    "a shape beyond the file": lambda header: header["tensors"][0].__setitem__(3, [1 << 30, 3, 3, 3]),
    "a shape that overflows": lambda header: header["tensors"][0].__setitem__(3, [1 << 62, 1 << 62, 1 << 62, 1 << 62]),
    "a shape of nothing": lambda header: header["tensors"][0].__setitem__(3, [0, 3, 3, 3]),
    "a negative shape": lambda header: header["tensors"][0].__setitem__(3, [-1, -1, 3, 3]),
    "negative strides": lambda header: header["tensors"][0].__setitem__(4, [-4, 4, 4, 4]),
    "strides beyond the file": lambda header: header["tensors"][0].__setitem__(4, [1 << 40, 4, 4, 4]),
    "more strides than sizes": lambda header: header["tensors"][0][4].append(4),
    "too many dimensions": lambda header: header["tensors"][0].__setitem__(slice(3, 5), [[1] * 9, [4] * 9]),
    "stride 0 over a huge shape": lambda header: header["tensors"][0].__setitem__(slice(3, 5), [[1 << 40], [0]]),
    "too many tensors": lambda header: header.__setitem__("tensors", header["tensors"] * 1000),
    "a name that is no text": lambda header: header["tensors"][0].__setitem__(0, ["x"]),
    "an unknown format": lambda header: header.__setitem__("format", "pickle"),
    "a format that is no text": lambda header: header.__setitem__("format", 1),
    "an unknown kind": lambda header: header.__setitem__("kind", "code"),
    "a module without parts": lambda header: header["modules"].append(["a"]),
    "attributes that are a list": lambda header: header["modules"][0].__setitem__(3, []),
    "an attribute that is an object": lambda header: header["modules"][0][3].__setitem__("x", {"evil": 1}),
    "an attribute nested deeply": lambda header: header["modules"][0][3].__setitem__("x", _nested(40)),
    "a number that is none": lambda header: header["modules"][0][3].__setitem__("x", {"number": "1"}),
    "too many modules": lambda header: header.__setitem__("modules", header["modules"] * 1000),
    "notes that are a text": lambda header: header.__setitem__("notes", "evil"),
    "notes that are numbers": lambda header: header.__setitem__("notes", [1]),
    "data_parallel as a number": lambda header: header.__setitem__("data_parallel", 1),
    "a protocol as a truth value": lambda header: header.__setitem__("pickle_protocol", True),
    "bytes as a float": lambda header: header.__setitem__("extra_bytes", 1e300),
    "a refusal of another class": lambda header: header.__setitem__("refused", ["SystemExit", "a", "b", "c", "d"]),
    "a refusal without words": lambda header: header.__setitem__("refused", ["CorruptModelError"]),
    "a refusal that is an object": lambda header: header.__setitem__("refused", {}),
}


def _nested(depth: int) -> list[Any]:
    return [_nested(depth - 1)] if depth else []


@pytest.mark.hostile
@pytest.mark.parametrize("lie", LIES)
def test_lies_of_a_child_are_found(lie: str) -> None:
    header, content = header_of(SAMPLES[0])
    assert same_names(record(header, content), read_model(SAMPLES[0]))
    told = copy.deepcopy({**header, "tensors": [[*one[:3], list(one[3]), list(one[4])] for one in header["tensors"]]})
    LIES[lie](told)
    with pytest.raises(confined._NonsenseError) as error:
        record(told, content)
    assert len(str(error.value)) < 1000


def same_names(one: ModelRecord, other: ModelRecord) -> bool:
    return list(one.tensors) == list(other.tensors) and one.modules == other.modules


@pytest.mark.hostile
def test_a_child_that_lies_ends_in_a_refusal(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def lying(*_: object) -> ModelRecord:
        raise confined._NonsenseError("evil\nline")

    monkeypatch.setattr(confined, "_record", lying)
    with pytest.raises(UnsafeModelError, match="answered nonsense") as told:
        read_model(SAMPLES[0], sandbox=sandbox)
    assert str(told.value).isprintable()


def test_refusals_keep_their_class_and_words(sandbox: Sandbox) -> None:
    content = SAMPLES[0].read_bytes()[:-30]
    here, there = outcome(content, None), outcome(content, sandbox)
    assert here == there
    assert isinstance(here, tuple)
    assert issubclass(here[0], ModelRefusedError)


def test_every_field_of_a_record_comes_back() -> None:
    header, _ = header_of(SAMPLES[0])
    fields = {field.name for field in dataclasses.fields(ModelRecord)}
    assert fields - header.keys() == {"file_bytes", "hashing"}
