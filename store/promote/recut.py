"""A bundle's tree goes to a store that names bytes otherwise: every file is read, cut and named anew."""

from collections.abc import Iterator
from dataclasses import replace
from io import BufferedReader, RawIOBase
from typing import TYPE_CHECKING

from datamon.errors import Invalid
from datamon.store.chunk_store import read_file
from datamon.store.columns import TreeColumns
from datamon.store.entries import TreeEntry, printable
from datamon.store.hashing import Hashing
from datamon.store.manifest import iter_entries, write_columns
from datamon.store.opening import Store
from datamon.store.pack_session import PackSession
from datamon.store.progress import Progress
from datamon.store.put_tree import StoredTree
from datamon.store.roots import Manifest
from datamon.store.whole_files import extension_of

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


def recut_tree(
    source: Store, target: Store, manifest: Manifest, condemned: frozenset[str], progress: Progress
) -> StoredTree:
    """The manifest's entries, with what they hold, are durable in the target as an upload of the same tree would put them, but
    not committed; nothing of them relies on what is condemned. Each file is verified when it is read. The entries of the whole
    tree are in memory, as in an upload.

    Raises Corrupt, Invalid (`newer-format`, `unsafe-path`, `bad-argument` for an external entry), Denied, Unavailable.
    """
    progress.begin("promote", manifest.entries, manifest.size_bytes)
    columns = TreeColumns()
    with target.chunks.session(condemned) as session:
        for entry in iter_entries(source.metadata, manifest):
            columns.append(_put(source, session, target.hashing, entry))
            progress.advance(1, entry.size_bytes)
    made = write_columns(target.metadata, columns, condemned=condemned)
    progress.end()
    return StoredTree(made, session.id if session.packs else None, session.reused)


def _put(source: Store, session: PackSession, hashing: Hashing, entry: TreeEntry) -> TreeEntry:
    """The entry with the names that the session's store has for what it holds."""
    if entry.kind == "external":
        raise Invalid(
            "bad-argument",
            f"{printable(entry.path)!r} lies elsewhere, and the two stores name bytes in different ways; bring it in first "
            "(`datamon bundle link --copy`), then promote that bundle",
            path=entry.path,
        )
    if entry.kind == "symlink" and entry.target is not None:
        return replace(entry, content=hashing.content(entry.target.encode()))
    if entry.kind != "file":
        return entry
    pieces = read_file(source.chunks, entry.content, entry.size_bytes, entry.recipe)
    with BufferedReader(_Pieces(pieces)) as stream:
        stored = session.put_file(stream, extension=extension_of(entry.path), size_hint=entry.size_bytes)
    return replace(entry, content=stored.content, recipe=stored.recipe)


class _Pieces(RawIOBase):
    """Pieces that follow each other, as a file that is read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, room: "WriteableBuffer") -> int:
        """Fills the room from its start and returns how many bytes, 0 only at the end."""
        while not self._rest and (piece := next(self._pieces, None)) is not None:
            self._rest = memoryview(piece)
        view = memoryview(room)
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
