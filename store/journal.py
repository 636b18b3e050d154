"""The journal: the store's one change feed, unordered and uncontended (docs/format.md, "Journal")."""

import re
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import Protocol
from zlib import crc32

from datamon.errors import Corrupt, NotFound
from datamon.store import layout
from datamon.store.backend import Appending, Backend, Sided, Span, Unhurried
from datamon.store.clock import Clock, system_clock
from datamon.store.codec import Record, StoredRecord, decode, encode
from datamon.store.ids import new_ksuid
from datamon.store.journal_objects import ObjectJournal
from datamon.store.journal_records import Cursor, completed, decoded_or_none
from datamon.store.uncollected import uncollected

__all__ = [
    "Cursor",
    "FileJournal",
    "GrownJournal",
    "Journal",
    "JournalFile",
    "ObjectJournal",
    "mentioning",
    "open_journal",
    "stored_since",
    "without_waiting",
]

_MAGIC = b"DMJ1 "
_HEADER = re.compile(rb"DMJ1 [0-9a-f]{8} [0-9a-f]{8} ")
_BODY_AT = len(b"DMJ1 00000000 00000000 ")
_PIECE_BYTES = 8 * 2**20
_MOST_BYTES = 32 * 2**20
_TOGETHER = 1_000
"""So many records are appended at once: some MiB, which nobody waits for long."""


class AppendingBackend(Backend, Appending, Protocol):
    """A backend that can append."""


class Journal(Protocol):
    """A feed that many processes write and any number read, each with its own cursor."""

    def append(self, record: Record) -> None:
        """`record` (a `kind` and its fields) is in the journal, durable, when this returns. `event` and `time` are added
        where they are missing; a record appended again after a failure may stand there twice, with one `event`.
        Raises Unavailable, Denied."""

    def append_many(self, records: Sequence[Record]) -> None:
        """As `append`, for all of them: it costs as little as can be, and when it fails some may stand there."""

    def tend(self) -> int:
        """Where many small records make reading dear, as far as the last reading told, they are merged; returns how many were.
        Readers and writers need not know. A place that cannot be reached or refuses is left as it is. Raises Corrupt."""

    def read(self, cursor: Cursor, *, limit: int | None = None) -> tuple[list[Record], Cursor]:
        """What was appended since `cursor` was given, at most `limit` records of it, and the cursor for the next call. Each
        record comes once; what is appended before the call and fits in `limit` is in it. A damaged record is skipped and
        counted in the cursor's `skipped`. Raises Invalid (`newer-format`), Corrupt when the journal is not the one read."""


def without_waiting(journal: Journal) -> Journal:
    """The same journal, whose `append` does not wait until the record is durable, where the place allows that: then a power cut
    may take the last ones, and what is appended to `journal` later takes them along. Elsewhere it is `journal` itself."""
    return journal.without_waiting() if isinstance(journal, FileJournal) else journal


def mentioning(journal: Journal, ids: Collection[str]) -> list[Record]:
    """All records in which one of these ids, or parts of ids, stands, in the journal's order, and perhaps others. Where the
    journal is one file only those are decoded, which is most of what reading costs. Raises as `Journal.read`."""
    return journal.mentioning(ids) if isinstance(journal, FileJournal) else journal.read({})[0]


def stored_since(journal: Journal, cursor: Cursor, limit: int) -> tuple[list[bytes], Cursor]:
    """As `Journal.read`, but the records as they are stored, in JSON. Where the journal is one file they were not decoded: one
    that is no record, though its checksum is right, is among them, and their limit is one of bytes too, about 32 MiB."""
    if isinstance(journal, FileJournal):
        return journal.stored_since(cursor, limit)
    records, after = journal.read(cursor, limit=limit)
    return [record.stored if isinstance(record, StoredRecord) else encode(record) for record in records], after


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
        self._append = backend.append

    def without_waiting(self) -> "FileJournal":
        """As the function of this name."""
        journal = FileJournal(self._backend, self._clock)
        if isinstance(self._backend, Unhurried):
            journal._append = self._backend.append_soon
        return journal

    def append(self, record: Record) -> None:
        """As `Journal.append`; one write and one sync."""
        self._append(layout.JOURNAL_FILE, self._line(record))

    def append_many(self, records: Sequence[Record]) -> None:
        """As `Journal.append_many`; one write and one sync for some hundred of them."""
        for begin in range(0, len(records), _TOGETHER):
            lines = map(self._line, records[begin : begin + _TOGETHER])
            self._backend.append(layout.JOURNAL_FILE, b"".join(lines))

    def tend(self) -> int:
        """As `Journal.tend`: reading one file is not dear."""
        return 0

    def _line(self, record: Record) -> bytes:
        body = encode(completed(record, self._clock))
        return b"\n%s%08x %08x %s\n" % (_MAGIC, len(body), crc32(body), body)

    def read(self, cursor: Cursor, *, limit: int | None = None) -> tuple[list[Record], Cursor]:
        """As `Journal.read`."""
        return self._reader.read(cursor, limit=limit)

    def stored_since(self, cursor: Cursor, limit: int) -> tuple[list[bytes], Cursor]:
        """As the function of this name."""
        return self._reader.stored_since(cursor, limit)

    def mentioning(self, ids: Collection[str]) -> list[Record]:
        """As the function of this name."""
        return self._reader.mentioning(ids)


