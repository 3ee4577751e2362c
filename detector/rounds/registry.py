"""The registry of rounds: nothing else enumerates them.

A new round is a file beside this one with its `LAYOUT`, imported and entered here.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from types import MappingProxyType

from detector.rounds import round1, round2, round3, round4, round11, small
from detector.rounds.example_names import ExampleRule
from detector.rounds.layout import RoundLayout

_ENTRIES = (round1, round2, round3, round4, round11, small)

ROUNDS: Mapping[str, RoundLayout] = MappingProxyType({entry.LAYOUT.name: entry.LAYOUT for entry in _ENTRIES})
"""All rounds by name, in the order in which they are asked."""

FOLDERS: tuple[str, ...] = tuple(
    dict.fromkeys([*chain.from_iterable(layout.example_folders for layout in ROUNDS.values()), "example"])
)
"""What a folder of clean examples is called in any round; `example` is the default of NIST's own program."""

EXAMPLE_RULES: tuple[ExampleRule, ...] = tuple(dict.fromkeys(layout.examples for layout in ROUNDS.values()))
"""How examples are named in any round."""

LABEL_COLUMNS: tuple[str, ...] = tuple(sorted({layout.label_column for layout in ROUNDS.values()}, reverse=True))
"""The columns of METADATA.csv that say whether a model is poisoned, `poisoned` before Round 1's `ground_truth`."""
