"""From inert records to a `ModelRecord`: accepts the shape of a torchvision network or a state dict, refuses the rest.

Every attribute of every module is visited. What could run, hide or replace something (hooks, overridden methods,
objects and tensors among the attributes) is refused with the path of the module; what is merely unusual (training
mode, saved on a GPU) becomes a note. Whether the network is the one that it claims to be, quality assurance decides.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from detector.model_file.allowed import GlobalName, Role, is_data_parallel
from detector.model_file.limits import Limits
from detector.model_file.pickle_machine import Call, Instance, describe
from detector.model_file.records import ContentKind, ModuleRecord, PlainValue
from detector.model_file.refusals import corrupt, over_limit, unsafe
from detector.model_file.tensors import TensorReader, is_tensor

_WRAPPER_KEYS = ("state_dict", "model_state_dict", "model")
_PREFIX = "module."  # what DataParallel puts before every name
_LONGEST_PATH = 512
_NAME = re.compile(r"[0-9A-Za-z_-]{1,100}", re.ASCII)  # of a module or parameter: one part of a dotted path
_ATTRIBUTE = re.compile(r"(?!__)[A-Za-z_][0-9A-Za-z_]{0,99}", re.ASCII)

# What torch.nn.Module keeps of its own in an instance; none of it describes the network.
_CONTENT_ATTRIBUTES = ("_parameters", "_buffers", "_modules")
_DROPPED_ATTRIBUTES = frozenset((*_CONTENT_ATTRIBUTES, "_non_persistent_buffers_set", "_backend"))

# Methods of torch.nn.Module: in an instance they would run in the place of the class's own code.
_METHODS = """
    _apply _call_impl _compiled_call_impl _get_backward_hooks _get_backward_pre_hooks _get_name _load_from_state_dict
    _maybe_warn_non_full_backward_hook _named_members _register_load_state_dict_pre_hook _register_state_dict_hook
    _replicate_for_data_parallel _save_to_state_dict _slow_forward _wrapped_call_impl add_module apply bfloat16 buffers
    children compile cpu cuda double eval extra_repr float forward get_buffer get_extra_state get_parameter
    get_submodule half ipu load_state_dict modules mtia named_buffers named_children named_modules named_parameters
    parameters register_backward_hook register_buffer register_forward_hook register_forward_pre_hook
    register_full_backward_hook register_full_backward_pre_hook register_load_state_dict_post_hook
    register_load_state_dict_pre_hook register_module register_parameter register_state_dict_post_hook
    register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory state_dict to to_empty train
    type xpu zero_grad parametrizations
"""
MODULE_METHODS = frozenset(_METHODS.split())
_OVERRIDES = re.compile(r"_?forward(?!\w*hook)\w*")  # `_forward_impl` and the like of torchvision's classes


@dataclass
class Audited:
    """The audit's result in the making: kind, modules in pre-order, notes."""

    kind: ContentKind
    modules: list[ModuleRecord] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    data_parallel: bool = False


def audit(root: object, reader: TensorReader, limits: Limits) -> Audited:
    """Check the pickle's value `root` whole; the tensors end up in `reader` under their `state_dict()` names.

    Raises
    ------
    UnsafeModelError
        For whatever a saved network never holds, naming path and attribute.
    CorruptModelError
        If the value is neither a network nor a state dict.
    """
    root, notes = _unwrap_checkpoint(root)
    if type(root) is Instance:
        audited = _Auditor(reader, limits).network(root)
    elif type(root) is dict and root and all(map(is_tensor, root.values())):
        audited = _audit_state_dict(root, reader)
    else:
        raise corrupt(f"{describe(root)} was saved", "pickle", "a network or its state dict")
    reader.check_overlaps()
    if not reader.tensors:
        raise corrupt("no tensors", "pickle", "a network with weights")
    if gpus := reader.devices - {"cpu"}:
        notes.append(f"saved from {', '.join(sorted(gpus))}")
    audited.notes[:0] = notes
    return audited