class JournalFile:
    """Reads the journal that is one file."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def stored_since(self, cursor: Cursor, limit: int) -> tuple[list[bytes], Cursor]:
        """As the function of this name."""
        offset, skipped = cursor.get("offset", 0), cursor.get("skipped", 0)
        bodies: list[bytes] = []
        most = offset + _MOST_BYTES
        for line, end in self._lines(offset):
            if len(bodies) >= limit or offset >= most:
                break
            offset = end
            if not line:
                continue
            body = body_of(line)
            if body is None:
                skipped += 1
            else:
                bodies.append(body)
        return bodies, {"offset": offset, "skipped": skipped}

    @uncollected()
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

    def mentioning(self, ids: Collection[str]) -> list[Record]:
        """As the function of this name."""
        texts = [re.escape(each.encode("utf-8", "replace")) for each in ids if each]
        if not texts:
            return []
        wanted = re.compile(b"|".join(texts))
        where = f"{self._backend.url}/{layout.JOURNAL_FILE}"
        found = (decode_line(line, where) for lines in self._whole_lines() for line in _with(wanted, lines))
        return [record for record in found if record is not None]

    def _whole_lines(self) -> Iterator[bytes]:
        """All of the file, many whole lines at a time."""
        position, rest = 0, b""
        while piece := self._piece(position):
            position += len(piece)
            lines, _, rest = (rest + piece).rpartition(b"\n")
            yield lines
            if len(piece) < _PIECE_BYTES:
                return

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


def _with(wanted: re.Pattern[bytes], lines: bytes) -> Iterator[bytes]:
    """Those of the lines in which something stands, without looking at each: most pieces hold none."""
    behind = 0
    while match := wanted.search(lines, behind):
        begin, end = lines.rfind(b"\n", 0, match.start()) + 1, lines.find(b"\n", match.end())
        behind = len(lines) if end < 0 else end
        yield lines[begin:behind]


def body_of(line: bytes) -> bytes | None:
    """What stands in a line behind its header, or None when that is not what the header says."""
    body = line[_BODY_AT:]
    return body if line[:_BODY_AT] == b"%s%08x %08x " % (_MAGIC, len(body), crc32(body)) else None


def decode_line(line: bytes, where: str) -> Record | None:
    """The record in a line, or None when the line is damaged."""
    body = body_of(line)
    return None if body is None else decoded_or_none(partial(decode, body, where))


def is_torn(line: bytes) -> bool:
    """Whether a line that holds no record is the beginning of one: what a crash or a full disk leaves.

    >>> is_torn(b"DMJ1 000000"), is_torn(b"DMJ2 000000")
    (True, False)
    """
    if len(line) < _BODY_AT:
        return re.fullmatch(_HEADER, line + b"DMJ1 00000000 00000000 "[len(line) :]) is not None
    return re.fullmatch(_HEADER, line[:_BODY_AT]) is not None and len(line) - _BODY_AT < int(line[5:13], 16)


class GrownJournal:
    """The journal of a store that lay on one backend that can append, and is mirrored now: the file, and then objects."""

    def __init__(self, backend: Backend, objects: ObjectJournal) -> None:
        self._file = JournalFile(backend)
        self._objects = objects

    def append(self, record: Record) -> None:
        """As `Journal.append`."""
        self._objects.append(record)

    def append_many(self, records: Sequence[Record]) -> None:
        """As `Journal.append_many`."""
        self._objects.append_many(records)

    def tend(self) -> int:
        """As `Journal.tend`."""
        return self._objects.tend()

    def read(self, cursor: Cursor, *, limit: int | None = None) -> tuple[list[Record], Cursor]:
        """As `Journal.read`. The cursor is one in the file and one in the objects in one."""
        records, at = self._file.read(cursor, limit=limit)
        left = None if limit is None else limit - len(records)
        more, then = self._objects.read({**cursor, "skipped": at["skipped"]}, limit=left)
        return records + more, {**at, **then}
