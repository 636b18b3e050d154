"""A directory's tree goes into the store: what is new of it is read, and what the stat cache proves unchanged is not."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from datamon.store.beneath import Beneath
from datamon.store.columns import TreeColumns
from datamon.store.entries import PERMISSION_BITS, Kind
from datamon.store.file_times import mapped_inodes
from datamon.store.hashing import Hashing
from datamon.store.ids import SessionId
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress
from datamon.store.reader import reader
from datamon.store.roots import Manifest
from datamon.store.standing import manifest_stands, standing
from datamon.store.stat_cache import NO_CONTENT, Content, Entry, Remembered, StatCache
from datamon.store.walk import (
    Found,
    Listing,
    check_can_be_kept,
    found_at,
    list_tree,
    open_tree,
)
from datamon.store.workers import Workers

if TYPE_CHECKING:
    from datamon.store.pack_session import PackSession

CacheUse = Literal["use", "refresh", "none"]
"""Whether the stat cache spares reading (`use`), is only written anew (`refresh`), or is left alone (`none`)."""

_KIND_BITS = 0o170000
_KINDS: Mapping[int, Kind] = {0o100000: "file", 0o040000: "dir", 0o120000: "symlink"}
_OWNER_EXECUTES = 0o100
_REMEMBERED_BYTES = 128
"""What the stat cache keeps of one path, roughly."""


@dataclass(frozen=True, slots=True)
class TreeSource:
    """The directory that is to become a bundle, whether the stat cache may spare reading it, and how many processes may work at
    it: another is forked where that is worth it and can be done."""

    path: Path
    cache: CacheUse = "use"
    processes: int = 1
    select: "Callable[[Beneath, Mapping[str, Listing]], Mapping[str, Listing]] | None" = None
    """Gives the part of the listings that is to be kept; wants `cache` none, for what is remembered is whole."""


@dataclass(frozen=True, slots=True)
class StoredTree:
    """What a commit needs of a tree that is in the store: its manifest, the session that wrote for it (None: nothing had to be
    written) and the packs of others that it relies on (None: these are not known)."""

    manifest: Manifest
    session: SessionId | None
    reused: frozenset[str] | None


def put_tree(
    store: Store,
    source: TreeSource,
    *,
    condemned: frozenset[str] = frozenset(),
    progress: Progress = SILENT,
) -> StoredTree:
    """The directory's tree, durable, but not committed; nothing of it relies on what is `condemned`. Symlinks are kept as
    symlinks and never followed, hard links as files; `.datamonignore` is honoured. A tree that the stat cache knows as a whole
    costs one listing of packs and one question about its manifest, and no byte is read.

    What was put stays when this fails: the next attempt does not send it again.

    Raises NotFound (`path-not-found`), Invalid (`bad-path`, `unsupported-file`, `file-changed`), Denied
    (`unreadable`), Unavailable.
    """
    with open_tree(source.path) as tree:
        memory = StatCache.open(store, tree) if source.cache != "none" else None
        recalled = memory.recall() if memory is not None and source.cache == "use" else None
        known = standing(store, recalled, condemned) if recalled is not None else None
        listings = list_tree(tree, ignoring=True, known=known.listings if known is not None else {})
        if source.select is not None:
            listings = dict(source.select(tree, listings))
        is_same = known is not None and known.is_whole and listings == known.listings
        if known is None or not is_same or not manifest_stands(store, known.manifest, condemned):
            return _put_changed(_Putting(store, tree, memory, known, condemned, source.processes, progress), listings)
        if known is not recalled and memory is not None:  # its chunks lie in other packs than before
            trusted = memory.trusted(_recognised(listings, known), frozenset())
            memory.remember(trusted, known.manifest, known.packs)
        return StoredTree(known.manifest, None, known.packs)


@dataclass(frozen=True, slots=True)
class _Putting:
    """One tree on its way into the store."""

    store: Store
    tree: Beneath
    memory: StatCache | None
    known: Remembered | None
    condemned: frozenset[str]
    processes: int
    progress: Progress


def _put_changed(putting: _Putting, listings: Mapping[str, Listing]) -> StoredTree:
    # Imported at first use: it brings pyarrow, which a tree that did not change does not need.
    from datamon.store.manifest import write_columns

    store, memory, known = putting.store, putting.memory, putting.known
    planned, files = _planned(putting, listings)
    mapped = mapped_inodes() if memory is not None and _may_be_remembered(memory, planned) else frozenset()
    beside = Workers(1)
    try:
        with _put_files(putting, planned, files) as session:
            if memory is not None:  # another thread makes it up while the session is closed and the manifest written
                work = partial(memory.trusted, planned, mapped)
                trusted = beside.submit(len(planned) * _REMEMBERED_BYTES, work)
        manifest = write_columns(store.metadata, _columns(planned), condemned=putting.condemned)
        reused = session.reused | (known.packs if known is not None else frozenset())
        if memory is not None:
            memory.remember(trusted.result(), manifest, reused | session.packs)
    finally:
        beside.stop()
    putting.progress.end()
    return StoredTree(manifest, session.id, reused)


@contextmanager
def _put_files(putting: _Putting, planned: list[Entry], files: list[Found]) -> Iterator["PackSession"]:
    """Inside, the files are in the session, and what they hold is in `planned`; the session is closed afterwards."""
    with reader(putting.tree, files, putting.processes, putting.store.hashing) as reading:
        # Imported at first use, as above; and after the fork, so that it reads meanwhile.
        from datamon.store.ingest import keep_files

        unread = (place for place, (_, _, content) in enumerate(planned) if content is None)
        putting.progress.begin("upload", len(files), sum(found.size_bytes for found in files))
        with putting.store.chunks.session(putting.condemned) as session:
            all_kept = keep_files(session, putting.tree, files, putting.progress, reader=reading)
            for place, kept in zip(unread, all_kept, strict=True):
                path, row, _ = planned[place]
                one_row = row if row == kept.row else kept.row  # two equal ones would be twice the memory
                planned[place] = path, one_row, (kept.stored.digest, kept.stored.recipe)
            yield session


def _planned(putting: _Putting, listings: Mapping[str, Listing]) -> tuple[list[Entry], list[Found]]:
    """Every path, in order, and the files that are to be read, in the same order."""
    planned = _recognised(listings, putting.known)
    files = []
    for place, (path, row, content) in enumerate(planned):
        if content is None:
            found = found_at(putting.tree, path, row)
            check_can_be_kept(putting.tree, found)
            if found.kind == "file":
                files.append(found)
            else:
                planned[place] = path, row, _content_of(found, putting.store.hashing)
    return planned, files


def _recognised(listings: Mapping[str, Listing], known: Remembered | None) -> list[Entry]:
    """Every path, in order, with what it holds where its row is as it was when that was remembered."""
    planned: list[Entry] = []
    for directory, here in listings.items():
        lead = f"{directory}/" if directory else ""
        if known is None or directory not in known.listings:
            planned += ((lead + name, row, None) for name, row in here.items())
            continue
        before, contents = known.listings[directory], known.contents
        planned += (
            (lead + name, row, contents[lead + name] if before.get(name) == row else None) for name, row in here.items()
        )
    planned.sort(key=itemgetter(0))
    return planned


def _may_be_remembered(memory: StatCache, planned: Iterable[Entry]) -> bool:
    return any(content is None and memory.can_trust(row) for _, row, content in planned)


def _content_of(found: Found, hashing: Hashing) -> Content:
    if found.target is None:
        return NO_CONTENT
    target = found.target.encode()
    return hashing.chunk(target), target


def _columns(planned: Sequence[Entry]) -> TreeColumns:
    # A column at a time: a row in Python costs twice as much.
    paths, rows, contents = map(list, zip(*planned, strict=True)) if planned else ([], [], [])
    held = [content or NO_CONTENT for content in contents]
    modes = [row[0] for row in rows]
    kinds = [_KINDS[mode & _KIND_BITS] for mode in modes]
    return TreeColumns(
        path=paths,
        kind=kinds,
        executable=[kind == "file" and mode & _OWNER_EXECUTES != 0 for kind, mode in zip(kinds, modes, strict=True)],
        size_bytes=[row[1] if kind == "file" else 0 for kind, row in zip(kinds, rows, strict=True)],
        content=[content for content, _ in held],
        target=[
            more.decode() if kind == "symlink" and more is not None else None
            for kind, (_, more) in zip(kinds, held, strict=True)
        ],
        recipe=[more if kind == "file" else None for kind, (_, more) in zip(kinds, held, strict=True)],
        mode=[mode & PERMISSION_BITS for mode in modes],
        mtime_ns=[row[2] for row in rows],
    )
