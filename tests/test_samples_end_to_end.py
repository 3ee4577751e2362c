"""The sample models that ship with this repository, judged as `make demo` does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SAMPLES = sorted((Path(__file__).resolve().parents[1] / "samples").glob("*/model.pt"))


@pytest.mark.parametrize("model", SAMPLES, ids=lambda path: path.parent.name)
def test_sample(model: Path, run_here: Callable[..., Any], tmp_path: Path) -> None:
    options = ["--model_filepath", str(model), "--examples_dirpath", str(model.parent / "example_data")]
    options += ["--result_filepath", str(tmp_path / "result.txt"), "--scratch_dirpath", str(tmp_path / "scratch")]
    large = json.loads((model.parent / "config.json").read_text())["CNN_IMG_SIZE_PIXELS"] == 224
    seconds = 600 if large else 60  # a busy machine has no say in what is measured of large images
    options += ["--set", f"infer_max_seconds={seconds}"]
    outcome = run_here(options, tmp_path)
    report = outcome.report
    assert outcome.code == 0
    assert 0.01 <= float(outcome.result) <= 0.99
    undecided = "beyond_experience" in outcome.finding_codes
    assert (report["basis"], float(outcome.result) == 0.5) == (
        ("base_rate", True) if undecided else ("measured", False)
    )
    assert report["mapping"]["bundle"] == "universal" and len(report["signal_vector"]) >= 2
    assert report["timings"]["total"] < seconds
    assert report["unpruned_accuracy"] >= 0.9
    assert {finding["severity"] for finding in report["findings"]} <= {"info", "warning"}, report["findings"]
