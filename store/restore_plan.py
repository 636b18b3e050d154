"""In which order files are read: by where their bytes lie, so that each frame is read and decompressed once."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from datamon.errors import Corrupt
from datamon.store.bundle import Bundle
from datamon.store.chunk_index import Place
from datamon.store.chunk_store import ChunkStore, file_rows
from datamon.store.entries import TreeEntry
from datamon.store.ids import HASH_BYTES, ChunkId
from datamon.store.read_ahead import BATCH_FILES, Batch, BatchSize, Share, batch_size
from datamon.store.reading import Wanted
from datamon.store.restore import named

_SORTED_TOGETHER = 8_000
"""So many files are put in order at a time, which bounds memory; an upload packs files in about the order of their paths."""


class _Located(NamedTuple):
    """A file and where the first chunk that its entry names lies: of its bytes or, in a long file, of a list of its chunks."""

    entry: TreeEntry
    place: Place | None


def plan(chunks: ChunkStore, files: Iterable[TreeEntry], bundle: Bundle) -> Iterator[Batch]:
    """Batches that hold every chunk of the files; the shares of a file come one after the other, from its first to its last.

    Raises Corrupt, naming the file and the bundle, when a file's recipe cannot be read.
    """
    batching = _Batching(batch_size(chunks))
    for located in _by_place(chunks, files):
        try:
            yield from batching.add(located.entry, _wanted(chunks, located))
        except Corrupt as error:
            raise named(error, bundle, located.entry.path) from error
    yield batching.batch


class _Batching:
    """Puts the chunks of one file after the other into batches."""

    def __init__(self, most: BatchSize) -> None:
        self._most = most
        self._begin_batch()

    def _begin_batch(self) -> None:
        self.batch = Batch()
        self._size_bytes = 0
        self._frames = 0
        self._frame: tuple[str, int] | None = None

    def add(self, entry: TreeEntry, chunks: Iterable[Wanted]) -> Iterator[Batch]:
        """Gives the batches that are full."""
        begin, first = len(self.batch.wanted), True
        for wanted in chunks:
            frame = None if wanted.place is None else (wanted.place.pack, wanted.place.row.offset)
            if self._is_full_for(frame):
                if begin < len(self.batch.wanted):
                    self.batch.shares.append(Share(entry, begin, len(self.batch.wanted), first, last=False))
                    first = False
                yield self.batch
                self._begin_batch()
                begin = 0
            self._frames += frame is None or frame != self._frame
            self._frame = frame
            self._size_bytes += wanted.length
            self.batch.wanted.append(wanted)
        self.batch.shares.append(Share(entry, begin, len(self.batch.wanted), first, last=True))

    def _is_full_for(self, frame: tuple[str, int] | None) -> bool:
        """A frame is not divided between batches, for which it would be read and decompressed twice, unless files without
        end lie in it."""
        full = self._size_bytes >= self._most.size_bytes or self._frames >= self._most.frames
        return (full and (frame is None or frame != self._frame)) or len(self.batch.shares) >= BATCH_FILES


def _by_place(chunks: ChunkStore, files: Iterable[TreeEntry]) -> Iterator[_Located]:
    """The files, so many at a time, in the order in which their first chunks lie in packs."""
    waiting = iter(files)
    while some := list(islice(waiting, _SORTED_TOGETHER)):
        yield from sorted((_located(chunks, entry) for entry in some), key=_order)


def _located(chunks: ChunkStore, entry: TreeEntry) -> _Located:
    if not entry.size_bytes:
        return _Located(entry, None)
    first = bytes.fromhex(entry.content) if entry.recipe is None else entry.recipe[1 : 1 + HASH_BYTES]
    return _Located(entry, chunks.locate(ChunkId(first)))


def _order(located: _Located) -> tuple[str, int, int]:
    if located.place is None:
        return ("", 0, 0)
    pack, row = located.place
    return (pack, row.offset, row.inner)


def _wanted(chunks: ChunkStore, located: _Located) -> Iterable[Wanted]:
    entry = located.entry
    if entry.recipe is None:
        chunk = ChunkId(bytes.fromhex(entry.content))
        return [Wanted(chunk, entry.size_bytes, located.place)] if entry.size_bytes else []
    rows = file_rows(chunks, entry.content, entry.size_bytes, entry.recipe)
    return (Wanted(row.chunk, row.length, chunks.locate(row.chunk)) for row in rows)
