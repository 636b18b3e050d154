"""Canonical JSON for records, and the check of their format version."""

import json
from typing import Any

from datamon.errors import Corrupt, Invalid
from datamon.store.seal import seal, unseal

FORMAT = 1
"""The format of what any datamon may read."""
NEWEST = 2
"""The newest format that this code reads: of records that an older one would misunderstand."""
ENCRYPTED_FORMAT = 2
"""That of the records that say how to open an encrypted store."""

Record = dict[str, Any]
"""A decoded record. `Any` stops at the modules that decode records into types."""


class StoredRecord(Record):
    """A record that was read, with the JSON that it was decoded from. Who changes it copies it first."""

    __slots__ = ("stored",)

    def __init__(self, record: Record, stored: bytes) -> None:
        super().__init__(record)
        self.stored = stored


def text_of(record: Record) -> str:
    """The record's canonical JSON; of one that was read, what was read."""
    content = record.stored if isinstance(record, StoredRecord) else encode(record)
    return content.decode("utf-8", "replace")


def encode(record: Record) -> bytes:
    """`record` as canonical JSON. Raises ValueError for NaN and infinity.

    >>> encode({"b": 1, "a": "é"})
    b'{"a":"\\xc3\\xa9","b":1}'
    """
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def stamped(kind: str, record: Record) -> Record:
    """`record` with its kind and the format version."""
    return {"format": FORMAT, "kind": kind, **record}


def encode_sealed(record: Record) -> bytes:
    """`record` as canonical JSON with its seal: how a record is stored whose name is no hash of it."""
    return seal(encode(record))


def decode_sealed(content: bytes, where: str, newest: int = NEWEST) -> Record:
    """The record in `content`. Raises Corrupt (`bad-bytes`) when the seal is broken, and as `decode` does."""
    return decode(unseal(content, where), where, newest)


def decode(content: bytes, where: str, newest: int = NEWEST) -> StoredRecord:
    """The record in `content`, which was read at `where` (for the message); `newest` is the highest format that the caller reads.

    Raises Corrupt (`bad-record`) when it is no record, Invalid (`newer-format`) when a newer datamon wrote it.
    """
    try:
        record = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Corrupt(
            "bad-record",
            f"the record at {where} cannot be read ({error}); restore it from a copy",
            where=where,
        ) from error
    if not isinstance(record, dict) or not isinstance(record.get("format"), int):
        raise Corrupt("bad-record", f"the record at {where} has no format; restore it from a copy", where=where)
    if record["format"] > newest:
        raise Invalid(
            "newer-format",
            f"{where} was written in format {record['format']} by a newer datamon, this one reads up to {newest}; "
            "upgrade datamon",
            where=where,
            format=record["format"],
        )
    return StoredRecord(record, content)
