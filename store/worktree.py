"""What datamon put into a directory: noted beside the store on this machine, never in the directory itself."""

import fcntl
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datamon.errors import Conflict, DatamonError
from datamon.store.beneath import reading, writing
from datamon.store.codec import Record, decode, encode, stamped
from datamon.store.entries import TreeEntry, printable
from datamon.store.ids import ContentId, ManifestId
from datamon.store.opening import Store

_FOLDER = "worktrees"
_PAUSE_S = 0.1
_ATTEMPTS = 600
_in_process: dict[tuple[str, str], bytes] = {}
"""The notes of stores that keep none on disk, by store and directory."""
_locks_in_process: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)


@dataclass(frozen=True, slots=True)
class Source:
    """A tree in the store: a part of a manifest, `""` being all of it, and of that the files that `pattern` finds (see
    `name_filter`), `""` being all of them."""

    manifest: ManifestId
    part: str
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Worktree:
    """The note on one directory.

    `done` is the tree that was put there and finished; `extras` is what else lay there and was noted. `partial` says that since
    then something was begun that did not finish, so that not all of it may be there; `begun` are the trees whose putting there
    was begun, `tokens` those of their writers. `output` says that runs write there. `device` and `inode` are the directory's,
    `hashed_ns` the time on its file system's clock when all of it was last known to hold `done` and `extras` (0: never).
    """

    done: Source | None = None
    partial: bool = False
    begun: tuple[Source, ...] = ()
    tokens: tuple[str, ...] = ()
    output: bool = False
    extras: tuple[TreeEntry, ...] = ()
    device: int = 0
    inode: int = 0
    hashed_ns: int = 0


def read_note(store: Store, directory: Path) -> Worktree | None:
    """The note on `directory`; None when there is none, or none that can be read, or another store's."""
    where = _where(store, directory)
    if isinstance(where, Path):
        try:
            with reading(where):
                content = store.cover.off(where.read_bytes(), where.name)
        except (DatamonError, ValueError):
            return None
    else:
        content = _in_process.get(where, b"")
    try:
        record = decode(content, str(where))
        if (record["kind"], record["store"], record["directory"]) != ("worktree", store.id, _shown(directory)):
            return None
        return _from_record(record)
    except (DatamonError, KeyError, TypeError, ValueError):
        return None


def write_note(store: Store, directory: Path, note: Worktree) -> None:
    """The note on `directory` is this one, by one rename. Raises Unavailable (`disk-full`), Denied (`unwritable`)."""
    fields = {"store": store.id, "directory": _shown(directory), **_to_record(note)}
    content = encode(stamped("worktree", fields))
    where = _where(store, directory)
    if not isinstance(where, Path):
        _in_process[where] = content
        return
    begun = where.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
    with writing(where):
        where.parent.mkdir(parents=True, exist_ok=True)
        try:
            begun.write_bytes(store.cover.on(content, where.name))
            begun.replace(where)
        except BaseException:
            with suppress(OSError):
                begun.unlink()
            raise


def delete_note(store: Store, directory: Path) -> None:
    """There is no note on `directory` afterwards."""
    where = _where(store, directory)
    if isinstance(where, Path):
        with writing(where):
            where.unlink(missing_ok=True)
    else:
        _in_process.pop(where, None)


@contextmanager
def only_one(store: Store, directory: Path, pause: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """Inside, no other process or thread of this machine is between the same two lines for `directory`; one that is, is waited
    for, for a minute in all by `pause` (seconds). A process that dies lets go.

    Raises Conflict (`directory-in-use`), Denied (`unwritable`), Unavailable (`disk-full`).
    """
    where = _where(store, directory)
    if not isinstance(where, Path):
        lock = _locks_in_process[where]
        _wait_for(lambda: lock.acquire(blocking=False), directory, pause)
        try:
            yield
        finally:
            lock.release()
        return
    place = where.with_suffix(".lock")
    with writing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with writing(place):
            _wait_for(lambda: _locked(descriptor), directory, pause)
        yield
    finally:
        os.close(descriptor)


def _wait_for(attempt: Callable[[], bool], directory: Path, pause: Callable[[float], None]) -> None:
    for _ in range(_ATTEMPTS):
        if attempt():
            return
        pause(_PAUSE_S)
    shown = printable(str(directory))
    message = f"another command of datamon is at work in {shown!r}; begin again when it has ended"
    raise Conflict("directory-in-use", message, path=shown)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _shown(directory: Path) -> str:
    """The directory's absolute path without symlinks, as text."""
    return os.fsencode(directory.resolve()).decode("utf-8", "backslashreplace")


def _where(store: Store, directory: Path) -> Path | tuple[str, str]:
    if store.state_dir is None:
        return store.id, _shown(directory)
    return store.state_dir / _FOLDER / f"{store.cover.name_of(directory)}.json"


def _to_record(note: Worktree) -> Record:
    return {
        "done": None if note.done is None else _pair(note.done),
        "partial": note.partial,
        "begun": [_pair(source) for source in note.begun],
        "tokens": list(note.tokens),
        "output": note.output,
        "extras": [[e.path, e.kind, e.size_bytes, e.content, e.target, e.executable] for e in note.extras],
        "device": note.device,
        "inode": note.inode,
        "hashed_ns": note.hashed_ns,
    }


def _from_record(record: Record) -> Worktree:
    return Worktree(
        done=None if record["done"] is None else _source(record["done"]),
        partial=bool(record["partial"]),
        begun=tuple(_source(source) for source in record["begun"]),
        tokens=tuple(str(token) for token in record["tokens"]),
        output=bool(record["output"]),
        extras=tuple(_extra(extra) for extra in record["extras"]),
        device=int(record["device"]),
        inode=int(record["inode"]),
        hashed_ns=int(record["hashed_ns"]),
    )


def _pair(source: Source) -> list[str]:
    """The manifest and the part, and the pattern where there is one."""
    return [source.manifest, source.part, *([source.pattern] if source.pattern else [])]


def _source(pair: Any) -> Source:
    manifest, part, *pattern = pair
    return Source(ManifestId(manifest), str(part), *map(str, pattern))


def _extra(row: Any) -> TreeEntry:
    path, kind, size_bytes, content, target, executable = row
    return TreeEntry(path, kind, size_bytes, ContentId(content), target, None, executable, 0, 0)
