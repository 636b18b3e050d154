"""One run at a time writes to a directory: while a command runs, no other run of this machine has the same output there."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from datamon.errors import Conflict
from datamon.store.beneath import writing
from datamon.store.opening import Store

_FOLDER = "outputs"


@contextmanager
def holding(store: Store, directories: Sequence[Path]) -> Iterator[None]:
    """Inside, no other run of this store and machine is inside with one of these directories; a recorder that dies lets go, and
    what its command left running does not hold on. A store that keeps nothing on this machine holds nothing.

    Raises Conflict (`directory-in-use`) when another run is inside, Denied (`unwritable`), Unavailable (`disk-full`).
    """
    with ExitStack() as stack:
        if store.state_dir is not None:
            for directory in directories:
                stack.callback(os.close, _held(store, store.state_dir / _FOLDER, directory))
        yield


def _held(store: Store, folder: Path, directory: Path) -> int:
    """The descriptor that holds the directory until it is closed."""
    lock = folder / f"{store.cover.name_of(directory)}.lock"
    with writing(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with writing(lock):
            _take(descriptor, directory)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _take(descriptor: int, directory: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Conflict(
            "directory-in-use",
            f"another run is writing to {str(directory)!r} now; wait for its end, or give this run another output directory",
            path=str(directory),
        ) from None
