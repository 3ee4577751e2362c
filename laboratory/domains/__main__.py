"""Command line: `python -m laboratory.domains` rebuilds docs/domains.md and the bundle `universal` from measurements.

The same bytes from the same measurements.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from detector.base.files import write_file
from laboratory.domains.answers import read_all
from laboratory.domains.bundle import write_universal
from laboratory.domains.page import PERMUTATIONS, page, study

_log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; returns 0, or 2 if there is nothing to learn from."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    answers = read_all(options.measurements)
    if len({one.poisoned for one in answers}) < 2:
        _log.error("error: %s holds no clean and poisoned models (id-*.npz in a folder a round)", options.measurements)
        return 2
    _log.info("%d models; this takes minutes", len(answers))
    text = page(study(answers, options.permutations))
    options.docs.mkdir(parents=True, exist_ok=True)
    write_file(options.docs / "domains.md", text.encode())
    _log.info("written: %s, %s", options.docs / "domains.md", write_universal(answers, options.learned_params))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m laboratory.domains", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--measurements", type=Path, default=Path("measurements"), help="a folder of files per round")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="where the page goes")
    parser.add_argument("--learned_params", type=Path, default=Path("learned_params"), help="where the bundle goes")
    parser.add_argument("--permutations", type=int, default=PERMUTATIONS, help="of the labels")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
