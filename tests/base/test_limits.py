"""Limits: one frozen value with a positive number and a reason for each."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from detector.base import limits
from detector.base.limits import LIMITS

SOURCE = Path(limits.__file__)


def numbers(value: Any, name: str = "") -> dict[str, float]:
    if not dataclasses.is_dataclass(value):
        return {name: value}
    parts = [numbers(getattr(value, field.name), f"{name}.{field.name}") for field in dataclasses.fields(value)]
    return {name: number for part in parts for name, number in part.items()}


def test_every_limit_is_a_positive_number() -> None:
    found = numbers(LIMITS)
    assert len(found) > 40
    assert all(type(number) in (int, float) and number > 0 for number in found.values())


def test_nothing_can_change_them() -> None:
    for place, name in ((LIMITS, "child"), (LIMITS.child, "cpu_seconds"), (LIMITS.texts, "table")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(place, name, 1)


def test_every_number_has_its_reason() -> None:
    lines = SOURCE.read_text(encoding="utf-8").splitlines()
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) in ("int", "float"):
            assert "  # " in lines[node.lineno - 1], lines[node.lineno - 1]
