"""A small pickle machine that builds inert records: it never imports, calls or instantiates what a file names.

It knows exactly the opcodes that Python's pickler writes for a network in protocols 2 to 5; every other opcode is
refused by its name. Each REDUCE, NEWOBJ and BUILD only fills a record whose role is known from `allowed`. All work and
memory is bounded by `Limits`, whatever the bytes say: an instruction costs one and each object that it moves or copies
another one. Nothing here recurses.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import NoReturn

from detector.base.errors import CorruptModelError, UnsafeModelError
from detector.base.text import listed, printable
from detector.model_file.allowed import GlobalName, Role, resolve
from detector.model_file.limits import Limits
from detector.model_file.refusals import corrupt, dangerous, over_limit

_LONGEST_NAME = 256  # bytes of a global's module or name
_LONGEST_DEVICE = 32  # characters of a device's kind
_SMALL_INTEGER = 1 << 31  # keys beyond are not written by torch, and crafted ones could make dictionaries slow
_SHOWN, _SHOWN_TEXT = 10, 60  # keys and characters of a value that a message tells
_OPCODE_NAMES = {ord(opcode.code): opcode.name for opcode in pickletools.opcodes}


@dataclass(slots=True, eq=False)
class Instance:
    """An object of a module class: its class and the state that BUILD gave it (None: none yet)."""

    cls: GlobalName
    state: dict[object, object] | None = None


@dataclass(slots=True, eq=False)
class Inert:
    """A plain value that lies beside a network (a date, a path, an array of numpy): what it was to be made from."""

    function: GlobalName
    parts: list[object]


@dataclass(slots=True, eq=False)
class Call:
    """A call that the file asks for and that nobody makes: the function's name, its arguments, its state."""

    function: GlobalName
    arguments: tuple[object, ...]
    state: object = None


@dataclass(frozen=True, slots=True)
class Unpickled:
    """One pickle: its value as inert records, its protocol, and the position after its STOP."""

    value: object
    protocol: int
    end: int


def run_pickle(
    data: memoryview,
    limits: Limits,
    *,
    entry: str,
    start: int = 0,
    persistent_load: Callable[[object], object] | None = None,
) -> Unpickled:
    """Interpret the pickle at `start`; `entry` names it in errors, `persistent_load` answers its BINPERSID.

    Raises
    ------
    UnsafeModelError
        For a global, an opcode or a use of one that no network needs, and for every exceeded limit.
    CorruptModelError
        For a truncated or malformed pickle.
    """
    machine = _Machine(data, limits, entry, start, persistent_load)
    return machine.run()


