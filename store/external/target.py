"""What an external entry says of its source: the canonical JSON in its target (docs/format.md, "External entries")."""

import json
from typing import Any

from datamon.errors import Corrupt, Invalid
from datamon.store.codec import encode
from datamon.store.entries import TreeEntry
from datamon.store.external.source import Listed, Status
from datamon.store.external.urls import parse_url

_NAMES = ("etag", "generation", "version")


def encode_target(listed: Listed) -> str:
    """The target of an entry that names this source."""
    at = listed.at
    record: dict[str, Any] = {"url": listed.url.text, "size": at.size_bytes}
    if listed.url.scheme != "file":  # a file's own version names an inode, which says nothing elsewhere
        record |= {name: value for name in _NAMES if (value := getattr(at, name)) is not None}
    if at.mtime_ns:
        record["mtime"] = at.mtime_ns
    if not at.ranges:
        record["ranges"] = False
    return encode(record).decode()


def decode_target(entry: TreeEntry) -> Listed:
    """The source that an external entry names, with the entry's path. Raises Corrupt (`bad-record`) when it cannot be read,
    Invalid (`bad-url`)."""
    try:
        record = json.loads(entry.target or "")
        named = {name: _text(record.get(name)) for name in _NAMES}
        at = Status(
            size_bytes=int(record["size"]),
            mtime_ns=int(record.get("mtime", 0)),
            ranges=record.get("ranges", True) is not False,
            **named,
        )
        url = parse_url(str(record["url"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        message = f"the entry {entry.path!r} does not say where its bytes lie ({error}); link it again"
        raise Corrupt("bad-record", message, path=entry.path) from error
    except Invalid as error:
        raise Invalid(
            error.code, f"the entry {entry.path!r}: {error.message}", **error.facts, path=entry.path
        ) from error
    if at.size_bytes != entry.size_bytes:
        message = f"the entry {entry.path!r} gives two sizes; link it again"
        raise Corrupt("bad-record", message, path=entry.path)
    return Listed(entry.path, url, at, entry.mode)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
