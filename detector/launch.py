"""The first step of the process, before anything that takes time is imported: interrupts wait.

`detector.program` lets them through as soon as the result file holds no old answer.
"""

from __future__ import annotations

from detector.base.interrupts import hold_interrupts

TYPE_CHECKING = False  # importing typing, or collections, would take longer than all that comes before it
if TYPE_CHECKING:
    from collections.abc import Sequence


def program(name: str = "trojan-detector") -> None:
    """`detector.program.program`, with interrupts held from here on: it ends the process."""
    hold_interrupts()
    from detector.program import program as run_program

    run_program(name)


def main(arguments: Sequence[str], name: str = "trojan-detector") -> int:
    """`detector.program.main`."""
    from detector.program import main as run_main

    return run_main(arguments, name)
