"""Fuzzes the readers by what code they reach: `python -m reliability.guided --cases 20000` (atheris, the extra `fuzz`).

Where `reliability.fuzz` changes good files blindly, libFuzzer keeps each input that reaches a new branch of the
detector and goes on from there. It ends its process, so each reader gets one of its own. Prints a table for
docs/reliability.md; ends with 1 where anything was found.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

_MOST_BYTES = 1 << 16
_SECONDS = 10  # of one input
_COVERED = re.compile(rb"#\d+\s+(?:DONE|INITED|NEW|REDUCE|pulse).*?cov: (\d+)")
_RUNS = re.compile(rb"Done (\d+) runs in (\d+) second")


def one_target(number: int, cases: int, seed: int, folder: Path) -> None:
    """Fuzz one target; never returns: libFuzzer ends the process, with 0 where nothing was found."""
    import atheris

    with atheris.instrument_imports(include=["detector"]):
        from reliability.targets import targets
    from reliability.fuzz import FoundError
    from reliability.watch import watching

    target, corpus = targets(folder)[number], folder / "corpus"
    corpus.mkdir()
    for place, content in enumerate(target.seeds):
        target.accepts(target.wrap(content))  # what good files import is imported
        (corpus / f"seed-{place}").write_bytes(content)

    def attempt(content: bytes) -> None:
        with watching(folder) as seen:
            target.accepts(target.wrap(content))
        if seen.events:
            raise FoundError(f"did something to the system: {seen.events[:3]}")

    limits = [f"-runs={cases}", f"-seed={seed}", f"-max_len={_MOST_BYTES}", f"-timeout={_SECONDS}", "-rss_limit_mb=0"]
    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={folder}/", str(corpus)], attempt)
    atheris.Fuzz()


def names(folder: Path) -> list[str]:
    """Of the targets, in order."""
    from reliability.targets import targets

    return [target.name for target in targets(folder)]


def run(number: int, cases: int, seed: int) -> tuple[int, bytes]:
    """Fuzz one target in a process of its own: its exit status and what it wrote."""
    command = [sys.executable, "-m", "reliability.guided", "--cases", str(cases), "--seed", str(seed)]
    done = subprocess.run([*command, "--target", str(number)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def row(name: str, output: bytes) -> str:
    """Of the table: the reader, how many inputs were tried, and how many branches they reached."""
    covered, runs = _COVERED.findall(output), _RUNS.search(output)
    return f"| {name} | {int(runs[1]) if runs else 0} | {int(covered[-1]) if covered else 0} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz all targets, or one, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000, help="inputs of each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", type=int, help="number of a single one, in this process")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        if options.target is not None:
            one_target(options.target, options.cases, options.seed, Path(folder))
        told = names(Path(folder))
    print("| reader | inputs | branches reached |\n|---|---|---|")
    found = []
    for number, name in enumerate(told):
        status, output = run(number, options.cases, options.seed)
        print(row(name, output), flush=True)
        if status:
            found.append(f"FOUND {name}, exit {status}:\n{output.decode(errors='backslashreplace')[-3000:]}")
    print("\n".join(["", *found]))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
