"""Which pack holds a chunk: the look-up over all segments of a blob backend, in sorted levels (see `index_level`)."""

import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from datamon.store.backend import Backend
from datamon.store.cache_files import drop_file
from datamon.store.ids import ChunkId
from datamon.store.index_level import Level, LevelDamaged
from datamon.store.index_refresh import Levels, extended, opened, refreshed
from datamon.store.index_segments import SCHEMA, Place, encode_segment
from datamon.store.index_sort import segment_rows

__all__ = ["ChunkIndex", "Place", "encode_segment"]

_Answer = TypeVar("_Answer")


class ChunkIndex:
    """The look-up over all segments of a blob backend. Any thread may call it; a question takes no lock.

    `refresh` reads what is new. With a folder `cache` that is kept there, so that the next process reads no more than a listing.
    A cache that is damaged, another store's, not writable or away costs time only. What lies in a pack that is known to be absent
    is not found.
    """

    def __init__(self, blob: Backend, cache: Path | None = None) -> None:
        self._blob = blob
        self._cache = cache
        self._lock = threading.RLock()
        self._levels: Levels = ()
        self._absent: frozenset[str] = frozenset()
        self.is_loaded = False

    def refresh(self) -> None:
        """Segments that were put before this call and are still there are looked up afterwards, and no others. One listing, and a
        read for each new segment; a second listing when known ones are gone. Raises Corrupt (`bad-bytes`, `bad-record`) when a
        segment cannot be read, Unavailable (`backend-unavailable`) when they are merged faster than they can be read."""
        with self._lock:
            self._recovered(self._refresh)

    def add(self, key: str, content: bytes) -> None:
        """The segment `content`, which lies under `key`, is looked up afterwards. Raises Corrupt (`bad-bytes`, `bad-record`)."""
        with self._lock:
            self._recovered(lambda: self._extend(key, content))

    def find(self, chunk: ChunkId, without: frozenset[str] = frozenset()) -> Place | None:
        """Where `chunk` lies, as far as the loaded segments say; None when only packs that are known to be absent, or are among
        those `without`, hold it. This and the other questions raise as `refresh` when the cache turns out to be damaged, and the
        segments cannot be read instead."""
        absent = self._absent
        try:
            for level in self._levels:
                for place in level.places(chunk):
                    if place.pack not in absent and place.pack not in without:
                        return place
        except LevelDamaged:
            self._start_again()
            return self.find(chunk, without)
        return None

    def places(self, chunk: ChunkId) -> Iterator[Place]:
        """Every place of `chunk`, newest segment first: two uploads at one time may both have put it. Also those in packs that
        are known to be absent: they may have been brought back."""
        return iter(self._recovered(lambda: [place for level in self._levels for place in level.places(chunk)]))

    def packs(self) -> frozenset[str]:
        """The names of all packs that the loaded segments name."""
        return self._recovered(lambda: frozenset(pack for level in self._levels for pack in level.packs()))

    def chunks_in(self, packs: Iterable[str]) -> frozenset[ChunkId]:
        """All chunks that the loaded segments place in one of these packs."""
        named = self._naming(packs)
        return frozenset(ChunkId(chunk) for _, rows in named for chunk in rows.column("chunk").to_pylist())

    def segments_naming(self, packs: Iterable[str]) -> frozenset[str]:
        """The keys of the loaded segments that place chunks in one of these packs."""
        named = self._naming(packs)
        return frozenset(
            level.segments[number].key
            for level, rows in named
            for number in rows.column("segment").unique().to_pylist()
        )

    def table(self) -> pa.Table:
        """All rows of the loaded segments, with their columns: some 100 bytes for each. See `tables`."""
        return pa.concat_tables([pa.Table.from_batches([], SCHEMA), *self.tables()])

    def tables(self) -> Iterator[pa.Table]:
        """The same rows in stretches of some 130,000, one in memory at a time, by the first 8 bytes of the chunk. All rows of a
        chunk are in one stretch; no row comes twice, however many segments say it."""
        return segment_rows(self._recovered(self._verified))

    def set_absent(self, packs: Iterable[str]) -> None:
        """From now on these packs, and no others, are known to be absent."""
        self._absent = frozenset(packs)

    def add_absent(self, pack: str) -> None:
        """From now on this pack too is known to be absent."""
        with self._lock:
            self._absent |= {pack}

    def _refresh(self) -> None:
        levels = self._levels if self.is_loaded else (*self._levels, *opened(self._cache))
        self._levels = refreshed(self._blob, self._cache, levels)
        self.is_loaded = True

    def _extend(self, key: str, content: bytes) -> None:
        self._levels = extended(self._cache, self._levels, key, content)

    def _naming(self, packs: Iterable[str]) -> list[tuple[Level, pa.Table]]:
        wanted = frozenset(packs)
        return self._recovered(lambda: [(level, level.naming(wanted)) for level in self._levels])

    def _verified(self) -> Levels:
        levels = self._levels
        for level in levels:
            level.verify()
        return levels

    def _recovered(self, ask: Callable[[], _Answer]) -> _Answer:
        """The answer; when a file of the cache turns out to be damaged, the one without the cache."""
        try:
            return ask()
        except LevelDamaged:
            self._start_again()
            return ask()

    def _start_again(self) -> None:
        """All is read from the backend again, into memory, where nothing is damaged: files cannot be trusted here."""
        with self._lock:
            if self._cache is None:
                return
            for level in (*self._levels, *opened(self._cache)):
                if level.place is not None:
                    drop_file(level.place)
            self._cache, self._levels, self.is_loaded = None, (), False
            self._refresh()
