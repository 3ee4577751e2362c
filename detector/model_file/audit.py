"""From inert records to a `ModelRecord`: accepts the shape of a torchvision network or a state dict, refuses the rest.

Every attribute of every module is visited. What could run, hide or replace something (hooks, overridden methods,
objects and tensors among the attributes) is refused with the path of the module; what is merely unusual (training
mode, saved on a GPU) becomes a note. Whether the network is the one that it claims to be, quality assurance decides.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from detector.base.limits import ModelFileLimits
from detector.base.text import brief, listed
from detector.model_file.allowed import Role, wrapped_child
from detector.model_file.checkpoint import USUAL_KEYS, Candidate, beside, find_networks
from detector.model_file.pickle_values import Call, Instance, describe
from detector.model_file.plain_values import PlainValues
from detector.model_file.records import ContentKind, ModuleRecord, PlainValue
from detector.model_file.refusals import SAVE_ALONE, corrupt, dangerous, over_limit, unsafe
from detector.model_file.tensor_names import LONGEST_PATH, NAME, split_networks
from detector.model_file.tensors import TensorReader, conversion_notes

_COUNTERS = {"n_averaged"}  # of AveragedModel
_OF_DISTRIBUTED = frozenset({"_module_parameters", "modules_buffers", "named_module_buffers", "_bucket_config"})
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
    """One network in the making: kind, where it lies, tensors, modules in pre-order, notes, what was set aside."""

    kind: ContentKind
    where: str
    reader: TensorReader
    modules: list[ModuleRecord] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    set_aside: list[str] = field(default_factory=list)
    data_parallel: bool = False

    def same_as(self, other: Audited) -> bool:
        """Whether both hold the same numbers under the same names and, where known, in the same modules."""
        mine, others = self.reader.tensors, other.reader.tensors
        if mine.keys() != others.keys() or (self.modules and other.modules and self.modules != other.modules):
            return False
        return all(_same_numbers(mine[name], others[name]) for name in mine)


def audit(root: object, storages: Mapping[str, memoryview], limits: ModelFileLimits) -> Audited:
    """Check the pickle's value `root` whole: every network in it, of which there may be one.

    Raises
    ------
    UnsafeModelError
        For whatever a saved network never holds, naming path and attribute; for networks that differ, naming all.
    CorruptModelError
        If the value holds neither a network nor a state dict.
    """
    candidates = find_networks(root)
    if not candidates:
        expected = f"a network or its state dict, alone or under a key such as {listed([*USUAL_KEYS[:4]])}"
        raise corrupt(f"{describe(root)} was saved", "pickle", expected, SAVE_ALONE)
    auditor = _Auditor(limits)
    networks = [one for candidate in candidates for one in _audited(candidate, storages, auditor)]
    holding = [network for network in networks if network.reader.tensors]
    if not holding:
        raise corrupt("no tensors", "pickle", "a network with weights")
    chosen = _chosen(holding)
    chosen.set_aside += [f"the same network in {other.where}" for other in holding if other is not chosen]
    for candidate in candidates:
        if candidate.where == chosen.where:
            chosen.set_aside += beside(root, candidate)
    return chosen


def _audited(candidate: Candidate, storages: Mapping[str, memoryview], auditor: _Auditor) -> Iterator[Audited]:
    value, where = candidate.value, candidate.where
    networks: list[Audited]
    if isinstance(value, Instance):
        networks = [auditor.network(value, where, TensorReader(storages, auditor.limits))]
    else:
        networks = list(_audit_state_dict(value, where, storages, auditor.limits))
    for network in networks:
        network.reader.check_overlaps()
        if where:
            network.notes.insert(0, f"taken from entry {where} of a checkpoint")
        if gpus := network.reader.devices - {"cpu"}:
            network.notes.insert(bool(where), f"saved from {', '.join(sorted(gpus))}")
        network.notes += conversion_notes(network.reader)
        yield network


def _chosen(networks: list[Audited]) -> Audited:
    """The one network of the file, however often it is in it; a whole module tells more than a state dict."""
    first, *others = networks
    if any(not first.same_as(other) for other in others):
        places = ", ".join(network.where or "the file itself" for network in networks[:10])
        found = f"{len(networks)} networks that differ: {places}"
        step = "save the one that is meant alone, for example torch.save(checkpoint['state_dict'], 'model.pt')"
        raise unsafe(found, "pickle", "one network", step)
    return next((network for network in networks if network.modules), first)


def _same_numbers(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Bit for bit: a NaN is itself, and -0 is not 0."""
    return one is other or ((one.shape, one.dtype) == (other.shape, other.dtype) and one.tobytes() == other.tobytes())


# State dicts.


def _audit_state_dict(
    state: Mapping[object, object], where: str, storages: Mapping[str, memoryview], limits: ModelFileLimits
) -> Iterator[Audited]:
    named = split_networks(state)
    for network in named:
        reader = TensorReader(storages, limits)
        for name, record in network.tensors.items():
            reader.add(name, record)
        place = where if len(named) == 1 else f"{where} names {network.prefix or 'without prefix'}".strip()
        aside, wrapped = network.set_aside, network.data_parallel
        yield Audited(ContentKind.STATE_DICT, place, reader, set_aside=aside, data_parallel=wrapped)


# Whole networks.


