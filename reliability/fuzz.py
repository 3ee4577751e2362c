"""Fuzzes every reader of files that come from outside: `python -m reliability.fuzz --cases 20000`.

Hypothesis makes the mutations and, where something is found, the smallest one that still does it. Prints a table for
docs/reliability.md; ends with 1 where anything was found. Every find becomes a test.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import hypothesis
from hypothesis import strategies as st

from reliability.mutations import Change, changes, mutated
from reliability.targets import Target, targets
from reliability.watch import watching

_SLOW = 5.0  # seconds of CPU time: far beyond what any file of such a size may take
_LONGEST_FIND = 3000  # characters


@dataclass
class Outcome:
    """What came of the cases of one target; `found` is empty where all is well."""

    name: str
    accepted: int = 0
    refused: int = 0
    longest: float = 0.0
    found: str = ""

    @property
    def cases(self) -> int:
        """All that were tried."""
        return self.accepted + self.refused

    def row(self) -> str:
        """Of the table."""
        return f"| {self.name} | {self.cases} | {self.accepted} | {self.refused} | {self.longest * 1000:.0f} ms |"


class FoundError(Exception):
    """A reader did something that it must not do."""


def fuzz(target: Target, cases: int, seed: int, folder: Path) -> Outcome:
    """Try so many mutations; the first find ends it, made as small as it can be."""
    outcome = Outcome(target.name)
    settings = hypothesis.settings(
        max_examples=cases, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
    )

    @hypothesis.seed(seed)
    @settings
    @hypothesis.given(st.integers(0, len(target.seeds) - 1), changes())
    def attempt(number: int, edits: list[Change]) -> None:
        _try(target, target.wrap(mutated(target.seeds[number], edits, target.tokens)), outcome, folder)

    for content in target.seeds:  # good files first: what they import is imported
        if not target.accepts(target.wrap(content)):
            raise ValueError(f"a good file is refused: {target.name}")
    try:
        attempt()
    except Exception as error:  # whatever it is, it is the find
        outcome.found = f"{target.name}: {error!r}; {'; '.join(getattr(error, '__notes__', []))}"[:_LONGEST_FIND]
    return outcome


def _try(target: Target, content: bytes, outcome: Outcome, folder: Path) -> None:
    began = time.process_time()
    with watching(folder) as seen:
        accepted = target.accepts(content)
    seconds = time.process_time() - began
    outcome.longest = max(outcome.longest, seconds)
    outcome.accepted, outcome.refused = outcome.accepted + accepted, outcome.refused + (not accepted)
    if seen.events:
        raise FoundError(f"did something to the system: {seen.events[:3]}")
    if seconds > _SLOW:
        raise FoundError(f"took {seconds:.0f} s")


def main() -> int:
    """Fuzz all targets and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000, help="of each target")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcomes = []
        print("| reader | cases | accepted | refused | longest |\n|---|---|---|---|---|")
        for target in targets(Path(folder)):
            outcomes.append(fuzz(target, options.cases, options.seed, Path(folder)))
            print(outcomes[-1].row(), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{sum(one.cases for one in outcomes)} cases, peak memory {peak:.0f} MB, seed {options.seed}.")
    for outcome in outcomes:
        if outcome.found:
            print(f"FOUND {outcome.found}")
    return int(any(one.found for one in outcomes))


if __name__ == "__main__":
    sys.exit(main())
