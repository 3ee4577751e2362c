"""The rules of the house (docs/architecture.md): who may import whom, and how long a function or a class may be."""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[1]

# Rooms of the detector, from the roof down. A room imports from lower floors only, never from its own or a higher one.
FLOORS = (
    ("detector.launch",),
    ("detector.api", "detector.program"),
    ("detector.commands",),
    ("detector.scoring",),
    ("detector.learning",),
    ("detector.sweep", "detector.report"),
    ("detector.mapping",),
    ("detector.measurement", "detector.signals"),
    ("detector.examples", "detector.quality"),
    ("detector.pruning",),
    ("detector.graph", "detector.model_file", "detector.probing"),
    ("detector.architectures", "detector.rounds", "detector.sandbox"),
    ("detector.base", "detector.torchvision_ops"),
)
# Of the laboratory, the same; each of them may import all of the detector.
LABORATORY = (
    ("laboratory.results", "laboratory.nist", "laboratory.domains", "laboratory.site"),
    ("laboratory.roundgen", "laboratory.rebuild", "laboratory.measuring"),
    ("laboratory.tables",),
)
FLOOR_NUMBERS = {room: number for number, rooms in enumerate(reversed(LABORATORY + FLOORS)) for room in rooms}

ROOF = "detector"  # the package itself: its version is for everyone, the names of its interface for nobody in the house
VERSION = "detector.__version__"

MOST_LINES = {"function": 50, "class": 150}
MEDIAN_LINES, USUAL_LINES, USUAL_SHARE = 8, 25, 0.95

_MODULE_NAME = re.compile(r"(detector|laboratory)(\.\w+)+")


@dataclass(frozen=True)
class Import:
    """`module` asks for `target`: a module, or a name in one."""

    module: str
    target: str

    def __str__(self) -> str:
        return f"{self.module} imports {self.target}"


@dataclass(frozen=True)
class Definition:
    """A function or class and how many lines it has, its docstring and decorators not counted."""

    kind: str
    name: str
    lines: int


@cache
def sources() -> dict[str, Path]:
    """Module name to file, of everything that a rule is about."""
    paths = [path for name in ("detector", "laboratory") for path in (HOME / name).rglob("*.py")]
    names = (".".join(path.relative_to(HOME).with_suffix("").parts) for path in paths)
    return dict(zip((name.removesuffix(".__init__") for name in names), paths, strict=True))


@cache
def trees() -> dict[str, ast.Module]:
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in sources().items()}


def targets(tree: ast.AST) -> Iterator[str]:
    """Everything of this project that a module imports, also late, only for types, or by a name in a string."""
    modules = sources()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in modules:
            yield node.value  # for importlib


@cache
def imports(*, running: bool = False) -> tuple[Import, ...]:
    """All imports from one module of the project to another; where it is `running`, without those for types alone."""
    looked_at = {name: without_types(tree) if running else tree for name, tree in trees().items()}
    found = (Import(module, target) for module, tree in looked_at.items() for target in targets(tree))
    return tuple(one for one in found if _MODULE_NAME.fullmatch(one.target) and one.module != one.target)


