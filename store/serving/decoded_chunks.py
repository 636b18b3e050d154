"""Chunks as they were before they were packed, in memory that many readers share: each is fetched once, whoever asks first."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Self

from datamon.store.chunk_store import ChunkStore, get_row
from datamon.store.ids import ChunkId
from datamon.store.read_ahead import batch_size
from datamon.store.reading import SMALL_BYTES, Wanted, is_right
from datamon.store.recipes import RecipeRow
from datamon.store.workers import core_workers

LIMIT_BYTES = 128 * 2**20
AHEAD_BYTES = 8 * 2**20
_FAR_THREADS = 8
"""On a far store threads mostly wait."""


class DecodedChunks:
    """The decoded chunks of one store that were used last, at most `limit_bytes` of them. Any thread may ask; what two ask for at
    one time is read once. Files are read ahead by `ahead_bytes` at most, or a quarter of the memory where that is less. Threads
    are there from the first read on that needs more than one; `close` ends them."""

    def __init__(self, chunks: ChunkStore, limit_bytes: int = LIMIT_BYTES, ahead_bytes: int = AHEAD_BYTES) -> None:
        self.chunks = chunks
        self.limit_bytes = limit_bytes
        self.ahead_bytes = min(ahead_bytes, limit_bytes // 4)
        self.held_bytes = 0
        self._held: OrderedDict[ChunkId, bytes] = OrderedDict()
        self._under_way: dict[ChunkId, Future[bytes]] = {}
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None
        self._queued_bytes = 0
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def contents(self, rows: Sequence[RecipeRow]) -> list[bytes]:
        """The bytes of these chunks, verified. Raises Corrupt, Denied, Unavailable."""
        while True:
            found, mine = self._claim(rows)
            try:
                self._fetch_all(mine)
                return [each if isinstance(each, bytes) else each.result() for each in found]
            except CancelledError:  # who read it was stopped, and we were not
                continue
            finally:
                self._abandon(mine)

    def prefetch(self, rows: Sequence[RecipeRow]) -> None:
        """These chunks are being read, as far as memory allows, and will be held; nobody is told when that fails."""
        for batch in self._batches(self._missing(rows)):
            size_bytes = sum(row.length for row in batch)
            with self._lock:
                if self._is_closed or self._queued_bytes + size_bytes > self.limit_bytes // 2:
                    return
                self._queued_bytes += size_bytes
                self._workers().submit(self._fetch_ahead, batch, size_bytes)

    def close(self) -> None:
        """No thread is left, and nothing is held. What is asked for afterwards is read by the thread that asks."""
        with self._lock:
            threads, self._threads, self._is_closed = self._threads, None, True
        if threads is not None:
            threads.shutdown(cancel_futures=True)
        with self._lock:
            self._held.clear()
            self.held_bytes = 0

    def _claim(self, rows: Sequence[RecipeRow]) -> tuple[list[bytes | Future[bytes]], list[RecipeRow]]:
        """What is held or on its way, and which of the chunks the caller has to read."""
        found: list[bytes | Future[bytes]] = []
        mine: list[RecipeRow] = []
        with self._lock:
            for row in rows:
                content = self._held.get(row.chunk)
                if content is not None and len(content) == row.length:
                    self._held.move_to_end(row.chunk)
                    found.append(content)
                    continue
                under_way = self._under_way.get(row.chunk)
                if under_way is None:
                    under_way = self._under_way[row.chunk] = Future()
                    mine.append(row)
                found.append(under_way)
        return found, mine

    def _missing(self, rows: Sequence[RecipeRow]) -> list[RecipeRow]:
        with self._lock:
            return [row for row in rows if row.chunk not in self._held and row.chunk not in self._under_way]

    def _fetch_ahead(self, batch: Sequence[RecipeRow], size_bytes: int) -> None:
        _, mine = self._claim(batch)
        try:
            with suppress(Exception):  # whoever needs these bytes asks again, and is told
                self._fetch(mine)
        finally:
            self._abandon(mine)
            with self._lock:
                self._queued_bytes -= size_bytes

    def _fetch_all(self, rows: Sequence[RecipeRow]) -> None:
        batches = list(self._batches(rows))
        with self._lock:
            is_shared = len(batches) > 1 and not self._is_closed
            outcomes = [self._workers().submit(self._fetch, batch) for batch in batches] if is_shared else []
        for outcome in outcomes:
            outcome.result()
        for batch in batches[len(outcomes) :]:
            self._fetch(batch)

    def _fetch(self, rows: Sequence[RecipeRow]) -> None:
        """These chunks, which were claimed, are read: each claim has its bytes or its error."""
        for row, content in self._read(rows):
            self._hold(row.chunk, content)

    def _read(self, rows: Sequence[RecipeRow]) -> Iterator[tuple[RecipeRow, bytes]]:
        if len(rows) < 2:  # what lies beside it in a shared frame is remembered there
            yield from ((row, get_row(self.chunks, row)) for row in rows)
            return
        wanted = [Wanted(row.chunk, row.length, self.chunks.locate(row.chunk)) for row in rows]
        room = memoryview(bytearray(sum(row.length for row in rows)))
        for row, each, piece in zip(rows, wanted, self.chunks.read(wanted, room), strict=True):
            if piece is not None and (row.length >= SMALL_BYTES or is_right(piece, each, self.chunks.hashing)):
                yield row, bytes(piece.room[piece.begin : piece.end])
            else:
                yield row, get_row(self.chunks, row)

    def _hold(self, chunk: ChunkId, content: bytes) -> None:
        with self._lock:
            claim = self._under_way.pop(chunk, None)
            if chunk not in self._held and len(content) <= self.limit_bytes and not self._is_closed:
                self._held[chunk] = content
                self.held_bytes += len(content)
                while self.held_bytes > self.limit_bytes:
                    _, oldest = self._held.popitem(last=False)
                    self.held_bytes -= len(oldest)
        if claim is not None:
            claim.set_result(content)

    def _abandon(self, rows: Sequence[RecipeRow]) -> None:
        """Nobody waits any longer for those of the claims that were not read: they claim them themselves."""
        if not rows:
            return
        with self._lock:
            left = [claim for row in rows if (claim := self._under_way.pop(row.chunk, None)) is not None]
        for claim in left:
            claim.cancel()

    def _batches(self, rows: Sequence[RecipeRow]) -> Iterator[list[RecipeRow]]:
        most = batch_size(self.chunks).size_bytes
        batch: list[RecipeRow] = []
        size_bytes = 0
        for row in rows:
            if batch and size_bytes + row.length > most:
                yield batch
                batch, size_bytes = [], 0
            batch.append(row)
            size_bytes += row.length
        if batch:
            yield batch

    def _workers(self) -> ThreadPoolExecutor:
        if self._threads is None:
            count = max(core_workers(), _FAR_THREADS if self.chunks.is_far else 0)
            self._threads = ThreadPoolExecutor(count, thread_name_prefix="serving")
        return self._threads
