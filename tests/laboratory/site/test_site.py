"""The site is built strictly without network, loads nothing from another host, and tells all that the code has."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from detector.commands.cli import SUBCOMMANDS
from laboratory.site.generated import generated_pages
from laboratory.site.pages import HOME, linked_files, markdown_pages, schema_table, without_folder_links

# Building in a process whose attempts to connect anywhere fail.
_OFFLINE = """
import sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise SystemExit(f"network: {event} {arguments}")

sys.addaudithook(refuse)
from mkdocs.__main__ import cli
cli()
"""


class Assets(HTMLParser):
    """What a page makes a browser load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.classes: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pairs = dict(attrs)
        self.classes.append(pairs.get("class") or "")
        loaded = [pairs.get("src"), pairs.get("srcset"), pairs.get("data")]
        if tag == "link":
            loaded.append(pairs.get("href"))
        self.addresses += [address for address in loaded if address]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-c", _OFFLINE, "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"PYTHONPATH": str(HOME)}
    done = subprocess.run(words, cwd=HOME, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def _pages(site: Path) -> dict[str, str]:
    return {str(path.relative_to(site)): path.read_text(encoding="utf-8") for path in site.rglob("*.html")}


def test_every_page_of_the_repository_is_on_the_site(site: Path) -> None:
    tracked = subprocess.run(["git", "ls-files", "*.md"], cwd=HOME, capture_output=True, text=True, check=True)
    shown = {page for page in tracked.stdout.split() if not page.startswith("tests/")}
    assert set(markdown_pages()) == shown
    expected = {re.sub(r"README(?=\.html$)", "index", page.removesuffix(".md") + ".html") for page in shown}
    assert expected <= _pages(site).keys()


def test_nothing_is_loaded_from_another_host(site: Path) -> None:
    for name, text in _pages(site).items():
        found = Assets(text)
        assert [one for one in found.addresses if re.match(r"(?i)(https?:)?//", one)] == [], name
        assert "mermaid" not in found.classes, name  # the theme would load its drawing code
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?i)(@import|url\()\s*['\"]?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet


def test_an_asset_from_elsewhere_would_be_seen() -> None:
    text = (
        '<link href="https://a.example/x.css"><script src="//b.example/y.js"></script><a href="https://c.example">c</a>'
    )
    assert Assets(text).addresses == ["https://a.example/x.css", "//b.example/y.js"]


def test_every_command_has_its_section() -> None:
    page = generated_pages()["docs/commands.md"]
    assert set(re.findall(r"^## (\w+)$", page, re.MULTILINE)) == set(SUBCOMMANDS)
    assert "--learned_parameters_dirpath" in page and "--shard I/N" in page


def test_every_metaparameter_has_its_row() -> None:
    schema = json.loads((HOME / "metaparameters_schema.json").read_text())
    page = generated_pages()["docs/metaparameters.md"]
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(schema["properties"])


def test_the_table_tells_value_and_bounds() -> None:
    schema: dict[str, dict[str, object]] = {
        "a": {"description": "one | two", "type": "number", "minimum": 1, "maximum": 2.5},
        "b": {"description": "which", "type": "string", "enum": ["x", "y"]},
        "c": {"description": "whether", "type": "boolean"},
    }
    assert schema_table(schema, {"a": 2, "b": "x", "c": True}).splitlines()[2:] == [
        "| `a` | `2` | number from 1 to 2.5 | one \\| two |",
        "| `b` | `x` | `x`, `y` | which |",
        "| `c` | `True` | boolean | whether |",
    ]


def test_the_interface_is_described_by_its_docstrings(site: Path) -> None:
    import detector

    page = _pages(site)["docs/python.html"]
    missing = [name for name in detector.__all__ if f'id="detector.{name}"' not in page]
    assert missing == ["__version__"]
    assert "clean examples" in page.lower()


def test_links_to_files_are_kept_and_links_to_folders_are_words(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "a.py").touch()
    text = "[a](../code/a.py) [b](../code) [c](https://d.example/code) ![e](gone.png) [f](page.md#part)"
    (tmp_path / "docs" / "page.md").write_text(text)
    assert list(linked_files("docs/page.md", tmp_path)) == ["code/a.py"]
    assert without_folder_links(text, "docs/page.md", tmp_path) == text.replace("[b](../code)", "b")
