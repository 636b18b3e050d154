"""The log of a journal's merges: its last entry names the segments that hold all records that were merged so far
(docs/format.md, "Merged journals")."""

from dataclasses import asdict, dataclass

from datamon.errors import Corrupt
from datamon.store import layout
from datamon.store.backend import Backend, Sided, get_decoded
from datamon.store.codec import NEWEST, Record, decode_sealed, encode_sealed

MERGE = "journal-merge"
"""The kind of the log's entries. Their format is 2: a reader that does not know them would miss what was merged."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One stored table of merged records: those of merges `first` to `last`, so many `rows`."""

    name: str
    first: int
    last: int
    rows: int

    @property
    def key(self) -> str:
        """Where it lies."""
        return layout.merged_segment(self.name)


@dataclass(frozen=True, slots=True)
class Merges:
    """What one entry of the log says: its number (0: nothing was ever merged), its id, and the segments of all merges up to it,
    in their order."""

    number: int = 0
    entry: str = ""
    segments: tuple[Segment, ...] = ()

    def encoded(self, backend: Backend, time_ns: int) -> bytes:
        """The entry as it is stored."""
        record: Record = {
            "format": NEWEST,
            "kind": MERGE,
            "number": self.number,
            "entry": self.entry,
            "time": time_ns,
            "segments": [asdict(segment) for segment in self.segments],
        }
        return encode_sealed(record | ({"epoch": backend.epoch()} if isinstance(backend, Sided) else {}))


def last_merges(backend: Backend, known: Merges | None = None) -> Merges:
    """What the last entry says. With `known`, whose segments do not matter, that entry must stand in the log still.

    Raises Corrupt (`bad-record`) when it does not: this is another journal, or one that was set back.
    """
    known = known if known and known.number else Merges()
    after = layout.merge(known.number - 1) if known.number else ""
    keys = [stored.key for stored in backend.list(layout.MERGES, after=after)]
    if not known.number:
        return merges_at(backend, keys[-1]) if keys else known
    if keys[:1] != [layout.merge(known.number)] or (there := merges_at(backend, keys[0])).entry != known.entry:
        message = f"the journal at {backend.url} is not the one read up to its merge {known.number}; read it from its beginning"
        raise Corrupt("bad-record", message, number=known.number)
    return there if len(keys) == 1 else merges_at(backend, keys[-1])


def merges_at(backend: Backend, key: str) -> Merges:
    """What the entry under this key says. Raises Corrupt, NotFound."""
    return get_decoded(backend, key, lambda content: decode_merges(content, f"{backend.url}/{key}"))


def decode_merges(content: bytes, where: str) -> Merges:
    """What an entry says, which was read at `where`. Raises Corrupt, Invalid (`newer-format`)."""
    record = decode_sealed(content, where)
    try:
        segments = tuple(
            Segment(each["name"], each["first"], each["last"], each["rows"]) for each in record["segments"]
        )
        return Merges(record["number"], record["entry"], segments)
    except (KeyError, TypeError) as error:
        message = f"the record at {where} is no merge of a journal ({error!r}); restore it from a copy"
        raise Corrupt("bad-record", message, where=where) from error
