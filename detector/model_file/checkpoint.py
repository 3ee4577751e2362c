"""Finds every network in what a training script saved: whole modules and dictionaries of tensors, wherever they lie.

A checkpoint is inert records here. Everything in it is walked once, however often it is referred to, so that no
network stays unseen beside the one that is judged. The walk does not recurse.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from detector.base.text import brief, listed
from detector.model_file.pickle_values import Call, Inert, Instance
from detector.model_file.tensors import is_tensor

USUAL_KEYS = (
    *("state_dict", "model_state_dict", "model", "net", "network", "weights", "ema", "model_ema", "state_dict_ema"),
    *("ema_state_dict", "model_state", "net_state_dict", "params", "params_ema", "module", "teacher", "student"),
)
_LONGEST_PATH = 8  # keys that are told of a place

_Place = tuple["_Place", object] | None  # the place of the container, and the key in it


@dataclass(frozen=True, eq=False)
class Candidate:
    """A network in a file: where it lies ("" if it is the whole content), and its records.

    `rest` are the keys of the same dictionary that hold no tensors.
    """

    where: str
    value: Instance | dict[object, object]
    rest: tuple[str, ...] = ()


def find_networks(root: object) -> list[Candidate]:
    """All networks in `root`, those under the usual keys first."""
    if type(root) not in (Instance, dict):
        return []
    found: list[tuple[_Place, Candidate]] = []
    seen: set[int] = set()
    todo: list[tuple[_Place, object]] = [(None, root)]
    while todo:
        place, value = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if type(value) is Instance:
            found.append((place, Candidate(_text(place), value)))
        elif type(value) is dict and (tensors := _network(value, place)):
            rest = tuple(str(key)[:64] for key in value if key not in tensors)
            found.append((place, Candidate(_text(place), tensors, rest)))
        todo += [((place, key), item) for key, item in _content(value) if _holds_others(item)]
    return [candidate for _, candidate in sorted(found, key=lambda pair: _rank(pair[0]))]


def _network(value: dict[object, object], place: _Place) -> dict[object, object]:
    """The tensors of a dictionary, if they are those of a network; else nothing.

    A layer of a network has a weight. A dictionary of other tensors is one only where a network is expected.
    """
    tensors = {key: item for key, item in value.items() if is_tensor(item)}
    if any(type(key) is str and (key == "weight" or key.endswith(".weight")) for key in tensors):
        return tensors
    expected = place is None or place[1] in USUAL_KEYS
    return tensors if expected and len(tensors) == len(value) else {}


def _content(value: object) -> Iterable[tuple[object, object]]:
    match value:
        case dict():
            return value.items()
        case list() | tuple():
            return enumerate(value)
        case Inert():
            return ((None, part) for part in value.parts)
        case Call():
            return ((None, part) for part in (*value.arguments, value.state)) if not is_tensor(value) else ()
    return ()


def _holds_others(value: object) -> bool:
    return type(value) in (dict, list, tuple, Inert, Call, Instance)


def _rank(place: _Place) -> tuple[int, int]:
    """Outer places first, and of these the usual keys."""
    keys = list(_keys(place))
    usual = USUAL_KEYS.index(keys[-1]) if keys and keys[-1] in USUAL_KEYS else len(USUAL_KEYS)
    return usual, len(keys)


def _keys(place: _Place) -> Iterator[object]:
    """The innermost keys of a place, outermost of them first."""
    keys: list[object] = []
    while place is not None and len(keys) < _LONGEST_PATH:
        place, key = place
        if key is not None:
            keys.append(key)
    return reversed(keys)


def _text(place: _Place) -> str:
    return "/".join(f"'{brief(key)}'" for key in _keys(place))


def beside(root: object, chosen: Candidate) -> list[str]:
    """What else a file holds beside the chosen network, for people: the names of the other entries."""
    if type(root) is not dict:
        return []
    inside = chosen.where.partition("/")[0]
    keys = chosen.rest if not chosen.where else [str(key)[:64] for key in root if f"'{brief(key)}'" != inside]
    return [f"entries {listed(list(keys))}"] if keys else []
