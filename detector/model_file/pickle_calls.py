"""What becomes of the calls that a pickle asks for: each only fills a record whose role is known from `allowed`."""

from __future__ import annotations

from detector.model_file.allowed import GlobalName, Role
from detector.model_file.pickle_stack import PickleStack
from detector.model_file.pickle_values import Call, Inert, Instance, describe
from detector.model_file.refusals import dangerous, over_limit

_LONGEST_DEVICE = 32  # characters of a device's kind


def new_object(cls: object, arguments: object, stack: PickleStack) -> Instance | Inert:
    """What NEWOBJ makes: a module without content yet, or a plain value; UnsafeModelError for anything else."""
    if type(cls) is GlobalName and cls.role is Role.INERT and type(arguments) is tuple:
        return Inert(cls, [arguments])
    if type(cls) is not GlobalName or cls.role is not Role.MODULE:
        raise stack.source.misused(f"an object of {describe(cls)}")
    if arguments != ():
        raise stack.source.misused(f"an object of {cls} made with arguments")
    return Instance(cls)


def called(function: object, arguments: object, stack: PickleStack) -> object:
    """What REDUCE makes of a function's name and its arguments; UnsafeModelError where it makes nothing of them."""
    if type(function) is not GlobalName or type(arguments) is not tuple:
        raise stack.source.misused(f"a call of {describe(function)}")
    if len(arguments) > stack.limits.arguments:
        raise over_limit(f"arguments of {function}", stack.source.where, stack.limits.arguments)
    match function.role, arguments:
        case Role.MAPPING, ():
            return {}
        case Role.SET, (list() as items,):
            return strings(items, stack)
        case Role.SIZE, (tuple() as sizes,):
            return sizes
        case Role.DEVICE, (str() as kind, *index) if _names_device(kind, index):
            return ":".join(map(str, (kind, *index)))
        case ((Role.TENSOR | Role.PARAMETER | Role.PARTIAL | Role.BACKEND), _):
            return Call(function, arguments)
        case Role.INERT, _:
            return Inert(function, [arguments])
        case _:
            return _beside(function, arguments, stack)


def _beside(function: GlobalName, arguments: tuple[object, ...], stack: PickleStack) -> object:
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
            what = f"the file names {function} and calls it in another way"
            raise dangerous(what, stack.source.where, "plain values")
    raise stack.source.misused(f"a call of {function}")


def _names_device(kind: str, index: list[object]) -> bool:
    return len(kind) <= _LONGEST_DEVICE and len(index) <= 1 and all(type(number) is int for number in index)


def give_state(target: object, state: object, stack: PickleStack) -> None:
    """What BUILD does: the record `target` gets its state; UnsafeModelError where it takes none such."""
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
            raise stack.source.misused(f"state given to {describe(target)}")


def strings(items: list[object], stack: PickleStack) -> set[str]:
    """The texts of a set; UnsafeModelError if anything else is in it."""
    stack.spend(len(items))
    found = {item for item in items if type(item) is str}
    if any(type(item) is not str for item in items):
        raise stack.source.misused("a set of something other than text")
    return found
