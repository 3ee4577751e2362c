"""Progress: log lines by hand-made time, a bar on a terminal, and a terminal that is whole afterwards."""

from __future__ import annotations

import io
import logging
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from detector.base.progress import LogProgress, TerminalProgress, display

HOME = Path(__file__).resolve().parents[2]
SHOW_CURSOR, HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"


@dataclass
class HandClock:
    seconds: float = 0.0

    def now(self) -> float:
        return self.seconds


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_log_tells_each_stage_and_each_model(caplog: pytest.LogCaptureFixture) -> None:
    clock = HandClock()
    progress = LogProgress(clock)
    with caplog.at_level(logging.INFO, logger="detector"):
        with progress.stage("measuring", 3) as step:
            clock.seconds = 4.0
            step("")
            clock.seconds = 6.0
            step("id-00000001: clean")
        with progress.stage("fitting"):
            pass
    assert caplog.messages == [
        "measuring: 1 of 3 models, 4.0 s a model, about 8 s left",
        "measuring: 2 of 3: id-00000001: clean, about 3 s left",
        "fitting",
    ]


def test_without_a_terminal_rich_is_not_imported() -> None:
    code = (
        "import sys\nfrom detector.base.progress import display\n"
        "with display(terminal=False) as p, p.stage('s', 1) as step: step('')\n"
        "import detector.commands.run\nassert 'rich' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_a_terminal_shows_bars_with_the_log_above_them(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    handler = logging.StreamHandler(terminal)
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    with display(terminal=True) as progress:
        assert isinstance(progress, TerminalProgress)
        with progress.stage("1 of 2: measuring [red]", 2) as step:
            step("id-00000000")
            logging.getLogger("detector").warning("one is left out")
            assert handler.stream is not terminal
            step("evil \x1b]0;title\x07")
    shown = terminal.getvalue()
    assert "1 of 2: measuring [red]" in shown and "2/2" in shown  # no markup of rich's in what is told
    assert "one is left out" in shown
    assert "\x1b]0" not in shown
    assert handler.stream is terminal
    assert shown.rindex(SHOW_CURSOR) > shown.rindex(HIDE_CURSOR)


def test_the_terminal_is_whole_after_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with pytest.raises(KeyboardInterrupt), display(terminal=True) as progress, progress.stage("measuring", 2):
        raise KeyboardInterrupt
    assert sys.stderr is terminal
    assert terminal.getvalue().rindex(SHOW_CURSOR) > terminal.getvalue().rindex(HIDE_CURSOR)


def _until(master: int, words: str, seconds: float = 120) -> str:
    """What a terminal shows until the words are there, or it is closed."""
    shown, late = b"", time.monotonic() + seconds
    while words.encode() not in shown and time.monotonic() < late:
        if select.select([master], [], [], 1.0)[0]:
            try:
                more = os.read(master, 65536)
            except OSError:
                break
            if not more:
                break
            shown += more
    return shown.decode(errors="replace")


def test_ctrl_c_in_a_terminal_says_that_the_same_command_continues(tampered_case: Any, tmp_path: Path) -> None:
    """A pseudo-terminal, and the program as people start it, with more models than it can judge in the meantime."""
    for number in range(400):
        folder = tmp_path / "round" / f"id-{number:08d}"
        folder.mkdir(parents=True)
        (folder / "model.pt").symlink_to(tampered_case.model)
        (folder / "example_data").symlink_to(tampered_case.examples)
    words = ["evaluate", str(tmp_path / "round"), "--output", str(tmp_path / "out")]
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "OMP_NUM_THREADS": "1", "COLUMNS": "120"}
    process = subprocess.Popen(
        [sys.executable, str(HOME / "entrypoint.py"), *words],
        stdin=slave, stdout=subprocess.DEVNULL, stderr=slave, env=environment, start_new_session=True,
    )  # fmt: skip
    try:
        os.close(slave)
        shown = _until(master, "id-0000000")
        assert "judging" in shown and re.search(r"\d+/400", shown)
        process.send_signal(signal.SIGINT)
        shown += _until(master, "continues")
        assert process.wait(60) == 130
    finally:
        process.kill()
        os.close(master)
    assert "the same command continues" in shown
    assert shown.rindex(SHOW_CURSOR) > shown.rindex(HIDE_CURSOR)
    assert "Traceback" not in shown
    answered = (tmp_path / "out" / "results.csv").read_text().splitlines()
    assert 1 < len(answered) < 401