class _Machine:
    def __init__(
        self,
        data: memoryview,
        limits: Limits,
        entry: str,
        start: int,
        persistent_load: Callable[[object], object] | None,
    ) -> None:
        self.data = data
        self.limits = limits
        self.entry = entry
        self.start = start
        self.persistent_load = persistent_load
        self.position = start
        self.end = min(len(data), start + limits.pickle_bytes)
        self.opcode_at = start
        self.protocol = 0
        self.frame_end = 0
        self.steps = 0
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}

    # The loop.

    def run(self) -> Unpickled:
        self._read_protocol()
        while (code := self._byte()) != _STOP:
            handler = _HANDLERS.get(code)
            if handler is None or self.protocol < _SINCE.get(code, 0):
                name = _OPCODE_NAMES.get(code, f"0x{code:02x}")
                raise dangerous(
                    f"pickle opcode {name}", self.where, "only opcodes that torch.save writes for a network"
                )
            handler(self)
            if self.frame_end:
                self._check_frame()
            self._spend(1)
            if len(self.stack) > self.limits.stack:
                raise over_limit("objects on the pickle stack", self.where, self.limits.stack)
            self.opcode_at = self.position
        return self._finish()

    def _read_protocol(self) -> None:
        opcode, self.protocol = self._take(2)
        if opcode != _PROTO or not 2 <= self.protocol <= 5:
            raise self._malformed("no pickle of protocol 2 to 5")
        self.opcode_at = self.position

    def _finish(self) -> Unpickled:
        if len(self.stack) != 1 or self.marks:
            raise self._malformed(f"{len(self.stack)} objects left at the end of the pickle")
        if self.frame_end not in (0, self.position):
            raise self._malformed("a frame that reaches beyond the end of the pickle")
        return Unpickled(self.stack[0], self.protocol, self.position)

    def _check_frame(self) -> None:
        if self.position > self.frame_end:
            raise self._malformed("an opcode that crosses the end of its frame")
        if self.position == self.frame_end:
            self.frame_end = 0

    def _spend(self, steps: int) -> None:
        self.steps += steps
        if self.steps > self.limits.opcodes:
            raise over_limit("pickle opcodes", self.where, self.limits.opcodes)

    # Reading.

    @property
    def where(self) -> str:
        return f"{self.entry}, byte {self.opcode_at - self.start}"

    def _malformed(self, what: str) -> CorruptModelError:
        return corrupt(what, self.where, "a pickle as torch.save writes it")

    def _misused(self, what: str) -> UnsafeModelError:
        return dangerous(what, self.where, "a pickle as torch.save writes it")

    def _take(self, count: int) -> memoryview:
        start = self.position
        self.position += count
        if self.position > self.end:
            raise self._ended()
        return self.data[start : self.position]

    def _byte(self) -> int:  # the same as _take(1)[0], which is called for every opcode, in half the time
        at = self.position
        self.position += 1
        if at >= self.end:
            raise self._ended()
        return self.data[at]

    def _ended(self) -> CorruptModelError | UnsafeModelError:
        if self.position > len(self.data):
            return self._malformed("the pickle is truncated")
        return over_limit("bytes in one pickle", self.where, self.limits.pickle_bytes)

    def _number(self, layout: struct.Struct) -> int:
        number: int = layout.unpack(self._take(layout.size))[0]
        return number

    def _text(self, length: int) -> str:
        if length > self.limits.string_bytes:
            raise over_limit("bytes in one string", self.where, self.limits.string_bytes)
        try:
            return str(self._take(length), "utf-8")
        except UnicodeDecodeError as error:
            raise self._malformed("a string that is not UTF-8") from error

    def _bytes(self, length: int) -> bytes:
        if length > self.limits.pickle_bytes:
            raise over_limit("bytes in one string", self.where, self.limits.pickle_bytes)
        return bytes(self._take(length))

    def _line(self) -> str:
        length = bytes(self.data[self.position : self.position + _LONGEST_NAME]).find(b"\n")
        if length < 0:
            raise self._malformed("a global with an endless name")
        line = self._text(length)
        self._take(1)
        return line

    # The stack and the memo.

    def push(self, value: object) -> None:
        self.stack.append(value)

    def pop(self) -> object:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise self._malformed("an opcode that takes more objects than there are")
        return self.stack.pop()

    def pop_to_mark(self) -> list[object]:
        if not self.marks:
            raise self._malformed("an opcode without its mark")
        mark = self.marks.pop()
        items = self.stack[mark:]
        del self.stack[mark:]
        self._spend(len(items))
        return items

    def mark(self) -> None:
        if len(self.marks) >= self.limits.stack:
            raise over_limit("marks on the pickle stack", self.where, self.limits.stack)
        self.marks.append(len(self.stack))

    def remember(self, index: int) -> None:
        value = self.pop()
        self.push(value)
        self.memo[index] = value
        if len(self.memo) > self.limits.memo:
            raise over_limit("objects in the pickle memo", self.where, self.limits.memo)

    def recall(self, index: int) -> None:
        if index not in self.memo:
            raise self._malformed(f"memo entry {index} is used before it is set")
        self.push(self.memo[index])

    # Handlers of single opcodes.

    def frame(self) -> None:
        length = self._number(_U8)
        if self.frame_end or length == 0 or length > self.end - self.position:
            raise self._malformed("a frame inside a frame or beyond the end of the file")
        self.frame_end = self.position + length

    def long1(self) -> None:
        length = self._byte()
        if length > self.limits.integer_bytes:
            raise over_limit("bytes in one integer", self.where, self.limits.integer_bytes)
        self.push(int.from_bytes(self._take(length), "little", signed=True))

    def binfloat(self) -> None:
        self.push(_FLOAT.unpack(self._take(8))[0])

    def tuple_of(self, count: int) -> None:
        self._spend(count)
        items = [self.pop() for _ in range(count)]
        self.push(tuple(reversed(items)))

    def append(self, items: list[object]) -> None:
        target = self.pop()
        if type(target) is not list:
            raise self._misused(f"items appended to {describe(target)}")
        target.extend(items)
        self.push(target)

    def append_one(self) -> None:
        self.append([self.pop()])

    def set_items(self, items: list[object]) -> None:
        target = self.pop()
        if len(items) % 2:
            raise self._malformed("a key without a value")
        if type(target) is Inert:
            self.push(target)
            target.parts.extend(items)
            return
        if type(target) is not dict:
            raise self._misused(f"items set on {describe(target)}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[self._key(key)] = value
        self.push(target)

    def set_one(self) -> None:
        value, key = self.pop(), self.pop()
        self.set_items([key, value])

    def add_items(self) -> None:
        items = self.pop_to_mark()
        target = self.pop()
        if type(target) is not set:
            raise self._misused(f"elements added to {describe(target)}")
        target.update(self._strings(items))
        self.push(target)

    def stack_global(self) -> None:
        name, module = self.pop(), self.pop()
        if type(name) is not str or type(module) is not str:
            raise self._misused("a global whose name is not text")
        self.push(resolve(module, name, self.where))

    def text_global(self) -> None:
        module = self._line()
        self.push(resolve(module, self._line(), self.where))

    def persistent(self) -> None:
        if self.persistent_load is None:
            raise self._misused("a reference to outside of the pickle")
        self.push(self.persistent_load(self.pop()))

    def newobj(self) -> None:
        arguments, cls = self.pop(), self.pop()
        if type(cls) is GlobalName and cls.role is Role.INERT and type(arguments) is tuple:
            self.push(Inert(cls, [arguments]))
            return
        if type(cls) is not GlobalName or cls.role is not Role.MODULE:
            raise self._misused(f"an object of {describe(cls)}")
        if arguments != ():
            raise self._misused(f"an object of {cls} made with arguments")
        self.push(Instance(cls))

    def reduce(self) -> None:
        arguments, function = self.pop(), self.pop()
        if type(function) is not GlobalName or type(arguments) is not tuple:
            raise self._misused(f"a call of {describe(function)}")
        if len(arguments) > self.limits.arguments:
            raise over_limit(f"arguments of {function}", self.where, self.limits.arguments)
        self.push(self._called(function, arguments))

    def _called(self, function: GlobalName, arguments: tuple[object, ...]) -> object:
        match function.role, arguments:
            case Role.MAPPING, ():
                return {}
            case Role.SET, (list() as items,):
                return self._strings(items)
            case Role.SIZE, (tuple() as sizes,):
                return sizes
            case Role.DEVICE, (str() as kind, *index) if self._names_device(kind, index):
                return ":".join(map(str, (kind, *index)))
            case ((Role.TENSOR | Role.PARAMETER | Role.PARTIAL | Role.BACKEND), _):
                return Call(function, arguments)
            case Role.INERT, _:
                return Inert(function, [arguments])
            case _:
                return self._beside(function, arguments)

    def _beside(self, function: GlobalName, arguments: tuple[object, ...]) -> object:
        """What lies beside a network in a checkpoint and is made by functions, each in the one form that is known."""
        match function.role, arguments:
            case Role.DEFAULTS, () | (None | GlobalName(role=Role.INERT),):
                return {}
            case Role.COUNTS, () | (dict(),):
                return arguments[0] if arguments else {}
            case Role.QUEUE, () | (tuple() | list(),) | (tuple() | list(), None | int()):
                return []
            case Role.BYTES, (str(), "latin1" | "latin-1"):
                return Inert(function, [arguments])
            case Role.ARRAY, (GlobalName("numpy", "ndarray"), tuple(), bytes() | Inert()):
                return Inert(function, [arguments])
            case ((Role.BYTES | Role.ARRAY), _):
                raise dangerous(f"the file names {function} and calls it in another way", self.where, "plain values")
        raise self._misused(f"a call of {function}")

    @staticmethod
    def _names_device(kind: str, index: list[object]) -> bool:
        return len(kind) <= _LONGEST_DEVICE and len(index) <= 1 and all(type(number) is int for number in index)

    def build(self) -> None:
        state, target = self.pop(), self.pop()
        match target, state:
            case Instance(state=None), dict():
                target.state = state
            case Call(function=GlobalName(role=Role.PARTIAL), state=None), tuple():
                target.state = state
            case dict(), dict() as extra if len(extra) == 1 and "_metadata" in extra:  # versions, in state dicts
                pass
            case Inert(), _:
                target.parts.append(state)
            case _:
                raise self._misused(f"state given to {describe(target)}")
        self.push(target)

    def _key(self, key: object) -> str | int:
        if type(key) is str or (type(key) is int and abs(key) < _SMALL_INTEGER):
            return key
        if type(key) is GlobalName or type(key) is float:
            return str(key)  # Lightning's callbacks by class; a table by learning rate
        raise self._misused(f"{describe(key)} as a dictionary key")

    def _strings(self, items: list[object]) -> set[str]:
        self._spend(len(items))
        strings = {item for item in items if type(item) is str}
        if any(type(item) is not str for item in items):
            raise self._misused("a set of something other than text")
        return strings


def describe(value: object) -> str:
    """A value of the machine in a few words, without walking into it."""
    match value:
        case GlobalName():
            return str(value)
        case Instance():
            return f"an object of {value.cls}"
        case Call():
            return f"the result of {value.function}"
        case Inert():
            return f"an object of {value.function}"
        case dict() if value:
            return f"a dict with the keys {listed([str(key) for key in islice(value, _SHOWN)])}" + (
                f" and {len(value) - _SHOWN} more" if len(value) > _SHOWN else ""
            )
        case str():
            return f"the text '{printable(value[:_SHOWN_TEXT])}'"
        case None | bool() | int() | float():
            return repr(value)
    return f"a {type(value).__name__}"


def _refuse_second_protocol(machine: _Machine) -> NoReturn:
    raise machine._malformed("a second PROTO opcode")


_U1, _U2, _U4, _U8 = (struct.Struct(layout) for layout in ("<B", "<H", "<I", "<Q"))
_I4, _FLOAT = struct.Struct("<i"), struct.Struct(">d")

_NAMED_HANDLERS: dict[str, Callable[[_Machine], None]] = {
    "PROTO": _refuse_second_protocol,
    "FRAME": _Machine.frame,
    "MARK": _Machine.mark,
    "NONE": lambda machine: machine.push(None),
    "NEWTRUE": lambda machine: machine.push(True),
    "NEWFALSE": lambda machine: machine.push(False),
    "BININT": lambda machine: machine.push(machine._number(_I4)),
    "BININT1": lambda machine: machine.push(machine._byte()),
    "BININT2": lambda machine: machine.push(machine._number(_U2)),
    "LONG1": _Machine.long1,
    "BINFLOAT": _Machine.binfloat,
    "BINUNICODE": lambda machine: machine.push(machine._text(machine._number(_U4))),
    "SHORT_BINBYTES": lambda machine: machine.push(machine._bytes(machine._byte())),
    "BINBYTES": lambda machine: machine.push(machine._bytes(machine._number(_U4))),
    "BYTEARRAY8": lambda machine: machine.push(machine._bytes(machine._number(_U8))),
    "SHORT_BINUNICODE": lambda machine: machine.push(machine._text(machine._byte())),
    "EMPTY_TUPLE": lambda machine: machine.push(()),
    "TUPLE1": lambda machine: machine.tuple_of(1),
    "TUPLE2": lambda machine: machine.tuple_of(2),
    "TUPLE3": lambda machine: machine.tuple_of(3),
    "TUPLE": lambda machine: machine.push(tuple(machine.pop_to_mark())),
    "EMPTY_LIST": lambda machine: machine.push([]),
    "APPEND": _Machine.append_one,
    "APPENDS": lambda machine: machine.append(machine.pop_to_mark()),
    "EMPTY_DICT": lambda machine: machine.push({}),
    "SETITEM": _Machine.set_one,
    "SETITEMS": lambda machine: machine.set_items(machine.pop_to_mark()),
    "EMPTY_SET": lambda machine: machine.push(set()),
    "ADDITEMS": _Machine.add_items,
    "BINPUT": lambda machine: machine.remember(machine._byte()),
    "LONG_BINPUT": lambda machine: machine.remember(machine._number(_U4)),
    "MEMOIZE": lambda machine: machine.remember(len(machine.memo)),
    "BINGET": lambda machine: machine.recall(machine._byte()),
    "LONG_BINGET": lambda machine: machine.recall(machine._number(_U4)),
    "GLOBAL": _Machine.text_global,
    "STACK_GLOBAL": _Machine.stack_global,
    "BINPERSID": _Machine.persistent,
    "NEWOBJ": _Machine.newobj,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
}
_HANDLERS = {ord(op.code): _NAMED_HANDLERS[op.name] for op in pickletools.opcodes if op.name in _NAMED_HANDLERS}
_SINCE = {  # bytes: what lies beside a network may hold them, and what writes them knows the protocol that has them
    ord(op.code): op.proto for op in pickletools.opcodes if op.name in ("SHORT_BINBYTES", "BINBYTES", "BYTEARRAY8")
}
_PROTO, _STOP = 0x80, ord(".")
