"""For tests: mounts of the real kernel, of which none is left behind."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from pathlib import Path

import pytest

from datamon.cli.testing import Shell
from datamon.store.mount.kernel import DEVICE
from datamon.store.mount.mounts import mounted_at, unmount

LONGEST_S = 60.0


def need_fuse() -> None:
    """Skips a test on a machine that cannot mount."""
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        pytest.skip(f"capability: fuse is not open to this user ({DEVICE}), so NO MOUNT WAS TRIED")
    if find_library("fuse") is None and find_library("fuse3") is None:
        pytest.skip("NO MOUNT WAS TRIED: there is no libfuse here (Debian: fuse3 libfuse2)")


class Serving:
    """A `datamon bundle mount` that runs."""

    def __init__(self, process: "subprocess.Popen[str]", directory: Path) -> None:
        self.process = process
        self.directory = directory

    def end(self) -> tuple[int, str]:
        """The exit code and what was said, when it has ended."""
        code, _, said = self.whole_end()
        return code, said

    def whole_end(self) -> tuple[int, str, str]:
        """The exit code, what was printed and what was said, when it has ended."""
        out, said = self.process.communicate(timeout=LONGEST_S)
        return self.process.returncode, out, said


@contextmanager
def mounted(
    shell: Shell, directory: Path, *words: str, command: tuple[str, ...] = ("bundle", "mount")
) -> Iterator[Serving]:
    """The command, with these words, shows something at `directory`, which is made, until the block ends."""
    directory.mkdir(exist_ok=True)
    with shell.start(*command, "--mount", str(directory), *words) as process:
        try:
            until(lambda: mounted_at(directory) is not None or process.poll() is not None)
            assert process.poll() is None, process.communicate()
            yield Serving(process, directory)
        finally:
            take_away(directory)
            process.terminate()


def take_away(directory: Path) -> None:
    """Nothing is mounted there, whatever uses it."""
    while mounted_at(directory) is not None:
        unmount(directory, force=True)


def until(holds: Callable[[], bool]) -> None:
    """Waits until something holds. Fails after a minute."""
    deadline = time.monotonic() + LONGEST_S
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.01)
