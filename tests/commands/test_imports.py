"""Inference needs nothing that learns or sweeps: neither is imported, by its help or by a whole detection."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[2]
SAMPLE = HOME / "samples" / "id-00000002"
CODE = """
import contextlib, sys
import entrypoint
with contextlib.suppress(SystemExit):
    entrypoint.main(sys.argv[1:])
unwanted = ("detector.learning", "detector.sweep", "laboratory", "sklearn")
found = [name for name in sys.modules if name.startswith(unwanted)]
sys.exit(", ".join(found) or 0)
"""


@pytest.mark.parametrize("command", ["help", "detection"])
def test_inference_imports_neither_learning_nor_sweeps(command: str, tmp_path: Path) -> None:
    words = ["--model_filepath", str(SAMPLE / "model.pt"), "--examples_dirpath", str(SAMPLE / "example_data")]
    words += ["--result_filepath", str(tmp_path / "result.txt"), "--scratch_dirpath", str(tmp_path / "scratch")]
    settings = tmp_path / "metaparameters.json"  # enough time on a busy machine, too: it is not what is tested
    settings.write_text(json.dumps(json.loads((HOME / "metaparameters.json").read_text()) | {"infer_max_seconds": 280}))
    words += ["--metaparameters_filepath", str(settings)]
    chosen = ["infer", "--help"] if command == "help" else words
    done = subprocess.run([sys.executable, "-c", CODE, *chosen], cwd=HOME, timeout=300, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "result.txt").exists() == (command == "detection")
    if command == "detection":
        assert float((tmp_path / "result.txt").read_text()) != 0.5
