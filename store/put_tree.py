"""A directory's tree goes into the store: what is new of it is read, and what the stat cache proves unchanged is not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from blake3 import blake3

from datamon.store.beneath import Beneath
from datamon.store.columns import TreeColumns
from datamon.store.entries import PERMISSION_BITS
from datamon.store.file_times import mapped_inodes
from datamon.store.ids import SessionId
from datamon.store.opening import Store
from datamon.store.progress import SILENT, Progress
from datamon.store.roots import Manifest
from datamon.store.standing import manifest_stands, standing
from datamon.store.stat_cache import NO_CONTENT, Content, Remembered, StatCache, Uploaded
from datamon.store.walk import (
    Found,
    Listing,
    Row,
    check_can_be_kept,
    found_at,
    list_tree,
    open_tree,
    row_of,
)

if TYPE_CHECKING:
    from datamon.store.pack_session import PackSession

CacheUse = Literal["use", "refresh", "none"]
"""Whether the stat cache spares reading (`use`), is only written anew (`refresh`), or is left alone (`none`)."""

_KIND_BITS, _FILE, _SYMLINK = 0o170000, 0o100000, 0o120000
_OWNER_EXECUTES = 0o100


@dataclass(frozen=True, slots=True)
class StoredTree:
    """What a commit needs of a tree that is in the store: its manifest, the session that wrote for it (None: nothing had to be
    written) and the packs of others that it relies on."""

    manifest: Manifest
    session: SessionId | None
    reused: frozenset[str]


def put_tree(
    store: Store,
    path: Path,
    *,
    cache: CacheUse = "use",
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
    with open_tree(path) as tree:
        memory = StatCache.open(store, tree) if cache != "none" else None
        recalled = memory.recall() if memory is not None and cache == "use" else None
        known = standing(store, recalled, condemned) if recalled is not None else None
        listings = list_tree(tree, ignoring=True, known=known.listings if known is not None else {})
        if known is None or listings != known.listings or not manifest_stands(store, known.manifest, condemned):
            return _put_changed(_Putting(store, tree, memory, known, condemned, progress), listings)
        if known is not recalled and memory is not None:  # its chunks lie in other packs than before
            memory.remember(Uploaded(_recognised(listings, known), known.manifest, known.packs), frozenset())
        return StoredTree(known.manifest, None, known.packs)


@dataclass(frozen=True, slots=True)
class _Putting:
    """One tree on its way into the store."""

    store: Store
    tree: Beneath
    memory: StatCache | None
    known: Remembered | None
    condemned: frozenset[str]
    progress: Progress


_Planned = tuple[str, Row, Content | None]
"""A path, what the file system says of it, and what it holds; None for a file that is still to be read."""


def _put_changed(putting: _Putting, listings: Mapping[str, Listing]) -> StoredTree:
    # Imported at first use: it brings pyarrow, which a tree that did not change does not need.
    from datamon.store.manifest import write_columns

    store, memory, known = putting.store, putting.memory, putting.known
    planned, files = _planned(putting, listings)
    mapped = mapped_inodes() if memory is not None and _may_be_remembered(memory, planned) else frozenset()
    session = _put_files(putting, planned, files)
    manifest = write_columns(store.metadata, _columns(planned), condemned=putting.condemned)
    reused = session.reused | (known.packs if known is not None else frozenset())
    if memory is not None:
        memory.remember(Uploaded(planned, manifest, reused | session.packs), mapped)
    putting.progress.end()
    return StoredTree(manifest, session.id, reused)


def _put_files(putting: _Putting, planned: list[_Planned], files: list[Found]) -> "PackSession":
    """The files are in the session returned, which is closed, and what they hold is in `planned`."""
    # Imported at first use, as above.
    from datamon.store.ingest import keep_files

    putting.progress.begin("upload", len(files), sum(found.size_bytes for found in files))
    unread = (place for place, (_, _, content) in enumerate(planned) if content is None)
    with putting.store.chunks.session(putting.condemned) as session:
        for place, kept in zip(unread, keep_files(session, putting.tree, files, putting.progress), strict=True):
            path, row, _ = planned[place]
            now = row_of(kept.status)
            content = bytes.fromhex(kept.stored.content), kept.stored.recipe
            planned[place] = path, row if row == now else now, content  # two equal rows would be twice the memory
    return session


def _planned(putting: _Putting, listings: Mapping[str, Listing]) -> tuple[list[_Planned], list[Found]]:
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
                planned[place] = path, row, _content_of(found)
    return planned, files


def _recognised(listings: Mapping[str, Listing], known: Remembered | None) -> list[_Planned]:
    """Every path, in order, with what it holds where its row is as it was when that was remembered."""
    planned: list[_Planned] = []
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


def _may_be_remembered(memory: StatCache, planned: Iterable[_Planned]) -> bool:
    return any(content is None and memory.can_trust(row) for _, row, content in planned)


def _content_of(found: Found) -> Content:
    if found.target is None:
        return NO_CONTENT
    target = found.target.encode()
    return blake3(target).digest(), target


def _columns(planned: Iterable[_Planned]) -> TreeColumns:
    columns = TreeColumns()
    for path, row, content in planned:
        identity, more = content or NO_CONTENT
        mode, size_bytes, mtime_ns, *_ = row
        is_file, is_symlink = mode & _KIND_BITS == _FILE, mode & _KIND_BITS == _SYMLINK
        columns.path.append(path)
        columns.kind.append("file" if is_file else "symlink" if is_symlink else "dir")
        columns.executable.append(is_file and bool(mode & _OWNER_EXECUTES))
        columns.size_bytes.append(size_bytes if is_file else 0)
        columns.content.append(identity)
        columns.target.append(more.decode() if is_symlink and more is not None else None)
        columns.recipe.append(more if is_file else None)
        columns.mode.append(mode & PERMISSION_BITS)
        columns.mtime_ns.append(mtime_ns)
    return columns
