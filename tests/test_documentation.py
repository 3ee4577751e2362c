"""What the documentation tells people to type is typed here.

Every line of a `sh` block is run in a copy of a checkout, in the order of its page, unless it is listed with the reason
why not; a listed line must at least be one that the program takes. Python blocks are run, or stand in the code as they
stand on the page. A new block needs nothing but to work.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from detector.commands.cli import SUBCOMMANDS, parse
from laboratory.site.pages import HOME, markdown_pages

# What cannot be run here, by how the line begins, and why.
NOT_RUN: Mapping[str, str] = {
    "make test": "it runs these tests",
    "make setup": "it asks a package index; CI begins with it",
    ".venv/bin/pre-commit install": "it changes the .git of the checkout",
    "make image": "needs docker or podman; run by containers/checks (make test-container)",
    "make sif": "needs apptainer; run by containers/checks (make test-container)",
    "docker build": "needs docker; what it is a variant of is run by make test-container",
    "podman build": "needs podman; run by make test-container",
    "docker run": "needs an image; run by make test-container",
    "MODEL=./samples/id-00000000 OUT=./out": "needs docker compose, which is nowhere run (docs/containers.md says so)",
    "singularity": "needs apptainer; run by make test-container",
    "apptainer run": "needs apptainer; run by make test-container",
    "export DETECTOR=": "needs a SIF; what the script makes of it: tests/commands/test_evaluate.py",
    "git clone": "there is no address; CI begins with a clone",
    "mkdir -p scratch": "the answer of the next line lies there",
    "cat scratch/result.txt": "the answer of a container",
    "#!/bin/bash": "needs SLURM; its syntax is checked here",
    "sbatch": "needs SLURM; the script is run by tests/commands/test_evaluate.py",
    "dask worker": "needs several machines; scheduler and workers of this one: tests/commands/test_evaluate.py",
    "trojan-detector evaluate /shared/round": "needs a scheduler; with one: tests/commands/test_evaluate.py",
}
# What takes longer than the quick tests allow, by how the line begins.
SLOW = ("make demo", ".venv/bin/python entrypoint.py configure")
# Python that is run elsewhere, by page.
PYTHON_ELSEWHERE: Mapping[str, str] = {
    "docs/cluster.md": "tests/commands/test_evaluate.py",
    "docs/learning.md": "tests/laboratory/test_tables.py",
}
EXCERPTS = ("docs/extending.md",)  # pages whose Python is cut out of the code
ANSWER_PAGES = ("README.md", "docs/report.md")  # they show what the program answers, word for word
NOTHING_LEARNED = 7  # exit code of `configure` on a handful of models
LANGUAGES = {"sh", "python", ""}  # of blocks; those without are outputs and drawings

_BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, without its indentation."""

    page: str
    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """The lines, continued ones joined, without comments; a script is one."""
        if self.text.startswith("#!"):
            return [self.text]
        joined = self.text.replace("\\\n", " ")
        lines = (re.sub(r"(^|\s+)# .*$", "", line) for line in joined.splitlines())
        return [" ".join(line.split()) if '"' not in line else line.strip() for line in lines if line.strip()]


def blocks(text: str, page: str) -> list[Block]:
    return [
        Block(page, match["language"], re.sub(rf"^{match['indent']}", "", match["text"], flags=re.MULTILINE))
        for match in _BLOCK.finditer(text)
    ]


def all_blocks(language: str) -> list[Block]:
    found = [block for page in markdown_pages() for block in blocks((HOME / page).read_text(encoding="utf-8"), page)]
    return [block for block in found if block.language == language]


def reason(command: str) -> str | None:
    """Why it is not run."""
    return next((why for start, why in NOT_RUN.items() if command.startswith(start)), None)


def lines_to_run(*, slow: bool) -> dict[str, list[str]]:
    """By page, each line once, where it first stands."""
    seen: set[str] = set()
    found: dict[str, list[str]] = {}
    for block in all_blocks("sh"):
        for command in block.commands:
            if reason(command) is None and command not in seen and command.startswith(SLOW) == slow:
                found.setdefault(block.page, []).append(command)
            seen.add(command)
    return found


