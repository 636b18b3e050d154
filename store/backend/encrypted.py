"""A backend whose place sees neither content nor hashes of content: what is kept there is sealed on the way."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from datamon.errors import Corrupt, NotFound
from datamon.store.backend import Backend, Content, Settling, Span, Stored, joined
from datamon.store.backend.hidden_names import MARK, HiddenNames, lead_of, may_be_hidden, seen_prefix
from datamon.store.backend.keys import check_key, check_prefix, key_not_found
from datamon.store.backend.sealing import (
    SEGMENT_BYTES,
    STORED_BYTES,
    TRAILER_BYTES,
    Broken,
    Stretch,
    opened,
    opened_whole,
    plain_bytes,
    sealed,
    size_at_end,
    stored_bytes,
)


@dataclass(frozen=True, slots=True)
class BackendKeys:
    """What seals the content (32 bytes) and hides the hashes in keys (64 bytes)."""

    content: bytes = field(repr=False)
    names: bytes = field(repr=False)


class EncryptedBackend:
    """`inner`, sealed: as `Backend`, and `Settling` as far as `inner` is. Keys that begin with one of `readable` are kept as they
    are. Every method raises as that of `inner`, and Corrupt (`bad-bytes`) where bytes are not those that were put under the key:
    each is bound to its key, its place in the whole and the whole's end.

    It is not `Appending`: what is sealed cannot grow.
    """

    def __init__(self, inner: Backend, keys: BackendKeys, readable: tuple[str, ...] = ()) -> None:
        self._inner = inner
        self._key = keys.content
        self._names = HiddenNames(keys.names)
        self._readable = readable

    @property
    def url(self) -> str:
        """See `Backend`: that of the inner one."""
        return self._inner.url

    @property
    def pack_bytes(self) -> int:
        """See `Backend`."""
        return self._inner.pack_bytes

    def get(self, key: str, span: Span | None = None) -> bytes:
        """See `Backend`. One read of the inner one, save where a span begins behind the end: then two."""
        check_key(key)
        if key.startswith(self._readable):
            return self._inner.get(key, span)
        try:
            if span is None:
                return opened_whole(self._stored(key, None), key, self._key)
            if span.length <= 0 or span.start < 0:
                return self._from_end(key, span)
            return self._within(key, span)
        except Broken:
            raise Corrupt(
                "bad-bytes",
                f"{self.url}/{key} has other bytes than were stored there; run `datamon repair`, or restore it from a copy",
                where=f"{self.url}/{key}",
                key=key,
            ) from None

    def put(self, key: str, content: Content) -> None:
        """See `Backend`. Put twice, the same content looks different."""
        if check_key(key).startswith(self._readable):
            self._inner.put(key, content)
        else:
            self._inner.put(self._names.hidden(key), list(sealed(joined(content), key, self._key)))

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """See `Backend`."""
        if check_key(key).startswith(self._readable):
            return self._inner.put_if_absent(key, content)
        return self._inner.put_if_absent(self._names.hidden(key), b"".join(sealed(content, key, self._key)))

    def has(self, key: str) -> bool:
        """See `Backend`."""
        return self._inner.has(self._names.hidden(check_key(key)))

    def delete(self, key: str) -> None:
        """See `Backend`."""
        self._inner.delete(self._names.hidden(check_key(key)))

    def settle(self, key: str) -> None:
        """See `Settling`; nothing to do where what is seen is durable. Keys beside a hash are not settled with it."""
        if isinstance(self._inner, Settling):
            self._inner.settle(self._names.hidden(check_key(key)))

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        """See `Backend`. In memory are the keys with hashes of one folder at a time. With `after`, one listing more of the inner
        one for each folder on the way to it."""
        check_prefix(prefix)
        if after > prefix and not after.startswith(prefix):
            return iter(())
        begin = seen_prefix(prefix, self._names)
        found = self._in_order(*self._listings(begin, after if after > prefix else ""))
        return (stored for stored in found if stored.key > after and stored.key.startswith(prefix))

    def _listings(self, begin: str, after: str) -> tuple[Sequence[Stored], Iterator[Stored]]:
        """What of the place's names may come behind `after`: what is known to come first in its folders, and the others."""
        if not after or may_be_hidden(after):
            return [], self._inner.list(begin)
        folders = [after[: at + 1] for at, character in enumerate(after) if character == "/"]
        first = [
            stored
            for folder in ["", *folders]
            if folder.startswith(begin)
            for stored in self._inner.list(folder + MARK)
        ]
        return first, self._inner.list(begin, after)

    def _in_order(self, first: Sequence[Stored], seen: Iterator[Stored]) -> Iterator[Stored]:
        """The keys, in order. Those of a folder that may be hidden come first in it; they wait for their turn."""
        waiting = [(stored.key, stored.size_bytes) for stored in map(self._shown, first)]
        waiting.sort()
        for stored in seen:
            lead = lead_of(stored.key)
            shown = self._shown(stored)
            until = shown.key if lead is None else lead
            while waiting and waiting[0][0] < until:
                yield Stored(*heappop(waiting))
            if lead is None:
                yield shown
            else:
                heappush(waiting, (shown.key, shown.size_bytes))
        while waiting:
            yield Stored(*heappop(waiting))

    def _shown(self, stored: Stored) -> Stored:
        if stored.key.startswith(self._readable):
            return stored
        return Stored(self._names.shown(stored.key), plain_bytes(stored.size_bytes))

    def _stored(self, key: str, span: Span | None) -> bytes:
        try:
            return self._inner.get(self._names.hidden(key), span)
        except NotFound as error:
            raise key_not_found(key, self.url) from error

    def _within(self, key: str, span: Span) -> bytes:
        """The stretch that begins so many bytes behind the beginning."""
        first, skipped = divmod(span.start, SEGMENT_BYTES)
        count = -(-(skipped + span.length) // SEGMENT_BYTES)
        most = (
            count * STORED_BYTES + TRAILER_BYTES + 1
        )  # all of it is there only when these segments are followed by another
        stored = self._stored(key, Span(first * STORED_BYTES, most))
        if len(stored) == most:
            content = opened(Stretch(first, stored[: count * STORED_BYTES]), key, self._key, size_bytes=None)
        elif len(stored) <= TRAILER_BYTES:
            self._check_end(key, span.start)
            return b""
        else:
            content = opened(Stretch(first, stored), key, self._key, size_bytes=size_at_end(stored))
        return content[skipped : skipped + span.length]

    def _check_end(self, key: str, start: int) -> None:
        """Returns when the whole ends before `start`, which its last segment proves. Raises Broken."""
        stored = self._stored(key, Span(-STORED_BYTES - TRAILER_BYTES, STORED_BYTES + TRAILER_BYTES))
        size_bytes, _ = self._last_segments(key, stored, 1)
        if start < size_bytes:
            raise Broken

    def _from_end(self, key: str, span: Span) -> bytes:
        """The stretch that begins so many bytes before the end; also an empty one, for which something must be there."""
        count = -(-max(0, -span.start) // SEGMENT_BYTES) + 1
        most = count * STORED_BYTES + TRAILER_BYTES
        size_bytes, content = self._last_segments(key, self._stored(key, Span(-most, most)), count)
        if span.length <= 0:
            return b""
        begin = max(0, size_bytes + span.start) - (size_bytes - len(content))
        return content[begin : begin + span.length]

    def _last_segments(self, key: str, stored: bytes, count: int) -> tuple[int, bytes]:
        """How many bytes the whole has, and the last ones, of as many segments as are in `stored` from their beginning."""
        size_bytes = size_at_end(stored)
        whole = stored_bytes(size_bytes)
        if len(stored) > whole:
            raise Broken
        if len(stored) < whole and len(stored) < count * STORED_BYTES + TRAILER_BYTES:
            raise Broken
        first = -(-(whole - len(stored)) // STORED_BYTES)
        begin = first * STORED_BYTES - (whole - len(stored))
        if begin >= len(stored) - TRAILER_BYTES:
            raise Broken
        return size_bytes, opened(Stretch(first, stored[begin:]), key, self._key, size_bytes=size_bytes)
