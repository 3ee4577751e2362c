"""What every use of a model begins with: its file parsed and checked, from a path, from memory, or parsed already."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch

from detector.architectures import ARCHITECTURES, build
from detector.base.errors import CorruptModelError
from detector.graph.reference import load_references
from detector.model_file import SavedModel, read_model
from detector.quality.check import check_model
from detector.quality.checked_model import CheckedModel


def saved(network: torch.nn.Module) -> SavedModel:
    stream = io.BytesIO()
    torch.save(network.eval(), stream)
    return SavedModel("network", stream.getvalue())


@pytest.fixture(scope="module")
def model() -> SavedModel:
    return saved(build(ARCHITECTURES["squeezenetv1_1"], 7))


def test_the_same_from_a_path_and_from_memory(model: SavedModel, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(model.content)
    first, second = CheckedModel.read(tmp_path / "model.pt"), CheckedModel.read(model)
    quality = check_model(read_model(model), load_references())
    for one in (first, second, CheckedModel.of(second.record)):
        assert (one.architecture, one.identification.num_classes) == ("squeezenetv1_1", 7)
        assert (one.identification, one.findings) == (quality.identification, quality.findings)
        assert one.record.sha256 == second.record.sha256


def test_what_is_none_of_the_references_has_no_architecture() -> None:
    found = CheckedModel.read(saved(torch.nn.Sequential(torch.nn.Linear(2, 2))))
    assert (found.architecture, found.identification.tampered) == (None, False)
    changed = build(ARCHITECTURES["squeezenetv1_1"], 7)
    changed.get_submodule("features.0").stride = (1, 2)  # type: ignore[assignment]
    tampered = CheckedModel.read(saved(changed))
    assert (tampered.architecture, tampered.identification.tampered) == (None, True)


def test_a_file_that_is_none_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(CorruptModelError, match=r"^nothing\.pt: "):
        CheckedModel.read(SavedModel("nothing.pt", b"nothing"))
    with pytest.raises(CorruptModelError, match="absent"):
        CheckedModel.read(tmp_path / "absent.pt")
