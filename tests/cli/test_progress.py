"""Progress shows on a terminal's stderr, and nowhere else."""

import io
import os
import pty
import subprocess

from rich.console import Console

from datamon.cli.bars import Bars
from datamon.cli.progress import watching
from datamon.cli.testing import PROGRAM, Shell
from datamon.store.progress import SILENT


def test_without_a_terminal_nobody_is_told_anything() -> None:
    with watching() as progress:
        assert progress is SILENT


def test_bars_show_files_bytes_and_rate_and_are_gone_when_the_stage_ends() -> None:
    drawn = io.StringIO()
    bars = Bars(Console(file=drawn, force_terminal=True, width=120, color_system=None))
    bars.advance(1, 1)
    bars.begin("upload", 40, 4_000_000)
    bars.advance(12, 2_000_000)
    bars.begin("seal", None, None)
    bars.end()
    bars.end()
    frames = drawn.getvalue()
    assert "upload" in frames
    assert "12/40 files" in frames
    assert "2.0/4.0 MB" in frames
    assert frames.rindex("\x1b[2K") > frames.rindex("upload")
    bars.close()
    assert drawn.getvalue() == frames


def test_an_upload_on_a_terminal_draws_on_stderr_and_answers_on_stdout(orders: Shell) -> None:
    line = ("bundle", "upload", "--repo", "orders", "--path", "tree", "--message", "m")
    ours, theirs = pty.openpty()
    environment = {**orders.environment, "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(
        [*PROGRAM, *line], cwd=orders.cwd, env=environment, stdout=subprocess.PIPE, stderr=theirs, text=True
    ) as running:
        os.close(theirs)
        drawn = b"".join(iter(lambda: _read(ours), b""))
        result, _ = running.communicate()
    os.close(ours)
    assert running.returncode == 0
    assert b"files" in drawn
    assert result.startswith("Uploaded bundle id:")
    assert b"Uploaded" not in drawn


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # a closed terminal reads as an error
        return b""
