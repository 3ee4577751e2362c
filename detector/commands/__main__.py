"""`python -m detector.commands --write|--check [DIRECTORY]`: the schema of metaparameters.json, from the registries.

Writes it anew and completes metaparameters.json with what is new, or proves both up to date.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from detector.base.resources import LEARNED_PARAMETERS, METAPARAMETERS, METAPARAMETERS_SCHEMA, data_directory
from detector.commands.metaparameters import completed, schema_document


def made_files(directory: Path) -> dict[str, str]:
    """What the two files in the directory should hold: name -> text."""
    bundles = [path.parent.name for path in (directory / LEARNED_PARAMETERS).glob("*/bundle.json")]
    values, schema = (_read(directory / name) for name in (METAPARAMETERS, METAPARAMETERS_SCHEMA))
    made = {METAPARAMETERS: completed(values, bundles), METAPARAMETERS_SCHEMA: schema_document(schema, bundles)}
    return {name: json.dumps(document, indent=2) + "\n" for name, document in made.items()}


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0, or 1 if `--check` found a difference."""
    parser = argparse.ArgumentParser(prog="python -m detector.commands", description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true", help="write the files that differ")
    mode.add_argument("--check", action="store_true", help="only compare; exit with 1 if a file differs")
    parser.add_argument("directory", nargs="?", type=Path, default=data_directory())
    options = parser.parse_args(arguments)
    made = made_files(options.directory)
    differing = [name for name, text in made.items() if (options.directory / name).read_text("utf-8") != text]
    for name in differing:
        print(f"{options.directory / name}: {'written' if options.write else 'differs from what is registered'}")
        if options.write:
            (options.directory / name).write_text(made[name], encoding="utf-8")
    return 1 if differing and options.check else 0


def _read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


if __name__ == "__main__":
    raise SystemExit(main())
