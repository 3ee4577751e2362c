"""Which files of the repository the site shows: every page of Markdown, and every file that one of them links to.

The site keeps the paths of the repository, so that links are the same on the site and in a checkout. The repository is
trusted as the code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
_FOLDERS = ("docs", "benchmarks")
_SINGLE = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "measurements/README.md")
_LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)")


def markdown_pages(home: Path = HOME) -> list[str]:
    """The paths of the pages, from `home`, with slashes."""
    found = [path for folder in _FOLDERS for path in sorted((home / folder).glob("*.md"))]
    return [*_SINGLE, *(path.relative_to(home).as_posix() for path in found)]


def linked_files(page: str, home: Path = HOME) -> Iterator[str]:
    """What a page links to in the repository and is no page: pictures, code, settings."""
    for match in _LINK.finditer((home / page).read_text(encoding="utf-8")):
        path = _in_repository(page, match["target"], home)
        if path is not None and path.is_file() and path.suffix != ".md":
            yield path.relative_to(home).as_posix()


def without_folder_links(text: str, page: str, home: Path = HOME) -> str:
    """The text with links to folders, which a site has no page for, turned into plain words."""

    def plain(match: re.Match[str]) -> str:
        path = _in_repository(page, match["target"], home)
        return match["text"] if path is not None and path.is_dir() else match[0]

    return _LINK.sub(plain, text)


def schema_table(schema: Mapping[str, Mapping[str, object]], values: Mapping[str, object]) -> str:
    """The metaparameters as a table of Markdown: name, shipped value, what is allowed, what it is for."""
    rows = [
        f"| `{name}` | `{_cell(values[name])}` | {_allowed(entry)} | {_cell(entry['description'])} |"
        for name, entry in schema.items()
    ]
    return "\n".join(["| name | as shipped | allowed | what it is |", "|---|---|---|---|", *rows])


def _allowed(entry: Mapping[str, object]) -> str:
    if "enum" in entry:
        choices = entry["enum"]
        assert isinstance(choices, list)
        return ", ".join(f"`{_cell(choice)}`" for choice in choices)
    kind = str(entry["type"])
    bounds = [f"{word} {entry[key]}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in entry]
    return " ".join([kind, *bounds])


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _in_repository(page: str, target: str, home: Path) -> Path | None:
    """The file or folder that a link of a page means; None for another site."""
    if "://" in target or target.startswith("mailto:"):
        return None
    path = (home / page).parent.joinpath(target).resolve()
    return path if path.is_relative_to(home) else None