def without_types(tree: ast.Module) -> ast.Module:
    """The module less what stands under `if TYPE_CHECKING`."""
    body = [node for node in tree.body if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")]
    return ast.Module(body, [])


def room(name: str) -> str:
    """The room that a module, or a name in one, belongs to: the package or single module below `detector`."""
    return ".".join(name.split(".")[:2])


def module_of(target: str) -> str:
    """The module that an import loads: the target itself, or where the name is defined."""
    return target if target in sources() else target.rpartition(".")[0]


def allowed(one: Import) -> bool:
    if module_of(one.target) == ROOF:
        return one.target == VERSION or one.module.startswith("laboratory.")
    if module_of(one.module) == ROOF:
        return True  # the roof may look down everywhere
    here, there = room(one.module), room(module_of(one.target))
    return here == there or FLOOR_NUMBERS[here] > FLOOR_NUMBERS[there]


def definitions() -> Iterator[Definition]:
    for module, tree in trees().items():
        yield from _definitions(tree, module)


def _definitions(node: ast.AST, name: str) -> Iterator[Definition]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            kind = "class" if isinstance(child, ast.ClassDef) else "function"
            yield Definition(kind, f"{name}.{child.name}", _lines(child))
            yield from _definitions(child, f"{name}.{child.name}")
        else:
            yield from _definitions(child, name)


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    assert node.end_lineno is not None
    docstring = node.body[0] if ast.get_docstring(node, clean=False) is not None else None
    described = docstring.end_lineno - docstring.lineno + 1 if docstring and docstring.end_lineno else 0
    return node.end_lineno - node.lineno + 1 - described


# Who may import whom


def test_every_room_has_a_floor() -> None:
    rooms = {room(module) for module in sources()} - {"detector", "laboratory"}
    assert rooms - FLOOR_NUMBERS.keys() == set()


def test_no_import_runs_upward_or_across_a_floor() -> None:
    assert [str(one) for one in imports() if not allowed(one)] == []


def test_the_detector_knows_nothing_of_the_laboratory() -> None:
    """Nor of tests, benchmarks and the like: none of them is where it runs."""
    outside = re.compile(r"(laboratory|tests|benchmarks|reliability)(\.|$)")
    found = {(module, target) for module, tree in trees().items() for target in targets(tree) if outside.match(target)}
    assert {pair for pair in found if pair[0].startswith("detector")} == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    edges: dict[str, set[str]] = {module: set() for module in sources()}
    for one in imports(running=True):
        if module_of(one.target) != ROOF:  # imported with every module of the package, and imports none by itself
            edges[one.module].add(module_of(one.target))
    edges[ROOF] = set()
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize(
    ("module", "target"),
    [
        ("detector.base.files", "detector.pruning.theta.Theta"),  # up
        ("detector.learning.given", "detector.commands.settings"),  # up, to a module
        ("detector.sweep.store", "detector.report.report.Report"),  # across
        ("detector.mapping.predict", "detector.detect"),  # the interface, from inside
        ("detector.graph.ir", "laboratory.roundgen.recipe"),
        ("laboratory.roundgen.rounds", "laboratory.results.page"),
    ],
)
def test_what_the_rule_forbids(module: str, target: str) -> None:
    assert not allowed(Import(module, target))


@pytest.mark.parametrize(
    ("module", "target"),
    [
        ("detector.pruning.theta", "detector.base.errors.DetectorError"),
        ("detector.pruning.theta", "detector.pruning.ranking"),
        ("detector.sweep.store", "detector.__version__"),
        ("laboratory.results.page", "detector.learning.given"),
        ("laboratory.results.page", "laboratory.roundgen.recipe"),
        ("laboratory.results.page", "detector.detect"),
    ],
)
def test_what_the_rule_allows(module: str, target: str) -> None:
    assert allowed(Import(module, target))


def test_imports_are_seen_wherever_they_stand() -> None:
    text = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import detector.graph.ir
def late():
    from detector.base import errors
    importlib.import_module("detector.measurement.engine")
"""
    tree, late = ast.parse(text), {"detector.base.errors", "detector.measurement.engine"}
    assert {one for one in targets(tree) if one.startswith("detector.")} == {"detector.graph.ir", *late}
    assert {one for one in targets(without_types(tree)) if one.startswith("detector.")} == late


# How long things are


def test_nothing_is_too_long() -> None:
    assert {one.name: one.lines for one in definitions() if one.lines > MOST_LINES[one.kind]} == {}


def test_most_functions_are_short() -> None:
    lines = [one.lines for one in definitions() if one.kind == "function"]
    assert statistics.median(lines) <= MEDIAN_LINES
    assert sum(number <= USUAL_LINES for number in lines) >= USUAL_SHARE * len(lines)


def test_lines_are_counted_without_the_docstring() -> None:
    text = 'def outer():\n    """Of\n    three\n    lines."""\n    def inner():\n        return 1\n\n    return inner\n'
    found = {one.name: one.lines for one in _definitions(ast.parse(text), "m")}
    assert found == {"m.outer": 5, "m.outer.inner": 2}


# The page tells the same


def test_the_page_shows_the_floors_of_the_rule() -> None:
    page = (HOME / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.partition("<!-- floors -->")[2].partition("<!-- end of floors -->")[0]
    rows = [re.findall(r"`([\w.]+)`", line.split("|")[2]) for line in table.splitlines() if re.match(r"\| \d+ ", line)]
    assert rows == [[name.removeprefix("detector.") for name in rooms] for rooms in FLOORS]
