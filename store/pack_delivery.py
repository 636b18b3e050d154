"""Packs on their way to the backend, while the next ones are filled, and the index segments that name them."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from blake3 import blake3

from datamon.errors import DatamonError
from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.ids import SessionId
from datamon.store.packs import PackRow, encode_footer
from datamon.store.workers import Outcome, Workers

_PUTS = 3
"""Packs that may be under way at a time: to a far place they overlap, and a disk is written to while it syncs."""
FIRST_SEGMENT_BYTES = 64 * 2**20
SEGMENT_BYTES = 512 * 2**20
SEGMENT_ROWS = 65_536
"""An index segment is put for so much in packs, at first for less and each time for twice as much, or for so many rows: an upload
that dies loses no more than that, and memory holds no more rows, however large the upload."""


@dataclass(frozen=True, slots=True)
class FullPack:
    """What a pack is made of: its frames, their bytes together, its rows."""

    frames: list[bytes]
    size_bytes: int
    rows: list[PackRow]


class _UnderWay(NamedTuple):
    name: str
    rows: list[PackRow]
    outcome: Outcome[int]


class PackDelivery:
    """The packs of one session, `<session>-<8 digits>` from 1, put in order by threads of its own. For one thread at a time.

    `put_segment` makes the rows of packs known to all, durably. After a call that raised, only `discard` may be called.
    """

    def __init__(
        self, blob: Backend, session: SessionId, put_segment: Callable[[Mapping[str, Sequence[PackRow]]], object]
    ) -> None:
        self._blob = blob
        self._session = session
        self._put_segment = put_segment
        self._workers = Workers(_PUTS)
        self._under_way: deque[_UnderWay] = deque()
        self._begun: list[str] = []
        self._durable: dict[str, list[PackRow]] = {}
        self._durable_bytes = 0
        self._segment_bytes = FIRST_SEGMENT_BYTES
        self._is_refused = False
        self._indexing: Outcome[object] | None = None
        self._named: dict[str, list[PackRow]] = {}
        self._named_before: set[str] = set()

    @property
    def packs(self) -> frozenset[str]:
        """The names of all packs so far."""
        return frozenset(self._begun)

    def put(self, pack: FullPack) -> Sequence[PackRow]:
        """The pack is under way. Returns the rows that all can look up from now on: those of earlier packs. Waits while too much
        is under way; raises what the backend raises, for this pack or an earlier one."""
        while len(self._under_way) >= self._workers.count:
            self._collect()
        name = self._next_name()
        deliver = partial(self._deliver, name, pack)
        with self._noting_refusals():
            outcome = self._workers.submit(pack.size_bytes, deliver)
        self._under_way.append(_UnderWay(name, pack.rows, outcome))
        return self._index_many()

    def finish(self, last: FullPack | None) -> None:
        """All packs are durable, with `last`, and then the index segments that name them."""
        with self._noting_refusals():
            if last is not None:
                name = self._next_name()
                self._deliver(name, last)
                self._durable[name] = last.rows
            while self._under_way:
                self._collect()
            self._wait_for_index()
            if self._durable:
                self._named_before.update(self._durable)
                self._put_segment(self._durable)
        self._workers.stop()

    def discard(self) -> None:
        """Gives up. Packs that are durable stay and get an index segment, so that the next upload does not send them again;
        others are taken away. Where the backend refused something, perhaps for want of room, all go that no segment names, as
        far as it lets us. What nothing needs in the end is for gc."""
        running = [each for each in self._under_way if not each.outcome.cancel()]
        self._under_way.clear()
        self._workers.stop()
        for each in running:
            with suppress(DatamonError):
                self._note_durable(each)
        with suppress(DatamonError), self._noting_refusals():
            self._wait_for_index()
        if self._durable and not self._is_refused:
            self._named_before.update(self._durable)
            with suppress(DatamonError):
                self._put_segment(self._durable)
        for name in self._begun:
            if name not in self._named_before:
                with suppress(DatamonError):
                    self._blob.delete(layout.pack(name))

    def _next_name(self) -> str:
        self._begun.append(layout.pack_name(self._session, len(self._begun) + 1))
        return self._begun[-1]

    def _deliver(self, name: str, pack: FullPack) -> int:
        digest = blake3()
        for frame in pack.frames:
            digest.update(frame)
        footer = encode_footer(pack.rows, digest.digest())
        self._blob.put(layout.pack(name), [*pack.frames, footer])
        return pack.size_bytes + len(footer)

    def _collect(self) -> None:
        self._note_durable(self._under_way[0])
        self._under_way.popleft()

    def _note_durable(self, sent: _UnderWay) -> None:
        """Waits until the pack is durable. Raises what the backend raised for it."""
        with self._noting_refusals():
            self._durable_bytes += sent.outcome.result()
        self._durable[sent.name] = sent.rows

    @contextmanager
    def _noting_refusals(self) -> Iterator[None]:
        try:
            yield
        except DatamonError:
            self._is_refused = True
            raise

    def _index_many(self) -> Sequence[PackRow]:
        """When there is enough for a segment, the rows of the one before it."""
        if self._durable_bytes < self._segment_bytes and sum(map(len, self._durable.values())) < SEGMENT_ROWS:
            return ()
        known = self._wait_for_index()
        self._named, self._durable, self._durable_bytes = self._durable, {}, 0
        self._segment_bytes = min(SEGMENT_BYTES, 2 * self._segment_bytes)
        self._named_before.update(self._named)
        self._indexing = self._workers.submit(0, partial(self._put_segment, self._named))
        return known

    def _wait_for_index(self) -> Sequence[PackRow]:
        if self._indexing is not None:
            self._indexing.result()
        rows = [row for rows in self._named.values() for row in rows]
        self._indexing, self._named = None, {}
        return rows
