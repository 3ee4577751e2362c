"""The first step of the process, before anything that takes time is imported: interrupts wait.

`detector.program` lets them through as soon as the result file holds no old answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from detector.base.interrupts import hold_interrupts


def program(name: str = "trojan-detector") -> NoReturn:
    """`detector.program.program`, with interrupts held from here on."""
    hold_interrupts()
    from detector.program import program as run_program

    run_program(name)


def main(arguments: Sequence[str], name: str = "trojan-detector") -> int:
    """`detector.program.main`."""
    from detector.program import main as run_main

    return run_main(arguments, name)
