"""The journal's file, line by line: its records, and what of it is damaged."""

from collections.abc import Iterator
from dataclasses import dataclass

from blake3 import blake3

from datamon.errors import NotFound
from datamon.store import layout
from datamon.store.backend import Backend, Span
from datamon.store.codec import Record
from datamon.store.journal import decode_line, is_torn

MENDED = "mended"
"""The kind of the record that says of a damaged stretch that its records were appended again."""
_PIECE_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the file: its bytes, where it begins, and whether a line end stands behind it."""

    content: bytes
    offset: int
    ended: bool

    @property
    def end(self) -> int:
        """Where it ends, its line end left out."""
        return self.offset + len(self.content)

    def mending(self) -> Record:
        """The record that says that this damaged line is made good."""
        digest = blake3(self.content).hexdigest()
        return {"kind": MENDED, "offset": self.offset, "length": len(self.content), "digest": digest}


def journal_lines(metadata: Backend) -> Iterator[Line]:
    """The lines of the file as it is now, the last one also when it has no end; a piece of the file is in memory."""
    rest, offset, start = b"", 0, 0
    while piece := _piece(metadata, start):
        start += len(piece)
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield Line(line, offset, ended=True)
            offset += len(line) + 1
        if len(piece) < _PIECE_BYTES:
            break
    yield Line(rest, offset, ended=False)


def read_journal_file(metadata: Backend) -> Iterator[Record | Line]:
    """Every record, and at the end every damaged line that no later record made good.

    A record is a line between line ends of its own: an empty line stands between two. What a crash tore off is the beginning of a
    record, and the next record's first line end comes at once behind it: no empty line. So a byte that became a line end, or a
    length that grew, cannot pass for it.
    """
    damaged: dict[tuple[int, int, str], Line] = {}
    for met in _judged(metadata):
        if isinstance(met, Line):
            mending = met.mending()
            damaged[mending["offset"], mending["length"], mending["digest"]] = met
            continue
        if met.get("kind") == MENDED:
            damaged.pop((met["offset"], met["length"], met["digest"]), None)
        yield met
    yield from damaged.values()


def _judged(metadata: Backend) -> Iterator[Record | Line]:
    where = f"{metadata.url}/{layout.JOURNAL_FILE}"
    torn: Line | None = None
    for line in journal_lines(metadata):
        if not line.content:
            if torn is not None:
                yield torn
            torn = None
            continue
        torn = None
        record = decode_line(line.content, where)
        if record is None and is_torn(line.content):
            torn = line
        elif record is None:
            yield line
        elif line.ended:
            yield record


def _piece(metadata: Backend, start: int) -> bytes:
    try:
        return metadata.get(layout.JOURNAL_FILE, Span(start, _PIECE_BYTES))
    except NotFound:
        return b""
