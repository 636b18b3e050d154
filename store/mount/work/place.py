"""Where work in mounts lies on this machine, and what is left there when the process that served it was killed."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from datamon.errors import Conflict, NotFound
from datamon.store.cache_files import keep_file
from datamon.store.ids import BundleId, RepoId, new_ksuid
from datamon.store.mount.work.log import read_work
from datamon.store.mount.work.work_tree import LOG
from datamon.store.opening import Store

FOLDER = "mounts"
_ABOUT, _LOCK = "about.json", "lock"


@dataclass(frozen=True, slots=True)
class Work:
    """Work in a mount: its id, of which repo it is, the bundle that it began as or, if `empty`, only follows, the branch and
    label that its commits move, what they say, and where it was mounted."""

    id: str
    repo: RepoId
    base: BundleId | None
    empty: bool
    branch: str
    label: str | None
    message: str
    directory: str


@contextmanager
def new_work(store: Store, work: Work) -> Iterator[Path]:
    """A place of its own for the work, in use as long as the block lasts. What is in it stays; `drop_work` takes it away."""
    place = _folder(store) / work.id
    place.mkdir(parents=True, mode=0o700)
    with _in_use(place, work.id):
        keep_file(place / _ABOUT, lambda target: target.write(json.dumps(asdict(work)).encode()))
        yield place


@contextmanager
def left_work(store: Store, identity: str) -> Iterator[tuple[Work, Path]]:
    """Work of this id that no process serves, in use as long as the block lasts. Raises NotFound (`work-not-found`), Conflict
    (`work-in-use`)."""
    place = _folder(store) / identity
    about = _about(place) if identity and "/" not in identity else None
    if about is None:
        message = f"no work in a mount has the id {identity!r}; `datamon mount recover` lists what there is"
        raise NotFound("work-not-found", message, work=identity)
    with _in_use(place, identity):
        yield about, place


def list_left(store: Store) -> list[tuple[Work, int]]:
    """What killed processes left behind, oldest first, each with how many changes of names, modes and times it has."""
    found = []
    for place in sorted(_folder(store).glob("*")):
        about = _about(place)
        if about is not None and not _is_in_use(place):
            log = place / LOG
            found.append((about, sum(1 for _ in read_work(log)) if log.exists() else 0))
    return found


def drop_work(place: Path) -> None:
    """Nothing is left of the work."""
    shutil.rmtree(place, ignore_errors=True)


def new_work_id(store: Store) -> str:
    """An id that no other work has."""
    return new_ksuid(store.clock())


def _folder(store: Store) -> Path:
    assert store.state_dir is not None, "checked by whoever mounts"
    return store.state_dir / FOLDER


def _about(place: Path) -> Work | None:
    try:
        return Work(**json.loads((place / _ABOUT).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


@contextmanager
def _in_use(place: Path, identity: str) -> Iterator[None]:
    lock = os.open(place / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"a mount serves the work {identity}; unmount it, which commits, or `datamon mount commit` it"
            raise Conflict("work-in-use", message, work=identity) from error
        yield
    finally:
        os.close(lock)


def _is_in_use(place: Path) -> bool:
    try:
        with _in_use(place, place.name):
            return False
    except Conflict:
        return True
