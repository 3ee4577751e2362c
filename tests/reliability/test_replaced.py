"""A file that is replaced while it is judged: each input is opened once, so what is answered is what was read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parents[2]
CODE = """
import json, os, sys
from pathlib import Path
opened = []
def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        opened.append(os.fsdecode(arguments[0]))
sys.addaudithook(watch)
import entrypoint
code = entrypoint.main(sys.argv[2:])
Path(sys.argv[1]).write_text(json.dumps([code, opened]))
"""


def test_every_input_is_opened_once(tampered_case: Any, tmp_path: Path) -> None:
    seen, settings = tmp_path / "seen.json", tmp_path / "metaparameters.json"
    settings.write_bytes((HOME / "metaparameters.json").read_bytes())
    options = [*tampered_case.options(tmp_path), "--metaparameters_filepath", str(settings)]
    command = [sys.executable, "-c", CODE, str(seen), *options]
    subprocess.run(command, cwd=HOME, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, check=True)
    code, opened = json.loads(seen.read_text())
    times = Counter(opened)
    assert code == 0
    assert [times[str(path)] for path in (tampered_case.model, settings)] == [1, 1]
