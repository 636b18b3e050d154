"""The journal: the store's one change feed, unordered and uncontended (docs/format.md, "Journal")."""

import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol
from zlib import crc32

from datamon.errors import Corrupt, NotFound
from datamon.store import layout
from datamon.store.backend import Appending, Backend, Sided, Span, decoded_copy
from datamon.store.clock import Clock, system_clock
from datamon.store.codec import Record, decode, decode_sealed, encode, encode_sealed, stamped
from datamon.store.fetching import get_many
from datamon.store.ids import new_ksuid

Cursor = Record
"""How far a reader has read, as JSON; `{}` is the beginning. Its `skipped` counts the damaged records passed so far."""

_MAGIC = b"DMJ1 "
_HEADER = re.compile(rb"DMJ1 [0-9a-f]{8} [0-9a-f]{8} ")
_BODY_AT = len(b"DMJ1 00000000 00000000 ")
_PIECE_BYTES = 8 * 2**20


class AppendingBackend(Backend, Appending, Protocol):
    """A backend that can append."""


class Journal(Protocol):
    """A feed that many processes write and any number read, each with its own cursor."""

    def append(self, record: Record) -> None:
        """`record` (a `kind` and its fields) is in the journal, durable, when this returns. `event` and `time` are added
        where they are missing; a record appended again after a failure may stand there twice, with one `event`.
        Raises Unavailable, Denied."""

    def read(self, cursor: Cursor, *, limit: int | None = None) -> tuple[list[Record], Cursor]:
        """What was appended since `cursor` was given, at most `limit` records of it, and the cursor for the next call. Each
        record comes once; what is appended before the call and fits in `limit` is in it. A damaged record is skipped and
        counted in the cursor's `skipped`. Raises Invalid (`newer-format`), Corrupt when the journal is not the one read."""


def open_journal(metadata: Backend, clock: Clock) -> Journal:
    """The journal of the store whose metadata lies there, of the kind that the backend can keep."""
    if isinstance(metadata, Appending):
        return FileJournal(metadata, clock)
    objects = ObjectJournal(metadata, new_ksuid(clock()), clock)
    if isinstance(metadata, Sided) and metadata.has(layout.JOURNAL_FILE):
        return GrownJournal(metadata, objects)
    return objects


class FileJournal:
    """The journal as one file that grows, on a backend that can append."""

    def __init__(self, backend: AppendingBackend, clock: Clock = system_clock) -> None:
        self._backend = backend
        self._reader = JournalFile(backend)
        self._clock = clock

    def append(self, record: Record) -> None:
        """As `Journal.append`; one write and one sync."""
        body = encode(_completed(record, self._clock))
        self._backend.append(layout.JOURNAL_FILE, b"\n%s%08x %08x %s\n" % (_MAGIC, len(body), crc32(body), body))

    def read(self, cursor: Cursor, *, limit: int | None = None) -> tuple[list[Record], Cursor]:
        """As `Journal.read`."""
        return self._reader.read(cursor, limit=limit)


class JournalFile:
    """Reads the journal that is one file."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def read(self, cursor: Cursor, *, limit: int | None = None) -> tuple[list[Record], Cursor]:
        """As `Journal.read`. The cursor holds an `offset` in bytes, always behind a line's end."""
        offset, skipped = cursor.get("offset", 0), cursor.get("skipped", 0)
        records: list[Record] = []
        for line, end in self._lines(offset):
            if limit is not None and len(records) >= limit:
                break
            offset = end
            if not line:
                continue
            record = decode_line(line, f"{self._backend.url}/{layout.JOURNAL_FILE}")
            if record is None:
                skipped += 1
            else:
                records.append(record)
        return records, {"offset": offset, "skipped": skipped}

    def _lines(self, offset: int) -> Iterator[tuple[bytes, int]]:
        """Whole lines from `offset` on, each with the offset behind it. Begins with the line end before `offset`, which
        shows that this is still the file that the cursor was made on."""
        position = max(0, offset - 1)
        rest = b""
        while piece := self._piece(position + len(rest)):
            if offset and position == offset - 1 and not rest and not piece.startswith(b"\n"):
                break
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                position += len(line) + 1
                yield line, position
            if len(piece) < _PIECE_BYTES:
                return
        if offset and position < offset:
            raise Corrupt(
                "bad-record",
                f"the journal at {self._backend.url} is not the one read up to byte {offset}; read it from its beginning",
                offset=offset,
            )

    def _piece(self, start: int) -> bytes:
        try:
            return self._backend.get(layout.JOURNAL_FILE, Span(start, _PIECE_BYTES))
        except NotFound:
            return b""


