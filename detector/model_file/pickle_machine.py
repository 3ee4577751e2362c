"""A small pickle machine that builds inert records: it never imports, calls or instantiates what a file names.

It knows exactly the opcodes that Python's pickler writes for a network in protocols 2 to 5; every other opcode is
refused by its name. Each REDUCE, NEWOBJ and BUILD only fills a record (`pickle_calls`). `ModelFileLimits` bound all
work and memory, whatever the bytes say: an instruction costs one, and each object that it moves or copies another one.
Nothing here recurses.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from detector.base.limits import ModelFileLimits
from detector.model_file.allowed import GlobalName, resolve
from detector.model_file.pickle_bytes import I4, U2, U4, U8, PickleBytes
from detector.model_file.pickle_calls import called, give_state, new_object, strings
from detector.model_file.pickle_stack import PickleStack
from detector.model_file.pickle_values import Inert, describe
from detector.model_file.refusals import dangerous

_SMALL_INTEGER = 1 << 31  # keys beyond are not written by torch, and crafted ones could make dictionaries slow
_OPCODE_NAMES = {ord(opcode.code): opcode.name for opcode in pickletools.opcodes}


@dataclass(frozen=True, slots=True)
class Unpickled:
    """One pickle: its value as inert records, its protocol, and the position after its STOP."""

    value: object
    protocol: int
    end: int


def run_pickle(
    data: memoryview,
    limits: ModelFileLimits,
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
    machine = _Machine(PickleBytes(data, limits, entry, start), persistent_load)
    return machine.run()


class _Machine:
    """The opcodes: each reads what follows it in `source` and changes the `stack`."""

    def __init__(self, source: PickleBytes, persistent_load: Callable[[object], object] | None) -> None:
        self.source = source
        self.stack = PickleStack(source)
        self.persistent_load = persistent_load

    def run(self) -> Unpickled:
        source, stack = self.source, self.stack
        protocol = self._protocol()
        while (code := source.opcode()) != _STOP:
            handler = _HANDLERS.get(code)
            if handler is None or protocol < _SINCE.get(code, 0):
                name = _OPCODE_NAMES.get(code, f"0x{code:02x}")
                expected = "only opcodes that torch.save writes for a network"
                raise dangerous(f"pickle opcode {name}", source.where, expected)
            handler(self)
            source.check_frame()
            stack.spend(1)
            stack.check_size()
        value = stack.last()
        source.check_end()
        return Unpickled(value, protocol, source.position)

    def _protocol(self) -> int:
        opcode, protocol = self.source.take(2)
        if opcode != _PROTO or not 2 <= protocol <= 5:
            raise self.source.malformed("no pickle of protocol 2 to 5")
        return protocol

    def second_protocol(self) -> NoReturn:
        raise self.source.malformed("a second PROTO opcode")

    def append(self, items: list[object]) -> None:
        target = self.stack.pop()
        if type(target) is not list:
            raise self.source.misused(f"items appended to {describe(target)}")
        target.extend(items)
        self.stack.push(target)

    def append_one(self) -> None:
        self.append([self.stack.pop()])

    def set_items(self, items: list[object]) -> None:
        target = self.stack.pop()
        if len(items) % 2:
            raise self.source.malformed("a key without a value")
        if type(target) is Inert:
            self.stack.push(target)
            target.parts.extend(items)
            return
        if type(target) is not dict:
            raise self.source.misused(f"items set on {describe(target)}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[self._key(key)] = value
        self.stack.push(target)

    def set_one(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.set_items([key, value])

    def _key(self, key: object) -> str | int:
        if type(key) is str or (type(key) is int and abs(key) < _SMALL_INTEGER):
            return key
        if type(key) is GlobalName or type(key) is float:
            return str(key)  # Lightning's callbacks by class; a table by learning rate
        raise self.source.misused(f"{describe(key)} as a dictionary key")

    def add_items(self) -> None:
        items = self.stack.pop_to_mark()
        target = self.stack.pop()
        if type(target) is not set:
            raise self.source.misused(f"elements added to {describe(target)}")
        target.update(strings(items, self.stack))
        self.stack.push(target)

    def stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if type(name) is not str or type(module) is not str:
            raise self.source.misused("a global whose name is not text")
        self.stack.push(resolve(module, name, self.source.where))

    def text_global(self) -> None:
        module = self.source.line()
        self.stack.push(resolve(module, self.source.line(), self.source.where))

    def persistent(self) -> None:
        if self.persistent_load is None:
            raise self.source.misused("a reference to outside of the pickle")
        self.stack.push(self.persistent_load(self.stack.pop()))

    def newobj(self) -> None:
        arguments, cls = self.stack.pop(), self.stack.pop()
        self.stack.push(new_object(cls, arguments, self.stack))

    def reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.stack.push(called(function, arguments, self.stack))

    def build(self) -> None:
        state, target = self.stack.pop(), self.stack.pop()
        give_state(target, state, self.stack)
        self.stack.push(target)


_NAMED_HANDLERS: dict[str, Callable[[_Machine], None]] = {
    "PROTO": _Machine.second_protocol,
    "FRAME": lambda machine: machine.source.begin_frame(),
    "MARK": lambda machine: machine.stack.mark(),
    "NONE": lambda machine: machine.stack.push(None),
    "NEWTRUE": lambda machine: machine.stack.push(True),
    "NEWFALSE": lambda machine: machine.stack.push(False),
    "BININT": lambda machine: machine.stack.push(machine.source.number(I4)),
    "BININT1": lambda machine: machine.stack.push(machine.source.byte()),
    "BININT2": lambda machine: machine.stack.push(machine.source.number(U2)),
    "LONG1": lambda machine: machine.stack.push(machine.source.long_integer()),
    "BINFLOAT": lambda machine: machine.stack.push(machine.source.real()),
    "BINUNICODE": lambda machine: machine.stack.push(machine.source.text(machine.source.number(U4))),
    "SHORT_BINBYTES": lambda machine: machine.stack.push(machine.source.string(machine.source.byte())),
    "BINBYTES": lambda machine: machine.stack.push(machine.source.string(machine.source.number(U4))),
    "BYTEARRAY8": lambda machine: machine.stack.push(machine.source.string(machine.source.number(U8))),
    "SHORT_BINUNICODE": lambda machine: machine.stack.push(machine.source.text(machine.source.byte())),
    "EMPTY_TUPLE": lambda machine: machine.stack.push(()),
    "TUPLE1": lambda machine: machine.stack.push(machine.stack.pop_several(1)),
    "TUPLE2": lambda machine: machine.stack.push(machine.stack.pop_several(2)),
    "TUPLE3": lambda machine: machine.stack.push(machine.stack.pop_several(3)),
    "TUPLE": lambda machine: machine.stack.push(tuple(machine.stack.pop_to_mark())),
    "EMPTY_LIST": lambda machine: machine.stack.push([]),
    "APPEND": _Machine.append_one,
    "APPENDS": lambda machine: machine.append(machine.stack.pop_to_mark()),
    "EMPTY_DICT": lambda machine: machine.stack.push({}),
    "SETITEM": _Machine.set_one,
    "SETITEMS": lambda machine: machine.set_items(machine.stack.pop_to_mark()),
    "EMPTY_SET": lambda machine: machine.stack.push(set()),
    "ADDITEMS": _Machine.add_items,
    "BINPUT": lambda machine: machine.stack.remember(machine.source.byte()),
    "LONG_BINPUT": lambda machine: machine.stack.remember(machine.source.number(U4)),
    "MEMOIZE": lambda machine: machine.stack.remember_next(),
    "BINGET": lambda machine: machine.stack.recall(machine.source.byte()),
    "LONG_BINGET": lambda machine: machine.stack.recall(machine.source.number(U4)),
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
