"""Restore: entries become directories, symlinks and files below a directory, every byte verified."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

from datamon.store.bundle import Bundle
from datamon.store.chunk_store import ChunkStore, get_row, wrong_content
from datamon.store.entries import TreeEntry
from datamon.store.hashing import Hashing
from datamon.store.progress import Progress
from datamon.store.read_ahead import Batch, Pieces, Share, read_ahead
from datamon.store.reading import SMALL_BYTES, Piece, Wanted, is_right
from datamon.store.recipes import RecipeRow
from datamon.store.restore import naming
from datamon.store.restore_plan import plan
from datamon.store.tree_writer import BegunFile, TreeWriter

_NO_PIECE = Piece(memoryview(b""), 0, 0)


def write_entries(
    writer: TreeWriter, entries: Iterable[TreeEntry], chunks: ChunkStore, bundle: Bundle, progress: Progress
) -> list[TreeEntry]:
    """The entries stand below the writer's top, read from the store and verified; directories do not have their modes and times
    yet: those are returned, for `settle_directories`. Beside them some ten thousand entries are in memory at a time.

    Raises Corrupt, naming the file and the bundle, as TreeWriter does, and as `write_externals`."""
    return Restoring(writer, chunks, bundle, progress).write(entries)


class Others(NamedTuple):
    """What is no file."""

    directories: list[TreeEntry]
    symlinks: list[TreeEntry]
    externals: list[TreeEntry]


def settle_directories(writer: TreeWriter, directories: Sequence[TreeEntry]) -> None:
    """The directories have their modes and times; to be called when nothing changes in them any more."""
    for entry in reversed(directories):
        writer.set_status(entry)


@dataclass(frozen=True, slots=True)
class Restoring:
    """One restore: from where the bytes come, and where they go."""

    writer: TreeWriter
    chunks: ChunkStore
    bundle: Bundle
    progress: Progress

    def write(self, entries: Iterable[TreeEntry]) -> list[TreeEntry]:
        """As `write_entries`."""
        others = Others([], [], [])
        self.write_files(self.made_others(entries, others, self.progress))
        self.make_rest(others)  # after the files: one name serves for what is begun
        return others.directories

    def made_others(self, entries: Iterable[TreeEntry], others: Others, progress: Progress) -> Iterator[TreeEntry]:
        """The files among the entries, when the directories before each are made."""
        for entry in entries:
            if entry.kind == "file":
                yield entry
            elif entry.kind == "dir":
                self.writer.make_directory(entry.path)
                others.directories.append(entry)
                progress.advance(1, 0)
            elif entry.kind == "symlink":
                others.symlinks.append(entry)
            else:
                others.externals.append(entry)

    def make_rest(self, others: Others) -> None:
        """The symlinks among the others are made, and what lies elsewhere stands in its place. Raises as `write_entries`, and as
        `write_externals`."""
        for entry in others.symlinks:
            self.writer.make_symlink(entry)
            self.progress.advance(1, 0)
        if others.externals:
            # Imported at first use: few bundles name what lies elsewhere.
            from datamon.store.external.restoring import write_externals

            write_externals(self.writer, others.externals, self.chunks.hashing, self.bundle, self.progress)

    def write_files(self, files: Iterable[TreeEntry]) -> None:
        """Every file stands in its place. Raises as `write_entries`."""
        # One thread writes: a second one, whatever it writes, costs both more than it does.
        with closing(read_ahead(self.chunks, plan(self.chunks, files, self.bundle))) as batches:
            self._write_all(batches)

    def _write_all(self, batches: Iterable[tuple[Batch, Pieces]]) -> None:
        """Every file of which the batches have shares stands in its place. Raises as `write_entries`."""
        file: _GrowingFile | None = None
        try:
            for batch, pieces in batches:
                for share in batch.shares:
                    if share.end - share.begin == 1 and share.entry.recipe is None:
                        self._write_small(share, batch, pieces)
                        continue
                    if file is None or share.first:
                        file = _GrowingFile(self.writer.begin_file(share.entry), share.entry, self.chunks.hashing)
                    self._write_share(file, share, self._contents(share, batch, pieces))
                    if share.last:
                        file = None
        except BaseException:
            if file is not None:
                file.begun.abandon()
            raise

    def _write_small(self, share: Share, batch: Batch, pieces: Pieces) -> None:
        """The file of one chunk stands in its place. Its chunk's id says all, and most files are such: this is the short way."""
        entry = share.entry
        room, begin, end = self._right(pieces[share.begin], batch.wanted[share.begin], entry.path)
        self.writer.write_file(entry, room[begin:end])
        self.progress.advance(1, entry.size_bytes)

    def _write_share(self, file: "_GrowingFile", share: Share, contents: Iterable[memoryview]) -> None:
        self.progress.advance(0, file.write(contents))
        if share.last:
            with naming(self.bundle, share.entry.path):
                file.check_whole()
            file.begun.finish()
            self.progress.advance(1, 0)

    def _contents(self, share: Share, batch: Batch, pieces: Pieces) -> Iterator[memoryview]:
        """The share's bytes, in few stretches: where they were not right, from wherever else the store has them."""
        path = share.entry.path
        found = (self._right(pieces[n], batch.wanted[n], path) for n in range(share.begin, share.end))
        room, begin, end = next(found, _NO_PIECE)
        for piece in found:
            if piece.room is room and piece.begin == end:
                end = piece.end
            else:
                yield room[begin:end]
                room, begin, end = piece
        yield room[begin:end]

    def _right(self, piece: Piece | None, wanted: Wanted, path: str) -> Piece:
        """The chunk's bytes, verified: these, or others."""
        if piece is not None and (wanted.length >= SMALL_BYTES or is_right(piece, wanted, self.chunks.hashing)):
            return piece
        with naming(self.bundle, path):
            content = get_row(self.chunks, RecipeRow(wanted.chunk, wanted.length))
        return Piece(memoryview(content), 0, len(content))


class _GrowingFile:
    """A file that is being written, and what is known of its bytes so far."""

    def __init__(self, begun: BegunFile, entry: TreeEntry, hashing: Hashing) -> None:
        self.begun = begun
        self._entry = entry
        self._whole = hashing.whole()
        self._size_bytes = 0

    def write(self, contents: Iterable[memoryview]) -> int:
        """Adds these bytes; returns how many."""
        before = self._size_bytes
        for content in contents:
            self._whole.update(content)
            self.begun.write(content)
            self._size_bytes += len(content)
        return self._size_bytes - before

    def check_whole(self) -> None:
        """Returns when the bytes are the entry's. Raises Corrupt (`bad-bytes`)."""
        if self._whole.hexdigest() != self._entry.content or self._size_bytes != self._entry.size_bytes:
            raise wrong_content(self._entry.content)
