"""Every group of hostile inputs has tests, and the table of docs/reliability.md names them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.reliability.hostile_groups import GROUPS, table

HOME = Path(__file__).resolve().parents[2]


def names(module: str) -> list[str]:
    tree = ast.parse((HOME / "tests" / module).read_text(encoding="utf-8"))
    return [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def test_there_are_44() -> None:
    assert list(GROUPS) == list(range(1, 45))
    assert all(group.tests for group in GROUPS.values())


@pytest.mark.parametrize("number", GROUPS)
def test_the_tests_of_a_group_are_there(number: int) -> None:
    for test in GROUPS[number].tests:
        module, _, name = test.partition("::")
        assert any(found.startswith(name) for found in names(module)), test


@pytest.mark.parametrize("number", [1, *range(3, 18), *range(20, 24), 35])
def test_groups_within_a_table_of_cases_have_cases_in_it(number: int) -> None:
    tree = ast.parse((HOME / "tests/model_file/test_hostile_pickles.py").read_text(encoding="utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert any(text == str(number) or text.startswith(f"{number}-") for text in texts)


def test_the_page_has_the_table() -> None:
    assert table() in (HOME / "docs" / "reliability.md").read_text(encoding="utf-8")