def decode_line(line: bytes, where: str) -> Record | None:
    """The record in a line, or None when the line is damaged."""
    body = line[_BODY_AT:]
    if line[:_BODY_AT] != b"%s%08x %08x " % (_MAGIC, len(body), crc32(body)):
        return None
    return _decoded(partial(decode, body, where))


def is_torn(line: bytes) -> bool:
    """Whether a line that holds no record is the beginning of one: what a crash or a full disk leaves.

    >>> is_torn(b"DMJ1 000000"), is_torn(b"DMJ2 000000")
    (True, False)
    """
    if len(line) < _BODY_AT:
        return re.fullmatch(_HEADER, line + b"DMJ1 00000000 00000000 "[len(line) :]) is not None
    return re.fullmatch(_HEADER, line[:_BODY_AT]) is not None and len(line) - _BODY_AT < int(line[5:13], 16)


def _decoded(read: Callable[[], Record]) -> Record | None:
    try:
        return read()
    except Corrupt:
        return None


def _completed(record: Record, clock: Clock) -> Record:
    """`record` with the format, an `event` and a `time`, unless it has them."""
    time_ns = clock()
    return stamped(record["kind"], {"event": new_ksuid(time_ns), "time": time_ns, **record})


class ObjectJournal:
    """The journal as one stored object for each record, numbered without gaps for each writer."""

    def __init__(self, backend: Backend, writer: str, clock: Clock = system_clock) -> None:
        self._backend = backend
        self._writer = writer
        self._clock = clock
        self._next = 1
        self._lock = threading.Lock()

    def append(self, record: Record) -> None:
        """As `Journal.append`. A number is passed only when it is known to be taken, by whatever process has this writer's
        name, so that numbers stay without gaps whatever fails, and the loop ends at the last record there is."""
        completed = _completed(record, self._clock)
        content = encode_sealed(completed)
        with self._lock:
            while not self._backend.put_if_absent(layout.journal_record(self._writer, self._next), content):
                # Taken: by an earlier record whose answer was lost, or by this one, whose answer was.
                taken = self._backend.get(layout.journal_record(self._writer, self._next))
                self._next += 1
                if taken == content:
                    return
            self._next += 1

    def read(self, cursor: Cursor, *, limit: int | None = None) -> tuple[list[Record], Cursor]:
        """As `Journal.read`. The cursor holds the last number read of each writer."""
        writers: dict[str, int] = dict(cursor.get("writers", {}))
        skipped: int = cursor.get("skipped", 0)
        keys = self._keys_after(writers)[:limit]
        records: list[Record] = []
        for key, content in zip(keys, get_many(self._backend, keys), strict=True):
            writer, number = _writer_and_number(key)
            writers[writer] = number
            decode_it = partial(decode_sealed, where=f"{self._backend.url}/{key}")
            record = _decoded(partial(decode_it, content)) or decoded_copy(self._backend, key, decode_it)
            if record is None:
                skipped += 1
            else:
                records.append(record)
        return records, {"writers": writers, "skipped": skipped}

    def _keys_after(self, writers: dict[str, int]) -> list[str]:
        """The keys not yet read, of each writer up to the first gap: a listing may show a record and miss the one before
        it, when both were put while it ran."""
        last = dict(writers)
        keys = []
        for stored in self._backend.list(layout.JOURNAL):
            if stored.key == layout.JOURNAL_FILE:
                continue
            writer, number = _writer_and_number(stored.key)
            if number == last.get(writer, 0) + 1:
                last[writer] = number
                keys.append(stored.key)
        return keys


class GrownJournal:
    """The journal of a store that lay on one backend that can append, and is mirrored now: the file, and then objects."""

    def __init__(self, backend: Backend, objects: ObjectJournal) -> None:
        self._file = JournalFile(backend)
        self._objects = objects

    def append(self, record: Record) -> None:
        """As `Journal.append`."""
        self._objects.append(record)

    def read(self, cursor: Cursor, *, limit: int | None = None) -> tuple[list[Record], Cursor]:
        """As `Journal.read`. The cursor is one in the file and one in the objects in one."""
        records, at = self._file.read(cursor, limit=limit)
        left = None if limit is None else limit - len(records)
        more, then = self._objects.read({**cursor, "skipped": at["skipped"]}, limit=left)
        return records + more, {**at, **then}


def _writer_and_number(key: str) -> tuple[str, int]:
    writer, number = key.removeprefix(layout.JOURNAL).split("/")
    return writer, int(number)
