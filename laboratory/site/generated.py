"""The pages of the site that are made from the code: commands, metaparameters, Python interface, rooms."""

from __future__ import annotations

import argparse
import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from detector.base.resources import METAPARAMETERS, METAPARAMETERS_SCHEMA
from detector.commands.arguments import Parser
from detector.commands.cli import parsers
from laboratory.site.pages import HOME, schema_table

PROGRAM = "trojan-detector"
ROOMS = "docs/rooms/"
"""Where the pages of the rooms lie."""
_WIDTH = 100
_INTERFACE = "detector"
_NO_ROOMS = ("data",)


def generated_pages(home: Path = HOME) -> dict[str, str]:
    """Their text in Markdown, by their path in the repository, where no such file is."""
    rooms = {f"{ROOMS}{room}.md": _room_page(room, modules) for room, modules in _rooms(home).items()}
    return {
        "docs/commands.md": _commands_page(home),
        "docs/metaparameters.md": _metaparameters_page(home),
        "docs/python.md": _python_page(),
        **rooms,
    }


def _commands_page(home: Path) -> str:
    sections = [f"## {name}\n\n```text\n{_help(parser)}```" for name, parser in parsers(home, PROGRAM).items()]
    introduction = (
        "# All commands\n\nWhat `--help` says. `trojan-detector` is the installed program; in a checkout it is "
        "`.venv/bin/python entrypoint.py`. Without the name of a command it is `infer`."
    )
    return "\n\n".join([introduction, *sections, ""])


def _help(parser: Parser) -> str:
    formatter: Callable[..., argparse.HelpFormatter] = parser.formatter_class
    parser.formatter_class = functools.partial(formatter, width=_WIDTH)
    return parser.format_help()


def _metaparameters_page(home: Path) -> str:
    schema, values = _read(home / METAPARAMETERS_SCHEMA), _read(home / METAPARAMETERS)
    introduction = (
        "# All metaparameters\n\nThe settings in `metaparameters.json`, which `metaparameters_schema.json` describes. "
        "`--set NAME=VALUE` changes one of them for one run. Those called `infer_` are for `infer`, those called "
        "`train_` for `configure`."
    )
    properties = schema["properties"]
    assert isinstance(properties, dict)
    return f"{introduction}\n\n{schema_table(properties, values)}\n"


def _read(path: Path) -> Mapping[str, object]:
    document = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def _python_page() -> str:
    return f"# Python interface\n\n::: {_INTERFACE}\n    options:\n      show_root_heading: false\n"


def _rooms(home: Path) -> dict[str, list[str]]:
    """By room of the detector its modules, in order."""
    package = home / _INTERFACE
    rooms = [path.name for path in sorted(package.iterdir()) if (path / "__init__.py").is_file()]
    return {room: _modules(package / room, home) for room in rooms if room not in _NO_ROOMS}


def _modules(room: Path, home: Path) -> list[str]:
    names = (".".join(path.relative_to(home).with_suffix("").parts) for path in sorted(room.rglob("*.py")))
    return [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]


def _room_page(room: str, modules: list[str]) -> str:
    return "\n\n".join([f"# Room {room}", *(f"::: {module}" for module in modules), ""])
