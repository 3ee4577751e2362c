"""The first step of the process, before anything that takes time is imported: interrupts wait.

`detector.commands.program` lets them through as soon as the result file holds no old answer.
"""

from __future__ import annotations

from detector.base.interrupts import hold_interrupts

TYPE_CHECKING = False  # importing typing, or collections, would take longer than all that comes before it
if TYPE_CHECKING:
    from collections.abc import Sequence


def program(name: str = "trojan-detector") -> None:
    """`detector.commands.program.program`, with interrupts held from here on: it ends the process."""
    hold_interrupts()
    from detector.commands.program import program as run_program

    run_program(name)


def main(arguments: Sequence[str], name: str = "trojan-detector") -> int:
    """`detector.commands.program.main`."""
    from detector.commands.program import main as run_main

    return run_main(arguments, name)
