"""A mount that goes on in the background: another process of ours serves it, and what it says goes to a file."""

import subprocess
import sys
import time
from pathlib import Path

from datamon.cli.output import note
from datamon.errors import Unavailable
from datamon.store.mount.mounts import mounted_at

FLAG = "--daemonize"
_LONGEST_S = 60.0
_LOOK_S = 0.02


def daemonize(arguments: list[str], directory: Path, log: Path) -> None:
    """A process that outlives this one, with the same arguments but FLAG, has mounted at `directory`; what it says is in the file
    `log`. Raises Unavailable (`mount-failed`) with what it said when it ended, or did not mount in a minute."""
    words = [word for word in arguments if word != FLAG]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as said:
        begin = said.tell()
        served = subprocess.Popen(
            [sys.executable, "-P", "-m", "datamon.cli.main", *words],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    deadline = time.monotonic() + _LONGEST_S
    while mounted_at(directory) is None:
        if served.poll() is not None or time.monotonic() > deadline:
            served.terminate()
            raise _failed(directory, log, begin)
        time.sleep(_LOOK_S)
    served.returncode = 0  # it goes on: nobody here waits for its end
    note(f"mounted at {directory} by the process {served.pid}, which writes what it has to say to {log}")


def _failed(directory: Path, log: Path, begin: int) -> Unavailable:
    said = log.read_bytes()[begin:].decode("utf-8", "replace").strip().splitlines()
    reason = said[-1].removeprefix("error: ") if said else "its process said nothing"
    return Unavailable("mount-failed", f"nothing was mounted at {directory}: {reason}", log=str(log))
