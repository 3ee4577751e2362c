"""Weights that no training leaves behind, each kind by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from detector.base.findings import Finding, Severity
from detector.quality.weights import weight_findings

Tensors = dict[str, Any]
Change = Callable[[np.ndarray], Any]


def _healthy() -> Tensors:
    rng = np.random.default_rng(0)
    return {
        "conv.weight": rng.normal(size=(8, 3, 3, 3)).astype(np.float32),
        "bn.weight": np.ones(8, np.float32),
        "bn.bias": np.zeros(8, np.float32),
        "bn.running_mean": np.zeros(8, np.float32),
        "bn.running_var": np.ones(8, np.float32),
        "bn.num_batches_tracked": np.array(7, np.int64),
        "fc.weight": rng.normal(size=(5, 8)).astype(np.float32),
        "fc.bias": np.zeros(5, np.float32),
    }


def _with(name: str, change: Change) -> Tensors:
    tensors = _healthy()
    tensors[name] = change(tensors[name].copy())
    return tensors


def _put(value: float, index: int | slice = 0) -> Change:
    def change(tensor: np.ndarray) -> np.ndarray:
        tensor.reshape(-1)[index] = value
        return tensor

    return change


def tensors_of(finding: Finding) -> dict[str, Any]:
    """What is told of each tensor."""
    told: Any = finding.evidence["tensors"]
    return dict(told)


def test_healthy_weights_give_no_finding() -> None:
    assert list(weight_findings(_healthy())) == []


@pytest.mark.parametrize(
    ("name", "change", "severity", "code", "evidence"),
    [
        ("conv.weight", _put(np.nan), Severity.ERROR, "non_finite_weights", 1),
        ("fc.bias", _put(np.inf, slice(0, 2)), Severity.ERROR, "non_finite_weights", 2),
        ("bn.running_var", _put(-np.inf), Severity.ERROR, "non_finite_weights", 1),
        ("bn.running_var", _put(-0.25), Severity.ERROR, "negative_running_var", -0.25),
        ("conv.weight", np.zeros_like, Severity.WARNING, "degenerate_weights", "all values are 0"),
        ("fc.weight", lambda w: np.full_like(w, 0.5), Severity.WARNING, "degenerate_weights", "all values are 0.5"),
        ("bn.weight", np.zeros_like, Severity.WARNING, "degenerate_weights", "all values are 0"),
        ("bn.running_var", np.zeros_like, Severity.WARNING, "degenerate_weights", "all values are 0"),
        ("conv.weight", _put(-1e38), Severity.WARNING, "huge_weights", pytest.approx(1e38)),
        ("conv.weight", lambda w: w * np.float32(1e-42), Severity.WARNING, "denormal_weights", None),
        ("fc.weight", lambda w: w.astype(np.float64), Severity.WARNING, "number_type", "float64"),
        ("conv.weight", lambda w: w.astype(np.float16), Severity.WARNING, "number_type", "float16"),
        ("bn.num_batches_tracked", lambda n: n.astype(np.float32), Severity.WARNING, "number_type", "float32"),
    ],
)
def test_each_defect_is_found(name: str, change: Change, severity: Severity, code: str, evidence: object) -> None:
    (finding,) = weight_findings(_with(name, change))
    assert (finding.severity, finding.code) == (severity, code)
    assert list(tensors_of(finding)) == [name]
    assert name in finding.message
    if evidence is not None:
        assert tensors_of(finding)[name] == evidence


def test_a_few_denormals_of_dead_channels_are_no_finding() -> None:
    assert list(weight_findings(_with("conv.weight", _put(1e-40)))) == []


def test_denormals_are_counted_over_all_blocks() -> None:
    tensor = np.ones(3_000_000, np.float32)
    tensor[::10] = 1e-40
    tensor[1::10] = 0
    (finding,) = weight_findings({"fc.bias": tensor})
    assert tensors_of(finding)["fc.bias"] == 300_000


def test_findings_stay_short_however_many_tensors_are_bad() -> None:
    tensors = {f"layer{index}.weight": np.full((2, 2), np.nan, np.float32) for index in range(500)}
    (finding,) = weight_findings(tensors)
    assert "2000 values in 500 tensors" in finding.message
    assert len(tensors_of(finding)) == 20


def test_empty_and_read_only_tensors_are_looked_at_without_harm() -> None:
    tensors = _with("fc.weight", lambda w: w[:0])
    for tensor in tensors.values():
        tensor.flags.writeable = False
    assert list(weight_findings(tensors)) == []
