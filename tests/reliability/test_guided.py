"""Coverage-guided fuzzing: what is read of libFuzzer's output, and a few real inputs where atheris is installed."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from reliability import guided

OUTPUT = b"""INFO: seed corpus: files: 1
#3\tINITED cov: 548 ft: 629 corp: 2/8226b exec/s: 0 rss: 267Mb
#41\tNEW    cov: 551 ft: 640 corp: 3/9000b lim: 4096 exec/s: 0 rss: 267Mb
#3000\tDONE   cov: 575 ft: 799 corp: 32/98Kb lim: 4753 exec/s: 3000 rss: 267Mb
Done 3000 runs in 1 second(s)
"""


def test_a_row_tells_inputs_and_branches() -> None:
    assert guided.row("JSON", OUTPUT) == "| JSON | 3000 | 575 |"


def test_a_process_that_ended_early_has_a_row_too() -> None:
    assert guided.row("JSON", b"Traceback") == "| JSON | 0 | 0 |"


def test_a_find_ends_with_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(guided, "names", lambda _: ["JSON", "PNG"])
    monkeypatch.setattr(guided, "run", lambda number, *_: (77 * number, OUTPUT))
    assert guided.main(["--cases", "5"]) == 1
    told = capsys.readouterr().out
    assert "FOUND PNG, exit 77" in told and "FOUND JSON" not in told
    monkeypatch.setattr(guided, "run", lambda *_: (0, OUTPUT))
    assert guided.main(["--cases", "5"]) == 0


@pytest.mark.slow
@pytest.mark.hostile
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed")
def test_a_reader_takes_inputs_that_reach_its_code() -> None:
    status, output = guided.run(0, 200, 1)
    assert status == 0, output[-2000:]
    _, _, inputs, branches, _ = guided.row("model", output).split("|")
    assert int(inputs) == 200 and int(branches) > 100
    assert "atheris" not in sys.modules
