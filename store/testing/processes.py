"""What processes are there. For Linux."""

import os
from pathlib import Path


def forks(pid: int | None = None) -> list[int]:
    """The processes that the first thread of this process, or of another, forked and did not wait for: they run what it runs, or
    are zombies."""
    pid = os.getpid() if pid is None else pid
    children = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return [child for child in children if _command(child) in (b"", _command(pid))]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b"gone"
