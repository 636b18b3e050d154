"""Processes forked from this one, which never outlive it."""

import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from datamon.errors import Unavailable

_ON_PARENTS_DEATH = 1
"""PR_SET_PDEATHSIG of Linux: the signal that the kernel sends a process whose parent is gone."""


def can_fork() -> bool:
    """Whether this process may fork: on Linux, when no other thread runs, whose locks no one would open in a fork."""
    return sys.platform == "linux" and threading.active_count() == 1


def fork(life: Callable[[], object]) -> int:
    """The number of a new process, which does `life` and ends, without what a program does at its end: all of that is this
    process's. A Ctrl-C is for this process only; when it dies, the kernel kills the new one. To be called `undisturbed`, where
    `can_fork`; the caller ends the process by `reap`. Raises Unavailable (`worker-died`) when none can be started."""
    parent = os.getpid()
    try:
        with warnings.catch_warnings():  # of threads from libraries, which know of forks: none of them is ours
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
    except OSError as error:
        raise Unavailable("worker-died", f"no process could be started ({error.strerror}); try again") from error
    if pid == 0:
        _live(parent, life)
    return pid


def reap(pids: Iterable[int]) -> None:
    """None of these processes is there any more, nor a zombie; nobody waited for their ends yet. To be called `undisturbed`."""
    pids = list(pids)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)  # nobody waited for it, so that no other process has its number
    for pid in pids:
        os.waitpid(pid, 0)


@contextmanager
def undisturbed() -> Iterator[None]:
    """A Ctrl-C inside counts when the block has ended. For the first thread."""
    came: list[tuple[int, object]] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
        if came and callable(before):
            before(signal.SIGINT, None)


def _live(parent: int, life: Callable[[], object]) -> NoReturn:
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _die_with(parent)
        life()
    finally:
        os._exit(0)


def _die_with(parent: int) -> None:
    """From now on this process is killed when its parent dies; where the kernel cannot, it ends when it next tells something."""
    import ctypes  # 5 ms, for those who fork

    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_ON_PARENTS_DEATH, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)
