"""The inputs of a recorded command shown by mounts, each served by a process of ours that writes down what is read."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datamon.cli.globals import Globals
from datamon.cli.output import note
from datamon.errors import Unavailable
from datamon.lineage.endpoints import Source
from datamon.lineage.placing import IsShown, ShowAt
from datamon.store.mount.kernel import check_directory
from datamon.store.mount.mounts import mounted_at, unmount

_LONGEST_S = 60.0
_LOOK_S = 0.01
_MOST_SAID = 20


def showing_inputs(flags: Globals) -> ShowAt:
    """Shows inputs of the store that these flags name."""
    words = [sys.executable, "-P", "-m", "datamon.cli.main"]
    words += ["--config", str(flags.config)] if flags.config is not None else []
    words += ["--context", flags.context] if flags.context is not None else []

    @contextmanager
    def show(source: Source, told: Path) -> Iterator[IsShown]:
        check_directory(source.directory)
        record = source.record
        named = ["--repo", record.repo_name, "--bundle", record.bundle, "--part", record.path, "--tell", str(told)]
        command = [*words, "bundle", "mount", "--mount", str(source.directory), *named]
        said = told.with_name(
            f"{told.name}.said"
        )  # a file takes all that it says, where a pipe that is full would stop it
        # It ends with the pipe to it, should this process be killed.
        with (
            said.open("wb") as log,
            subprocess.Popen(command, stdin=subprocess.PIPE, stderr=log, start_new_session=True) as served,
        ):
            try:
                _await(served, source.directory, said)
                yield lambda: served.poll() is None and mounted_at(source.directory) is not None
            finally:
                try:
                    if mounted_at(source.directory) is not None:
                        unmount(source.directory, force=True)
                finally:
                    served.terminate()
        _pass_on(said)

    return show


def _await(served: "subprocess.Popen[bytes]", directory: Path, said: Path) -> None:
    deadline = time.monotonic() + _LONGEST_S
    while mounted_at(directory) is None:
        if served.poll() is not None or time.monotonic() > deadline:
            lines = _lines(said)
            reason = lines[-1].removeprefix("error: ") if lines else "its process said nothing; record without --mount"
            raise Unavailable("mount-failed", f"nothing was mounted at {directory}: {reason}")
        time.sleep(_LOOK_S)


def _pass_on(said: Path) -> None:
    """Why the command got input/output errors."""
    lines = _lines(said)
    for line in lines[:_MOST_SAID]:
        note(line)
    if len(lines) > _MOST_SAID:
        note(f"and {len(lines) - _MOST_SAID:,} more like these")


def _lines(said: Path) -> list[str]:
    return said.read_text("utf-8", "replace").strip().splitlines()