def _unwrap_checkpoint(root: object) -> tuple[object, list[str]]:
    """The network inside a training checkpoint such as `{"epoch": 3, "state_dict": ...}`."""
    if type(root) is dict:
        for key in _WRAPPER_KEYS:
            if type(inner := root.get(key)) in (dict, Instance):
                return inner, [f"taken from entry {key!r} of a checkpoint"]
    return root, []


# State dicts.


def _audit_state_dict(root: dict[object, object], reader: TensorReader) -> Audited:
    wrapped = all(type(key) is str and key.startswith(_PREFIX) for key in root)
    for key, value in root.items():
        name = str(key).removeprefix(_PREFIX) if wrapped else str(key)
        if type(key) is not str or len(name) > _LONGEST_PATH or not all(map(_NAME.fullmatch, name.split("."))):
            raise unsafe(f"entry {key!r}", "state dict", "dotted names of ASCII letters, digits and _")
        reader.add(name, value)
    return Audited(ContentKind.STATE_DICT, data_parallel=wrapped)


# Whole networks.


class _Auditor:
    def __init__(self, reader: TensorReader, limits: Limits) -> None:
        self.reader = reader
        self.limits = limits
        self.audited = Audited(ContentKind.MODULE)
        self.values = 0
        self.training = 0  # modules in training mode
        self.transient = 0  # buffers that state_dict() would leave out

    def network(self, root: Instance) -> Audited:
        if is_data_parallel(root.cls):
            root = self._inside_data_parallel(root)
        self._module(root, "", 0)
        if self.training:
            self.audited.notes.append(f"{self.training} modules were saved in training mode")
        if self.transient:
            self.audited.notes.append(f"{self.transient} buffers are not part of the state dict")
        return self.audited

    def _inside_data_parallel(self, root: Instance) -> Instance:
        state = self._state(root, "")
        self._attributes(state, "")
        children = _named(state, "_modules", "")
        network = children.get("module")
        if len(children) != 1 or type(network) is not Instance or state["_parameters"] or state["_buffers"]:
            raise unsafe("a DataParallel wrapper with other content", "root", "one network inside")
        self.audited.data_parallel = True
        return network

    def _module(self, module: Instance, path: str, depth: int) -> None:
        if depth > self.limits.nesting:
            raise unsafe("modules nested too deeply, or in themselves", _place(path), f"at most {self.limits.nesting}")
        if len(self.audited.modules) >= self.limits.modules:
            raise over_limit("modules", _place(path), self.limits.modules)
        if is_data_parallel(module.cls):
            raise unsafe("a DataParallel module inside of the network", _place(path), "one around the whole network")
        state = self._state(module, path)
        attributes = self._attributes(state, path)
        self.training += state.get("training") is True
        self.audited.modules.append(ModuleRecord(path, module.cls.module, module.cls.name, attributes))
        self._tensors(state, path)
        for name, child in _named(state, "_modules", path).items():
            child_path = self._join(path, name)
            if child is None:
                continue
            if type(child) is not Instance:
                raise unsafe(f"{describe(child)} in the place of a module", child_path, "a module")
            self._module(child, child_path, depth + 1)

    def _state(self, module: Instance, path: str) -> Mapping[object, object]:
        if module.state is None:
            raise unsafe(f"{module.cls} without content", _place(path), "a saved module")
        self._spend(len(module.state), path)
        names = [_named(module.state, content, path) for content in _CONTENT_ATTRIBUTES]
        self._spend(sum(map(len, names)), path)
        everything = [*module.state, *(name for group in names for name in group)]
        if len(set(everything)) != len(everything):
            twice = Counter(everything).most_common(1)[0][0]
            raise unsafe(f"{twice!r} exists twice", _place(path), "one meaning for each name")
        return module.state

    def _tensors(self, state: Mapping[object, object], path: str) -> None:
        transient = state.get("_non_persistent_buffers_set", set())
        if type(transient) is not set:
            raise unsafe("malformed _non_persistent_buffers_set", _place(path), "a set of names")
        self._spend(len(transient), path)
        for name, record in _named(state, "_parameters", path).items():
            if record is not None:
                self.reader.add(self._join(path, name), record)
        for name, record in _named(state, "_buffers", path).items():
            if name in transient:
                self.transient += 1
            elif record is not None:
                self.reader.add(self._join(path, name), record)

    def _attributes(self, state: Mapping[object, object], path: str) -> dict[str, PlainValue]:
        attributes: dict[str, PlainValue] = {}
        for name, value in state.items():
            where = f"{_place(path)}, attribute {name!r}"
            if type(name) is not str or _ATTRIBUTE.fullmatch(name) is None:
                raise unsafe("an impossible attribute name", where, "an identifier")
            if name == "_backend":
                _check_backend(value, where)
            elif name in MODULE_METHODS or _OVERRIDES.fullmatch(name):
                if value is not None:
                    raise unsafe("an attribute that replaces a method", where, "the methods of the class")
            elif "hook" in name:
                _check_no_hooks(value, where)
            elif name not in _DROPPED_ATTRIBUTES:
                attributes[name] = self._plain(value, where, 0)
        return attributes

    def _plain(self, value: object, where: str, depth: int) -> PlainValue:
        """The value as plain data; classes become their dotted names, lists and sets tuples, dicts tuples of pairs."""
        self._spend(1, where)
        if depth > self.limits.nesting:
            raise unsafe("values nested too deeply, or in themselves", where, f"at most {self.limits.nesting}")
        match value:
            case None | bool() | int() | float() | str():
                return value
            case list() | tuple():
                return tuple(self._plain(item, where, depth + 1) for item in value)
            case set():
                return tuple(self._plain(item, where, depth + 1) for item in sorted(value))
            case dict():
                return tuple(self._plain(pair, where, depth + 1) for pair in value.items())
            case GlobalName(role=Role.MODULE):
                return str(value)
            case Call(function=GlobalName(role=Role.PARTIAL)):
                return self._partial(value, where, depth)
        raise unsafe(f"{describe(value)} as an attribute", where, "plain values")

    def _partial(self, value: Call, where: str, depth: int) -> PlainValue:
        """`partial(LayerNorm, eps=1e-6)` as `("functools.partial", "...LayerNorm", (), (("eps", 1e-6),))`."""
        match value.arguments, value.state:
            case (GlobalName(role=Role.MODULE) as cls,), (again, tuple() as preset, dict() | None as options, None):
                if again == cls:
                    rest = (self._plain(preset, where, depth + 1), self._plain(options or {}, where, depth + 1))
                    return ("functools.partial", str(cls), *rest)
        raise unsafe("functools.partial of something other than a module class", where, "plain values")

    def _spend(self, values: int, where: str) -> None:
        self.values += values
        if self.values > self.limits.values:
            raise over_limit("attribute values", where, self.limits.values)

    def _join(self, path: str, name: str) -> str:
        joined = f"{path}.{name}" if path else name
        if len(joined) > _LONGEST_PATH:
            raise over_limit("characters in a module path", joined, _LONGEST_PATH)
        return joined


def _named(state: Mapping[object, object], content: str, path: str) -> dict[str, object]:
    """One of the three dictionaries of a module, its keys proved to be names."""
    group = state.get(content)
    if type(group) is not dict:
        raise unsafe(f"no {content}", _place(path), "the content of a torch module")
    for name in group:
        if type(name) is not str or _NAME.fullmatch(name) is None or name in MODULE_METHODS:
            raise unsafe(f"name {name!r} in {content}", _place(path), "ASCII letters, digits and _, no method's name")
    return group


def _check_no_hooks(value: object, where: str) -> None:
    if not (value is None or type(value) is bool or (type(value) is dict and not value)):
        raise unsafe("a hook", where, "no hooks")


def _check_backend(value: object, where: str) -> None:
    if not (type(value) is Call and value.function.role is Role.BACKEND and value.arguments == ()):
        raise unsafe(f"{describe(value)} as backend", where, "the function table of torch 1.2")


def _place(path: str) -> str:
    return f"module {path}" if path else "root module"
