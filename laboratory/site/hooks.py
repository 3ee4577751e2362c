"""What MkDocs is told beyond `mkdocs.yml`: the paths are those of the repository, and some are made from code."""

from __future__ import annotations

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from laboratory.site.generated import ROOMS, generated_pages
from laboratory.site.pages import HOME, linked_files, markdown_pages, without_folder_links


def on_files(files: Files, /, *, config: MkDocsConfig) -> Files:
    """The theme's own files, and those of the repository under their own paths."""
    shown = Files([file for file in files if file.src_dir != config.docs_dir])
    pages = markdown_pages()
    linked = {target for page in pages for target in linked_files(page)}
    for path in [*pages, *sorted(linked)]:
        shown.append(File.generated(config, path, abs_src_path=str(HOME / path)))
    made = generated_pages()
    for path, text in made.items():
        shown.append(File.generated(config, path, content=text))
    _add_to_navigation(config, [path for path in made if path.startswith(ROOMS)])
    return shown


def _add_to_navigation(config: MkDocsConfig, rooms: list[str]) -> None:
    """The pages of the rooms, in place of the empty list that `mkdocs.yml` has."""
    assert config.nav is not None
    config.nav = [{"Rooms": rooms} if entry == {"Rooms": []} else entry for entry in config.nav]


def on_page_markdown(markdown: str, /, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Without links to folders."""
    return without_folder_links(markdown, page.file.src_uri)