class Checkout:
    """A folder that looks like a checkout with everything set up, and holds the reader's own model and round."""

    def __init__(self, folder: Path, round_dirpath: Path | None = None) -> None:
        self.folder = folder
        for path in HOME.iterdir():
            if path.name not in (".git", ".venv", "build", "scratch"):
                (folder / path.name).symlink_to(path)
        sample = HOME / "samples" / "id-00000002"
        (folder / "model.pt").symlink_to(sample / "model.pt")
        (folder / "example_data").symlink_to(sample / "example_data")
        self._photographs(sorted((sample / "example_data").glob("*.png"))[::4])
        if round_dirpath is not None:
            (folder / "round").symlink_to(round_dirpath)
        self._script(".venv/bin/python", f'exec {shlex.quote(sys.executable)} "$@"')
        call = "from detector.launch import program; program()"
        self._script(".venv/bin/trojan-detector", f'exec {shlex.quote(sys.executable)} -c "{call}" "$@"')
        (folder / ".venv" / ".ready").touch()  # `make` has nothing to install

    def _photographs(self, images: list[Path]) -> None:
        """As a camera names and makes them."""
        (self.folder / "photographs").mkdir()
        for number, path in enumerate(images):
            with Image.open(path) as image:
                image.convert("RGB").resize((320, 240)).save(self.folder / "photographs" / f"DSC_{number:04d}.JPG")

    def _script(self, name: str, line: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        shared = str(self.folder / "shared")
        environment = os.environ | {
            "PATH": f"{self.folder / '.venv' / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder),
            "OMP_NUM_THREADS": "1",
        }
        return subprocess.run(
            ["bash", "-c", command.replace("/shared/", f"{shared}/")],
            cwd=self.folder, env=environment, capture_output=True, text=True, timeout=600,
        )  # fmt: skip


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path)
    (tmp_path / "shared" / "round" / "id-00000000").mkdir(parents=True)  # what docs/cluster.md merges
    return made


def _prepare(page: str, checkout: Checkout) -> None:
    """What the reader has done before that page."""
    files = "--model_filepath model.pt --result_filepath result.txt --scratch_dirpath scratch"
    before = {
        "docs/report.md": f"trojan-detector {files}",
        "docs/cluster.md": "trojan-detector evaluate /shared/round --output /shared/evaluation --shard 1/1",
    }
    if page in before:
        done = checkout.run(before[page])
        assert done.returncode == 0, done.stderr


def test_every_block_is_of_a_kind_that_is_looked_at() -> None:
    kinds = {(block.page, block.language) for page in markdown_pages()
             for block in blocks((HOME / page).read_text(encoding="utf-8"), page)}  # fmt: skip
    assert {kind for kind in kinds if kind[1] not in LANGUAGES} == set()
    assert not [
        block for block in all_blocks("") if re.match(r"\s*(\$|docker|make|python|trojan-detector)\b", block.text)
    ]


@pytest.mark.parametrize("page", lines_to_run(slow=False))
def test_the_lines_of_a_page_work(page: str, checkout: Checkout) -> None:
    _prepare(page, checkout)
    for command in lines_to_run(slow=False)[page]:
        done = checkout.run(command)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        if "scratch/report.json; " in done.stdout:
            assert _sample_answers() == dict.fromkeys(ANSWER_PAGES, done.stdout), f"pages should show\n{done.stdout}"


def _sample_answers() -> dict[str, str]:
    """By page, the answer that it shows: that to samples/id-00000002, the model of the checkout here."""
    return {block.page: block.text for block in all_blocks("") if " is the probability" in block.text}


@pytest.mark.slow
@pytest.mark.parametrize("page", lines_to_run(slow=True))
def test_the_slow_lines_of_a_page_work(page: str, tmp_path: Path, small_round: Path) -> None:
    checkout = Checkout(tmp_path, small_round)
    for command in lines_to_run(slow=True)[page]:
        done = checkout.run(command)
        allowed = (0, NOTHING_LEARNED) if " configure " in command else (0,)
        assert done.returncode in allowed, f"{command}\n{done.stdout}\n{done.stderr}"


