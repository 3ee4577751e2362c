"""Where a file differs from its reference: what quality assurance finds of a changed network is drawn in its place."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from detector.graph.reference import load_references
from detector.model_file.reading import read_model
from detector.quality.check import check_model
from detector.report.document import to_plain
from detector.report.graph_difference import MOST_PLACES, Drawing, Mark, drawing
from tests.conftest import random_network

REFERENCES = load_references()


def _drawn(network: torch.nn.Module, folder: Path) -> Drawing:
    torch.save(network, folder / "model.pt")
    findings = check_model(read_model(folder / "model.pt"), REFERENCES).findings
    found = drawing([to_plain(finding) for finding in findings])  # type: ignore[misc]
    assert found is not None
    return found


def _stride(network: Any) -> None:
    network.layer2[0].conv1.stride = (1, 1)


def _another_module(network: Any) -> None:
    network.layer2[0].relu = torch.nn.Sigmoid()


def _one_more(network: Any) -> None:
    network.layer2[0].extra = torch.nn.Linear(3, 3)


def _one_less(network: Any) -> None:
    del network.layer2[0].bn1


@pytest.mark.parametrize(
    ("change", "mark", "reference", "file"),
    [
        (_stride, Mark.CHANGED, ("layer2.0.conv1 conv", "stride: (2, 2)"), ("layer2.0.conv1 conv", "stride: (1, 1)")),
        (
            _another_module, Mark.CHANGED,
            ("layer2.0.relu relu", "module: torch.nn.ReLU"), ("layer2.0.relu relu", "module: torch.nn.Sigmoid"),
        ),
        (_one_more, Mark.ADDED, (), ("layer2.0.extra", "module: torch.nn.Linear")),
        (_one_less, Mark.MISSING, ("layer2.0.bn1 batch_norm", "module: torch.nn.BatchNorm2d"), ()),
    ],
)  # fmt: skip
def test_a_change_is_drawn_among_its_neighbours(
    change: Callable[[Any], None], mark: Mark, reference: tuple[str, ...], file: tuple[str, ...], tmp_path: Path
) -> None:
    network = random_network("resnet18")
    change(network)
    found = _drawn(network, tmp_path)
    assert found.architecture == "resnet18" and found.num_differences == 1 and found.not_drawn == 0
    (row,) = [row for row in found.rows if row.mark not in (Mark.SAME, Mark.SKIPPED)]
    assert (row.mark, row.reference, row.file) == (mark, reference, file)
    beside = [row.reference[0] for row in found.rows if row.mark is Mark.SAME]
    assert beside and all(name.startswith(("layer1.1.", "layer2.0.", "layer2.1.")) for name in beside)
    skipped = sum(int(row.file[0].split()[0]) for row in found.rows if row.mark is Mark.SKIPPED)
    assert skipped + len(beside) + (mark is not Mark.ADDED) == found.num_layers
    assert 0 < found.ticks[0] < 0.5  # the second of four stages


def test_boxes_do_not_overlap(tmp_path: Path) -> None:
    network = random_network("resnet18")
    _stride(network)
    _one_more(network)
    rows = _drawn(network, tmp_path).rows
    assert all(above.top + above.height < below.top for above, below in pairwise(rows))


def _finding(differences: list[dict[str, str]], **evidence: Any) -> dict[str, Any]:
    about = {"nearest": "resnet18", "num_deviations": len(differences), "differences": differences}
    return {"severity": "tampered", "code": "graph_deviates", "message": "", "evidence": about | evidence}


def _added(path: str) -> dict[str, str]:
    return {"path": path, "what": "module", "expected": "nothing", "found": "x"}


@pytest.mark.hostile
def test_a_flood_of_differences_is_cut_and_counted() -> None:
    found = drawing([_finding([_added(f"layer1.0.{'x' * 500}{number}") for number in range(200)], num_deviations=5000)])
    assert found is not None and found.not_drawn == 5000 - MOST_PLACES
    assert sum(row.mark is Mark.ADDED for row in found.rows) == MOST_PLACES
    assert max(len(line) for row in found.rows for line in (*row.reference, *row.file)) <= 40


@pytest.mark.parametrize("path", ["", "nowhere", "..", "layer1", "layer9.x"])
def test_any_path_has_a_place(path: str) -> None:
    found = drawing([_finding([_added(path)])])
    assert found is not None and sum(row.mark is Mark.ADDED for row in found.rows) == 1
    assert all(0 <= tick <= 1 for tick in found.ticks)


def test_nothing_is_drawn_of_what_is_not_known() -> None:
    assert drawing([]) is None
    assert drawing([_finding([])]) is None
    assert drawing([_finding([_added("a")], nearest="../../etc")]) is None
