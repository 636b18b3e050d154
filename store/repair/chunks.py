"""Chunks that no sound pack holds are put again, into packs of a session of their own."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO

from datamon.errors import Corrupt, NotFound
from datamon.store.check.need import Need
from datamon.store.check.packs import Packs, read_place
from datamon.store.chunks import WHOLE_BYTES
from datamon.store.gc.condemn import condemn
from datamon.store.ids import ChunkId
from datamon.store.index_segments import Place
from datamon.store.opening import Store
from datamon.store.pack_session import PackSession


@dataclass
class Putting:
    """Takes chunks that are `wanted` and puts them into new packs; they are durable and in the index after `close`. For one
    thread. The session begins when there is something to take."""

    store: Store
    wanted: set[ChunkId]
    avoided: frozenset[str]
    put: set[ChunkId] = field(default_factory=set)
    _session: PackSession | None = None

    def offer(self, chunk: ChunkId, content: bytes) -> None:
        """The chunk, whose id its bytes have, is taken if it is still wanted."""
        if chunk not in self.wanted:
            return
        if self._session is None:
            self._session = self.store.chunks.session(condemned=self.avoided)
        if len(content) <= WHOLE_BYTES:
            self._session.put_file(BytesIO(content), extension="", size_hint=len(content))
        else:
            self._session.put_bytes(content)
        self.wanted.discard(chunk)
        self.put.add(chunk)

    def close(self) -> None:
        """What was taken is durable: the packs, then the segments that name them."""
        if self._session is not None:
            self._session.close()

    def discard(self) -> None:
        """Gives up; what was put stays invisible."""
        if self._session is not None:
            self._session.discard()


@contextmanager
def putting(store: Store, need: Need, condemned: frozenset[str]) -> Iterator[Putting]:
    """Inside, what no pack gives is taken, and what only damaged packs give; it is durable behind the block."""
    avoided = condemned | need.shelf.unreadable.keys()
    taking = Putting(store, need.missing | need.stranded.keys(), frozenset(avoided))
    try:
        yield taking
        taking.close()
    except BaseException:
        taking.discard()
        raise


def offer_stranded(packs: Packs, taking: Putting, stranded: dict[ChunkId, Place]) -> None:
    """What damaged packs still give is taken out of them."""
    for chunk, place in sorted(stranded.items(), key=lambda each: (each[1].pack, each[1].row.offset)):
        with suppress(Corrupt, NotFound):
            taking.offer(chunk, read_place(packs, place))


def offer_copies(taking: Putting, copies: Iterable[Store]) -> None:
    """What copies of the store have of the chunks, wherever they have it."""
    for copy in copies:
        for chunk in sorted(taking.wanted):
            with suppress(Corrupt):
                taking.offer(chunk, copy.chunks.get(chunk))


def give_up_damaged(store: Store, need: Need, put: set[ChunkId]) -> None:
    """Nothing relies on the damaged packs any more from which chunks of `put` were saved: gc would else not know which of two
    packs with one chunk to keep. Must come when the new packs are durable. Raises Conflict (`log-contended`), Unavailable."""
    names = {place.pack for chunk in put for place in need.places.of(chunk)}
    damaged = frozenset(names & need.shelf.unreadable.keys() & need.shelf.sizes.keys())
    if damaged:
        condemn(store, damaged)
