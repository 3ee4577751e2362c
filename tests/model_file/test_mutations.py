"""Whatever happens to a good file, the answer is a record or a typed error, never another exception."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector.base.errors import ModelRefusedError
from detector.model_file import ModelFileLimits, parse_model

pytestmark = pytest.mark.hostile

LIMITS = ModelFileLimits(opcodes=20_000, values=20_000, pickle_bytes=1 << 16)
bounded = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

# Places are fractions of the length, so that one strategy fits every file.
places = st.floats(0, 1, exclude_max=True)
Change = tuple[str, float, float, int]
edits = st.lists(
    st.tuples(st.sampled_from(["flip", "set", "insert", "delete", "copy"]), places, places, st.integers(0, 255)),
    min_size=1,
    max_size=6,
)


def _mutated(content: bytes, changes: list[Change]) -> bytes:
    mutated = bytearray(content)
    for kind, place, other, value in changes:
        at = int(place * len(mutated))
        match kind:
            case "flip":
                mutated[at] ^= 1 << (value % 8)
            case "set":
                mutated[at] = value
            case "insert":
                mutated.insert(at, value)
            case "delete":
                del mutated[at : at + 1 + value % 16]
            case "copy":
                source = int(other * len(mutated))
                mutated[at : at + value % 16] = mutated[source : source + value % 16]
    return bytes(mutated)


def _record_or_refusal(content: bytes) -> None:
    try:
        record = parse_model(content, LIMITS)
    except ModelRefusedError as error:
        assert str(error).isprintable()
    else:
        assert record.tensors


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_mutated_files(forge: SimpleNamespace, legacy: bool, protocol: int) -> None:
    good = forge.container(forge.network, legacy=legacy, protocol=protocol)

    @bounded
    @given(edits)
    def check(changes: list[Change]) -> None:
        _record_or_refusal(_mutated(good, changes))

    check()


@pytest.mark.parametrize("protocol", [2, 4])
def test_mutated_pickles_in_sound_archives(forge: SimpleNamespace, protocol: int) -> None:
    """Checksums do not hide the pickle from the mutations."""
    storages = forge.Storages()
    program = forge.encode(forge.network(storages), protocol)

    @bounded
    @given(edits)
    def check(changes: list[Change]) -> None:
        _record_or_refusal(forge.zip_file(_mutated(program, changes), storages.content))

    check()


@bounded
@given(st.binary(max_size=300))
def test_random_bytes(content: bytes) -> None:
    for start in (b"", b"PK\3\4", b"\x80\x02", b"\x80\x04\x95"):
        _record_or_refusal(start + content)


def test_random_programs(forge: SimpleNamespace) -> None:
    """Opcodes in random order reach more of the pickle machine than random bytes."""
    network = b"ctorch.nn.modules.conv\nConv2d\n"
    pieces = [bytes([code]) for code in b")]}(NtabseuR\x81\x85\x86\x87\x88\x89\x8f\x90\x93\x94Qhq"]
    pieces += [network, b"ccollections\nOrderedDict\n", b"cbuiltins\nset\n", b"ctorch\nSize\n", b"\x8c\1x", b"K\1"]
    pieces += [b"ctorch._utils\n_rebuild_tensor_v2\n", b"cfunctools\npartial\n", b"ctorch\nFloatStorage\n"]

    @bounded
    @given(st.lists(st.sampled_from(pieces), max_size=60))
    def check(program: list[bytes]) -> None:
        _record_or_refusal(forge.zip_file(b"\x80\x04" + b"".join(program) + b"."))

    check()
