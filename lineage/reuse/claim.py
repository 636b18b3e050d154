"""One computation at a time on this machine: who asks for what another process computes just now waits for its outputs."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from datamon.lineage.reuse.parts import Parts
from datamon.store.beneath import writing
from datamon.store.cache_files import keep_file
from datamon.store.opening import Store

_FOLDER = "computations"
_MINE: ContextVar[frozenset[str]] = ContextVar("_MINE", default=frozenset())
"""The keys that those around us are inside with: waiting for them would never end."""


class Busy(Exception):  # noqa: N818 (no failure: it says when to try again)
    """Another computes the same just now."""


def not_waiting() -> None:
    """As `waiting` of `claimed`: raises Busy, so that who cannot stand still can try again later."""
    raise Busy


@contextmanager
def claimed(store: Store, key: str, waiting: Callable[[], None]) -> Iterator[None]:
    """Inside, no other process, thread or task of this machine and store is inside with the same key, except those that are
    around this one. `waiting` is called when one is, before this waits for it; one that dies lets go. A store that keeps nothing
    on this machine holds nothing.

    Raises Denied (`unwritable`), Unavailable (`disk-full`).
    """
    if store.state_dir is None or key in _MINE.get():
        yield
        return
    lock = store.state_dir / _FOLDER / f"{key}.lock"
    descriptor = _held(lock, waiting)
    around = _MINE.set(_MINE.get() | {key})
    try:
        yield
    finally:
        _MINE.reset(around)
        lock.unlink(missing_ok=True)  # while it is held: whoever waits for it sees that it is gone, and makes it again
        os.close(descriptor)


def _held(lock: Path, waiting: Callable[[], None]) -> int:
    """The descriptor of the lock's file, which nobody else holds until it is closed."""
    while True:
        with writing(lock):
            lock.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock(descriptor, waiting)
            if os.fstat(descriptor).st_nlink:
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int, waiting: Callable[[], None]) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        waiting()
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def last_parts(store: Store, step: str) -> tuple[str, Parts] | None:
    """The last run of this step (`pipeline/step`) that this machine made and kept a result of, and its parts."""
    place = _place(store, step)
    if place is None:
        return None
    try:
        kept = json.loads(store.cover.off(place.read_bytes(), place.name))
        return str(kept["run"]), Parts(kept["parts"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def note_parts(store: Store, step: str, run: str, parts: Parts) -> None:
    """What `last_parts` tells from now on. Errors of the file system cost only that."""
    place = _place(store, step)
    if place is not None:
        content = store.cover.on(json.dumps({"run": run, "parts": dict(parts.values)}).encode(), place.name)
        with suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            keep_file(place, lambda target: target.write(content))


def _place(store: Store, step: str) -> Path | None:
    if store.state_dir is None:
        return None
    return store.state_dir / _FOLDER / store.cover.name_of(Path("/", step))
