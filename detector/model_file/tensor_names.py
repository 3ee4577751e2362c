"""The names of a state dict without what training put around the network: the same numbers are the same network.

`DataParallel`, `torch.compile`, Lightning and averaging put words before names, on all or on some of them, in any
order. Taking them off changes no number. Where that makes two networks of one dictionary (`model.` and `ema.`), both
are told apart and neither is chosen here. Names are untrusted and checked before anything is done with them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from detector.base.text import brief
from detector.model_file.refusals import unsafe

LONGEST_PATH = 512
NAME = re.compile(r"[0-9A-Za-z_-]{1,100}", re.ASCII)  # of a module or parameter: one part of a dotted path

_ANYWHERE = frozenset({"module", "_orig_mod"})  # DataParallel around a part of the network; torch.compile
_IN_FRONT = frozenset(
    (
        *("model", "net", "network", "_model", "_forward_module", "base_model"),
        *("averaged_model", "ema", "ema_model", "model_ema", "student", "teacher"),
    )
)
_IN_FRONT_OF_ALL = _IN_FRONT | {"backbone", "encoder"}  # on some names only they may be parts of a larger network
_COUNTER = "n_averaged"  # of torch.optim.swa_utils.AveragedModel
_LOSS = re.compile(r"(\w+_)?(loss|criterion)(_\w+)?\.(weight|pos_weight)", re.ASCII)  # class weights, idle at inference
_OLD_DENSE = re.compile(r"(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)", re.ASCII)  # torchvision 0.2: norm.1


@dataclass
class NamedTensors:
    """The tensors of one network by their names in torchvision, and what was taken off or set aside to get them."""

    prefix: str
    tensors: dict[str, object] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)  # of the names in the file
    set_aside: list[str] = field(default_factory=list)
    data_parallel: bool = False


def split_networks(state: Mapping[object, object]) -> list[NamedTensors]:
    """The networks whose tensors a state dict holds: one, or several that different prefixes tell apart.

    Raises
    ------
    UnsafeModelError
        If a name is not one of a state dict, or if without its prefix it is another's.
    """
    names = [_checked(key) for key in state]
    idle = [name for name in names if name.endswith(f".{_COUNTER}") or name == _COUNTER or _LOSS.fullmatch(name)]
    idle = idle if len(idle) < len(names) else []
    words = _leading_words([name for name in names if name not in set(idle)])
    networks = _grouped(state, [name for name in names if name not in set(idle)], words)
    for network in networks:
        network.set_aside += [f"entry {brief(name)} of the state dict" for name in idle[:3]]
    return networks


def _checked(key: object) -> str:
    if type(key) is not str or len(key) > LONGEST_PATH or not all(map(NAME.fullmatch, key.split("."))):
        raise unsafe(f"entry {brief(key)}", "state dict", "dotted names of ASCII letters, digits and _")
    return key


def _leading_words(names: list[str]) -> frozenset[str]:
    everywhere = all(_parts(name)[1][0] in _IN_FRONT_OF_ALL and len(_parts(name)[1]) > 1 for name in names)
    return _IN_FRONT_OF_ALL if everywhere else _IN_FRONT


def _parts(name: str) -> tuple[list[str], list[str]]:
    """The words of wrappers in a name, and the rest; the last part always stays."""
    *path, last = name.split(".")
    return [part for part in path if part in _ANYWHERE], [part for part in path if part not in _ANYWHERE] + [last]


def _grouped(state: Mapping[object, object], names: list[str], words: frozenset[str]) -> list[NamedTensors]:
    """By leading words; groups without a name in common are parts of one network."""
    groups: dict[str, NamedTensors] = {}
    taken_off: dict[str, Counter[str]] = {}
    for position, name in enumerate(names):
        wrappers, rest = _parts(name)
        count = next(index for index, part in enumerate([*rest[:-1], ""]) if part not in words)
        prefix, short = ".".join(rest[:count]), ".".join(rest[count:])
        group = groups.setdefault(prefix, NamedTensors(prefix))
        short = _OLD_DENSE.sub(r"\1\2", short)
        if short in group.tensors:
            raise unsafe("two tensors of this name", short, "different names")
        group.tensors[short], group.positions[short] = state[name], position
        group.data_parallel |= "module" in wrappers
        off = taken_off.setdefault(prefix, Counter())
        off.update({f"{word}." for word in (*wrappers, *rest[:count])})
        off["the dot in denselayer names"] += short != ".".join(rest[count:])
    for prefix, group in groups.items():
        group.set_aside += _told(taken_off[prefix], len(group.tensors))
    return list(_united(list(groups.values())))


def _told(taken_off: Counter[str], names: int) -> Iterator[str]:
    for word, count in taken_off.items():
        if count and word != "module.":  # DataParallel has a place of its own in the record
            yield f"{word} in {count} of {names} names"


def _united(groups: list[NamedTensors]) -> Iterator[NamedTensors]:
    first, *others = groups
    for other in others:
        if first.tensors.keys() & other.tensors.keys():
            yield other
        else:
            first.tensors |= other.tensors
            first.positions |= other.positions
            first.set_aside += other.set_aside
            first.data_parallel |= other.data_parallel
    first.tensors = {name: first.tensors[name] for name in sorted(first.tensors, key=first.positions.__getitem__)}
    yield first