def test_what_is_not_run_is_on_a_page_and_taken_by_the_program() -> None:
    listed = [command for block in all_blocks("sh") for command in block.commands if reason(command) is not None]
    assert {start for start in NOT_RUN if not any(command.startswith(start) for command in listed)} == set()
    lines = [command for command in listed if not command.startswith("#!")]
    ours = [words for words in map(_words_of_the_program, lines) if words is not None]
    assert len(ours) >= 4
    for words in ours:
        parse(words, HOME)


def _words_of_the_program(command: str) -> list[str] | None:
    """The arguments of the detector in a line, whatever starts it."""
    words = shlex.split(command)
    begins = [number for number, word in enumerate(words) if word in SUBCOMMANDS or word == "--model_filepath"]
    return words[begins[0] :] if begins else None


@pytest.mark.parametrize("script", [one for block in all_blocks("sh") for one in block.commands if one[:2] == "#!"])
def test_scripts_have_no_errors_of_syntax(script: str) -> None:
    assert subprocess.run(["bash", "-n"], input=script, text=True, timeout=60).returncode == 0


def test_make_targets_that_are_named_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (HOME / "Makefile").read_text(), re.MULTILINE))
    texts = {page: (HOME / page).read_text(encoding="utf-8") for page in markdown_pages()}
    named = {(page, word) for page, text in texts.items() for words in re.findall(r"`make ([a-z -]+)`", text)
             for word in words.split()}  # fmt: skip
    assert len(named) > 10
    assert {pair for pair in named if pair[1] not in targets} == set()


def test_modules_that_are_named_exist() -> None:
    texts = {page: (HOME / page).read_text(encoding="utf-8") for page in markdown_pages()}
    found = {
        (page, name) for page, text in texts.items() for name in re.findall(r"python -m ([a-z_]+(?:\.\w+)+)", text)
    }
    assert len(found) > 5
    for page, name in found:
        path = HOME.joinpath(*name.split("."))
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), f"{page}: {name}"


def _python_blocks() -> Iterator[Block]:
    seen = set()
    for block in all_blocks("python"):
        if block.page not in EXCERPTS and block.page not in PYTHON_ELSEWHERE and block.text not in seen:
            seen.add(block.text)
            yield block


@pytest.mark.parametrize("block", list(_python_blocks()), ids=lambda block: block.page)
def test_python_examples_work(block: Block, checkout: Checkout) -> None:
    (checkout.folder / "example.py").write_text(block.text, encoding="utf-8")
    done = checkout.run("python example.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_python_that_is_run_elsewhere_is() -> None:
    for page, module in PYTHON_ELSEWHERE.items():
        assert Path(page).name in (HOME / module).read_text(encoding="utf-8")
        assert [block for block in all_blocks("python") if block.page == page]


def test_excerpts_stand_in_the_code() -> None:
    """Docstrings aside; those of toys stand in the test that tries them."""
    files = [*(HOME / "detector").rglob("*.py"), HOME / "tests" / "test_toy_entries.py"]
    code = [path.read_text(encoding="utf-8") for path in files]
    statements = {ast.dump(one) for text in code for one in _without_docstrings(text).body}
    for block in all_blocks("python"):
        if block.page in EXCERPTS:
            for one in _without_docstrings(block.text).body:
                assert ast.dump(one) in statements or any(block.text.strip() in text for text in code), block


def _without_docstrings(text: str) -> ast.Module:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return tree


def test_lines_are_cut_as_a_shell_cuts_them() -> None:
    text = "```sh\n# all\na  b \\\n    c   # comment\nd\n```\n  ```sh\n  #!/bin/sh\n  e\n  ```\n"
    assert [block.commands for block in blocks(text, "p")] == [["a b c", "d"], ["#!/bin/sh\ne\n"]]
    assert [block.language for block in blocks("```python\n1\n```\n```\n2\n```\n", "p")] == ["python", ""]


def test_a_line_that_fails_is_noticed(checkout: Checkout) -> None:
    assert checkout.run("trojan-detector report nothing.json").returncode == 2
    assert shutil.which("bash") is not None
