"""The inputs of a recorded command shown by mounts, each served by a process of ours that writes down what is read."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datamon.cli.globals import Globals
from datamon.errors import Unavailable
from datamon.lineage.endpoints import Source
from datamon.lineage.placing import IsShown, ShowAt
from datamon.store.mount.kernel import check_directory
from datamon.store.mount.mounts import mounted_at, unmount

_LONGEST_S = 60.0
_LOOK_S = 0.01


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
        # It ends with the pipe to it, should this process be killed.
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stderr=pipe, start_new_session=True) as served:
            try:
                _await(served, source.directory)
                yield lambda: served.poll() is None and mounted_at(source.directory) is not None
            finally:
                if mounted_at(source.directory) is not None:
                    unmount(source.directory, force=True)
                served.terminate()
                served.communicate()

    return show


def _await(served: "subprocess.Popen[bytes]", directory: Path) -> None:
    deadline = time.monotonic() + _LONGEST_S
    while mounted_at(directory) is None:
        if served.poll() is not None or time.monotonic() > deadline:
            served.terminate()
            _, said = served.communicate()
            lines = said.decode("utf-8", "replace").strip().splitlines()
            reason = lines[-1].removeprefix("error: ") if lines else "its process said nothing"
            raise Unavailable("mount-failed", f"nothing was mounted at {directory}: {reason}")
        time.sleep(_LOOK_S)