class _Auditor:
    """Audits whole networks one after the other; what they spend of modules and values adds up."""

    def __init__(self, limits: ModelFileLimits) -> None:
        self.limits = limits
        self.modules = 0
        self.values = PlainValues(limits)

    def network(self, root: Instance, where: str, reader: TensorReader) -> Audited:
        self.reader = reader
        self.audited = Audited(ContentKind.MODULE, where, reader)
        self.training = 0  # modules in training mode
        self.transient = 0  # buffers that state_dict() would leave out
        self._module(root, "", 0)
        if self.training:
            self.audited.notes.append(f"{self.training} modules were saved in training mode")
        if self.transient:
            self.audited.notes.append(f"{self.transient} buffers are not part of the state dict")
        return self.audited

    def _inside_wrapper(self, wrapper: Instance, name: str, path: str, depth: int) -> None:
        """Audit the one network that a wrapper holds in the wrapper's own place."""
        state = self._state(wrapper, path)
        self._attributes(state, path, of_wrapper=True)
        children, kind = _named(state, "_modules", path), wrapper.cls.name
        network, buffers = children.get(name), _named(state, "_buffers", path)
        if len(children) != 1 or type(network) is not Instance or state["_parameters"] or buffers.keys() - _COUNTERS:
            raise unsafe(f"a {kind} wrapper with other content", _place(path), "one network inside")
        self.audited.data_parallel |= kind == "DataParallel" and not path
        if kind != "DataParallel" or path:
            self.audited.set_aside.append(f"the wrapper {kind}" + (f" around {path}" if path else ""))
        self._module(network, path, depth + 1)

    def _module(self, module: Instance, path: str, depth: int) -> None:
        if depth > self.limits.nesting:
            raise unsafe("modules nested too deeply, or in themselves", _place(path), f"at most {self.limits.nesting}")
        if (name := wrapped_child(module.cls)) is not None:
            self._inside_wrapper(module, name, path, depth)
            return
        self.modules += 1
        if self.modules > self.limits.modules:
            raise over_limit("modules", _place(path), self.limits.modules)
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
        self.values.spend(len(module.state), path)
        names = [_named(module.state, content, path) for content in _CONTENT_ATTRIBUTES]
        self.values.spend(sum(map(len, names)), path)
        everything = [*module.state, *(name for group in names for name in group)]
        if len(set(everything)) != len(everything):
            twice = Counter(everything).most_common(1)[0][0]
            raise unsafe(f"{twice!r} exists twice", _place(path), "one meaning for each name")
        return module.state

    def _tensors(self, state: Mapping[object, object], path: str) -> None:
        transient = state.get("_non_persistent_buffers_set", set())
        if type(transient) is not set:
            raise unsafe("malformed _non_persistent_buffers_set", _place(path), "a set of names")
        self.values.spend(len(transient), path)
        for name, record in _named(state, "_parameters", path).items():
            if record is not None:
                self.reader.add(self._join(path, name), record)
        for name, record in _named(state, "_buffers", path).items():
            if name in transient:
                self.transient += 1
            elif record is not None:
                self.reader.add(self._join(path, name), record)

    def _attributes(self, state: Mapping[object, object], path: str, of_wrapper: bool = False) -> dict[str, PlainValue]:
        attributes: dict[str, PlainValue] = {}
        for name, value in state.items():
            if type(name) is not str or _ATTRIBUTE.fullmatch(name) is None:
                place = f"{_place(path)}, attribute {brief(name)}"
                raise dangerous("an impossible attribute name", place, "an identifier")
            where = f"{_place(path)}, attribute {name!r}"
            if name == "_backend":
                _check_backend(value, where)
            elif name in MODULE_METHODS or _OVERRIDES.fullmatch(name):
                if value is not None:
                    raise dangerous("an attribute that replaces a method", where, "the methods of the class")
            elif "hook" in name:
                _check_no_hooks(value, where)
            elif of_wrapper and name in _OF_DISTRIBUTED:
                self.values.spend(1, where)  # its parameters once more: a wrapper's attributes have no say at inference
            elif name not in _DROPPED_ATTRIBUTES:
                attributes[name] = self.values.plain(value, where)
        return attributes

    def _join(self, path: str, name: str) -> str:
        joined = f"{path}.{name}" if path else name
        if len(joined) > LONGEST_PATH:
            raise over_limit("characters in a module path", joined, LONGEST_PATH)
        return joined


def _named(state: Mapping[object, object], content: str, path: str) -> dict[str, object]:
    """One of the three dictionaries of a module, its keys proved to be names."""
    group = state.get(content)
    if type(group) is not dict:
        raise unsafe(f"no {content}", _place(path), "the content of a torch module")
    for name in group:
        if type(name) is not str or NAME.fullmatch(name) is None or name in MODULE_METHODS:
            raise unsafe(
                f"name {_quoted(name)} in {content}", _place(path), "ASCII letters, digits and _, no method's name"
            )
    return group


def _check_no_hooks(value: object, where: str) -> None:
    if not (value is None or type(value) is bool or (type(value) is dict and not value)):
        raise dangerous("a hook", where, "no hooks")


def _check_backend(value: object, where: str) -> None:
    if not (type(value) is Call and value.function.role is Role.BACKEND and value.arguments == ()):
        raise unsafe(f"{describe(value)} as backend", where, "the function table of torch 1.2")


def _quoted(name: object) -> str:
    return f"'{brief(name)}'" if type(name) is str else brief(name)


def _place(path: str) -> str:
    return f"module {path}" if path else "root module"
