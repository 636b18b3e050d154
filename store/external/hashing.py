"""External entries: what lies at a URL is read once and hashed, and stays where it is."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from datamon.store.entries import TreeEntry
from datamon.store.external.fetch import use_each
from datamon.store.external.gather import directory
from datamon.store.external.notes import Note, Notes
from datamon.store.external.source import Listed
from datamon.store.external.sources import Sources
from datamon.store.external.target import encode_target
from datamon.store.hashing import Hashing
from datamon.store.ids import ContentId
from datamon.store.progress import Progress

_WRITTEN_TOGETHER = 1_000
_NOT_EXECUTABLE = 0o666


def hash_all(
    sources: Sources, wanted: Iterable[Listed], notes: Notes, hashing: Hashing, progress: Progress
) -> list[TreeEntry]:
    """An external entry for each source, whose content id is that of a file with these bytes. What is noted is not read.
    Raises as `use_each`."""
    entries: list[TreeEntry] = []
    unread: list[Listed] = []
    for listed in wanted:
        note = notes.find(listed)
        if listed.directory:
            entries.append(directory(listed.path, listed.at.mtime_ns))
        elif note is not None:
            notes.keep(listed, note)
            entries.append(_entry(listed, note))
            progress.advance(1, note.size_bytes)
        else:
            unread.append(listed)

    def hashed(_: Listed, parts: Iterator[bytes]) -> Note:
        return _hash(parts, hashing, progress)

    for count, (listed, note) in enumerate(use_each(sources, unread, hashed), start=1):
        notes.keep(listed, note)
        entries.append(_entry(listed, note))
        progress.advance(1, 0)
        if count % _WRITTEN_TOGETHER == 0:
            notes.write()
    notes.write()
    return entries


def _hash(parts: Iterator[bytes], hashing: Hashing, progress: Progress) -> Note:
    whole, size_bytes = hashing.whole(), 0
    for part in parts:
        whole.update(part)
        size_bytes += len(part)
        progress.advance(0, len(part))
    return Note(ContentId(whole.hexdigest()), size_bytes, None)


def _entry(listed: Listed, note: Note) -> TreeEntry:
    sized = replace(listed, at=replace(listed.at, size_bytes=note.size_bytes))
    return TreeEntry(
        path=listed.path,
        kind="external",
        size_bytes=note.size_bytes,
        content=note.content,
        target=encode_target(sized),
        recipe=None,
        executable=False,
        mode=listed.mode & _NOT_EXECUTABLE,
        mtime_ns=listed.at.mtime_ns,
    )
