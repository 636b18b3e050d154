"""For tests: the real program in a terminal of its own, typed at and read as a person does."""

import errno
import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from datamon.cli.testing import PROGRAM, Shell

_CONTROL = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[()][A-Z0-9]|\x1b[=>78]|\x1b\][^\x07]*\x07|[\x00-\x08\x0e-\x1f\r]"
)
LONGEST_S = 120.0
CTRL_C, CTRL_D, TAB, ENTER, UP = "\x03", "\x04", "\t", "\r", "\x1b[A"


class Terminal:
    """A program in a terminal. What it drew is text without the terminal's own signs."""

    def __init__(self, running: "subprocess.Popen[bytes]", ours: int) -> None:
        self._running = running
        self._ours = ours
        self._drawn = b""
        self._seen = 0

    @property
    def drawn(self) -> str:
        """Everything drawn so far."""
        return _CONTROL.sub("", self._drawn.decode("utf-8", "replace"))

    @property
    def coloured(self) -> bool:
        """Whether anything drawn so far has a colour."""
        return re.search(rb"\x1b\[[1-9][0-9]*m", self._drawn) is not None

    def type(self, keys: str) -> None:
        """These keys are pressed."""
        os.write(self._ours, keys.encode())

    def until(self, wanted: str) -> str:
        """What was drawn since the last call, up to where `wanted` stands. Fails when the program ends before, or takes too
        long."""
        deadline = time.monotonic() + LONGEST_S
        while (found := self.drawn.find(wanted, self._seen)) < 0:
            if not self._read(deadline):
                raise AssertionError(f"{wanted!r} was not drawn; this was:\n{self.drawn[self._seen :]}")
        begin, self._seen = self._seen, found + len(wanted)
        return self.drawn[begin : self._seen]

    def until_busy(self) -> None:
        """The program has computed for half a second: so long it reads no keys, and Ctrl-C is a signal."""
        process, deadline = psutil.Process(self._running.pid), time.monotonic() + LONGEST_S
        before_s = process.cpu_times().user
        while process.cpu_times().user < before_s + 0.5:
            if time.monotonic() > deadline:
                raise AssertionError("the program does not compute")
            time.sleep(0.01)

    def end(self) -> int:
        """The exit code, when the program has ended by itself."""
        deadline = time.monotonic() + LONGEST_S
        while self._read(deadline):
            pass
        return self._running.wait(LONGEST_S)

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            piece = os.read(self._ours, 65536)
        except OSError as error:  # a closed terminal reads as an error
            if error.errno != errno.EIO:
                raise
            return False
        self._drawn += piece
        return bool(piece)


@contextmanager
def terminal(shell: Shell, *words: str, lines: int = 40, columns: int = 100, **variables: str) -> Iterator[Terminal]:
    """`datamon` with these words in a terminal of this size, as long as the block lasts."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environment = {**shell.environment, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", **variables}
    running = subprocess.Popen(
        [*PROGRAM, *words],
        cwd=shell.cwd,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=_take_terminal,  # noqa: PLW1509 (Ctrl-C reaches what runs in it; tests start no threads)
    )
    os.close(theirs)
    try:
        yield Terminal(running, ours)
    finally:
        running.kill()
        running.wait()
        os.close(ours)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def history_of(shell: Shell) -> list[Path]:
    """The files in which the prompts of a person's stores keep what was typed."""
    return list(shell.home.rglob("query-history"))
