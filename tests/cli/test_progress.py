"""Progress shows on a terminal's stderr, and nowhere else."""

import io
import os
import pty
import re
import subprocess

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from datamon.cli.bars import Bars
from datamon.cli.pace import WINDOW_S, Pace, seconds_left
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


def test_a_bar_tells_rates_of_bytes_and_files_and_the_time_left() -> None:
    drawn = io.StringIO()
    seconds = iter(range(1_000))
    bars = Bars(
        Console(file=drawn, force_terminal=True, width=140, color_system=None), clock=lambda: 2.0 * next(seconds)
    )
    bars.begin("upload", 400, 40_000_000)
    for _ in range(10):
        bars.advance(10, 2_000_000)
    bars.begin("seal", None, None)  # draws both
    bars.close()
    frames = drawn.getvalue()
    assert re.search(r"100/400 files", frames)
    assert re.search(r"[0-9.]+ MB/s [0-9]+ files/s [0-9]+:[0-9]{2} left", frames)
    assert "-:-- left" in frames


@given(
    steps=st.lists(st.tuples(st.floats(0, 60), st.integers(0, 1000), st.integers(0, 10**9)), min_size=1, max_size=50)
)
def test_no_rate_is_more_than_was_done_and_what_was_done_long_ago_counts_no_more(
    steps: list[tuple[float, int, int]],
) -> None:
    pace = Pace(0.0)
    now, files, size_bytes = 0.0, 0, 0
    for wait, more, more_bytes in steps:
        now, files, size_bytes = now + wait, files + more, size_bytes + more_bytes
        files_s, bytes_s = pace.note(now, files, size_bytes)
        assert 0 <= files_s <= files
        assert 0 <= bytes_s <= size_bytes
    pace.note(now + WINDOW_S, files, size_bytes)
    assert pace.note(now + 3 * WINDOW_S, files, size_bytes) == (0.0, 0.0)


def test_the_slower_of_files_and_bytes_says_how_long_it_takes() -> None:
    assert seconds_left((10_000, 10_000), (100.0, 1_000_000.0)) == 100
    assert seconds_left((1, 10**9), (100.0, 10**7)) == 100
    assert seconds_left((0, 0), (0.0, 0.0)) == 0
    assert seconds_left((5, 5), (0.0, 0.0)) is None


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
