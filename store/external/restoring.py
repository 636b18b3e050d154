"""Restore of external entries: their bytes are read where they lie, and stand in a directory when they are what was hashed."""

from collections.abc import Iterator, Sequence

from datamon.errors import DatamonError
from datamon.store.bundle import Bundle
from datamon.store.entries import TreeEntry, as_file
from datamon.store.external.failures import changed
from datamon.store.external.fetch import use_each, use_one
from datamon.store.external.source import Listed
from datamon.store.external.sources import Sources
from datamon.store.external.target import decode_target
from datamon.store.hashing import Hashing
from datamon.store.progress import Progress
from datamon.store.tree_writer import TreeWriter


def write_externals(
    writer: TreeWriter, entries: Sequence[TreeEntry], hashing: Hashing, bundle: Bundle, progress: Progress
) -> None:
    """What the external entries name stands in its places, as files: with the size and the content id that the entries say, or
    nothing does. An ETag or generation that is another is no fault as long as the bytes are the same.

    Raises, naming the entry and its URL: Conflict (`source-changed`), NotFound (`source-not-found`), Denied (`source-denied`),
    Unavailable (`source-unavailable`), Invalid (`missing-extra`); and as TreeWriter does.
    """
    by_path = {entry.path: entry for entry in entries}

    def write(listed: Listed, parts: Iterator[bytes]) -> None:
        entry = by_path[listed.path]
        _write(writer, entry, _verified(entry, listed, hashing, parts), progress)

    try:
        for _ in use_each(Sources(), map(decode_target, entries), write):
            progress.advance(1, 0)
    except DatamonError as error:
        raise named(error, bundle) from error


def verify_external(sources: Sources, entry: TreeEntry, hashing: Hashing) -> None:
    """Returns when the entry's bytes were read where they lie and are what was hashed. Raises as `write_externals`, without the
    bundle. Any thread may call this."""

    def verify(listed: Listed, parts: Iterator[bytes]) -> None:
        for _ in _verified(entry, listed, hashing, parts):
            pass

    use_one(sources, decode_target(entry), verify)


def named(error: DatamonError, bundle: Bundle) -> DatamonError:
    """The error, which says in addition which file of which bundle it concerns, where a source was at fault."""
    path = error.facts.get("path")
    if "url" not in error.facts or path is None:
        return error
    message = f"{path!r} of the bundle {bundle.id} lies elsewhere: {error.message}"
    return type(error)(error.code, message, **{**error.facts, "bundle": bundle.id})


def _write(writer: TreeWriter, entry: TreeEntry, parts: Iterator[bytes], progress: Progress) -> None:
    file = writer.begin_file(as_file(entry))
    try:
        for part in parts:
            file.write(memoryview(part))
            progress.advance(0, len(part))
        file.finish()
    except BaseException:
        file.abandon()
        raise


def _verified(entry: TreeEntry, listed: Listed, hashing: Hashing, parts: Iterator[bytes]) -> Iterator[bytes]:
    """The same. Raises Conflict (`source-changed`) at once when the size is another, and at the end when the bytes are others."""
    if listed.at.size_bytes not in (None, entry.size_bytes):
        raise changed(listed.url, f"it has {listed.at.size_bytes} bytes where it had {entry.size_bytes}")
    whole, count = hashing.whole(), 0
    for part in parts:
        whole.update(part)
        count += len(part)
        if count > entry.size_bytes:
            break
        yield part
    if count != entry.size_bytes or whole.hexdigest() != entry.content:
        raise changed(listed.url, "its bytes are others")
