"""The files of a tree on their way into a session: read, cut, hashed and compressed by several threads, kept in order."""

import io
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import BinaryIO, NamedTuple

from datamon.store.beneath import Beneath
from datamon.store.chunks import STRETCH_BYTES, WHOLE_BYTES, Stretch, stretches
from datamon.store.long_file import CutFile, LongFile, StoredFile, cut_files
from datamon.store.long_reading import Limited, read_parts
from datamon.store.pack_session import PackSession
from datamon.store.progress import Progress
from datamon.store.reader import Ended, Part, Reader, Whole
from datamon.store.walk import Found, Row, read_stable, row_of
from datamon.store.whole_files import (
    MOST_BYTES,
    ReadFile,
    extension_of,
    in_batches,
    read_by_another,
    read_whole,
    waits_long,
)
from datamon.store.workers import ahead


class Kept(NamedTuple):
    """A file whose bytes are in the store after the session's close: as it was found, what was read of it, and its row, which was
    the same before and after."""

    found: Found
    stored: StoredFile
    row: Row


def keep_files(
    session: PackSession, tree: Beneath, files: Sequence[Found], progress: Progress, *, reader: Reader | None = None
) -> Iterator[Kept]:
    """Each of the files, in order, when it has been read. Work goes on ahead of what was taken, within a bound on memory, and
    stops when the iterator is closed; until then nothing else may use `session`. A `reader` of these files is heard as long as it
    can be. What the packs hold depends on the files and on what the store had, and not on threads and processes.

    A file that changed while it was read, or could not be read, is read again as `read_stable` does. Raises Invalid
    (`file-changed`), Denied (`unreadable`), and what the backend raises.
    """
    keeping = _Keeping(session, tree, progress)
    try:
        for batch in in_batches(files):
            if reader is None or reader.has_ended or not keeping.begin_heard(reader, batch):
                keeping.begin(batch)
            yield from keeping.taken()
        keeping.line.drain()
        yield from keeping.taken()
    finally:
        keeping.line.drop()
        session.workers.stop()
        session.reading.stop()


class _Keeping:
    """One walk through the files."""

    def __init__(self, session: PackSession, tree: Beneath, progress: Progress) -> None:
        self.line = session.new_line()
        self._session = session
        self._intake = session.intake
        self._tree = tree
        self._progress = progress
        self._kept: list[Kept] = []
        self._waited_s = self._worked_s = 0.0

    def begin(self, batch: Sequence[Found]) -> None:
        """These files are on their way; others have come through meanwhile."""
        self._intake.look()
        size_bytes = sum(found.size_bytes for found in batch)
        if size_bytes > MOST_BYTES:
            self._stream(batch[0])
        elif batch[0].size_bytes > WHOLE_BYTES:
            work = partial(self._cut_by_another, batch)
            self.line.push(size_bytes, work, partial(self._keep_cut, batch))
        elif waits_long(self._waited_s, self._worked_s):
            self.line.push(
                size_bytes,
                partial(read_by_another, self._tree, batch, self._intake.hashing),
                partial(self._keep_small, batch),
            )
        else:
            self.line.follow(partial(self._keep_small, batch, self._read_here(batch)), size_bytes)

    def begin_heard(self, reader: Reader, batch: Sequence[Found]) -> bool:
        """The same, of what the reader tells of these files. False when it tells nothing more: then they are for `begin`."""
        self._intake.look()
        size_bytes = sum(found.size_bytes for found in batch)
        if size_bytes > MOST_BYTES:
            self._stream_heard(reader, batch[0])
            return True
        told = self._hear(reader, batch)
        if not isinstance(told, Whole):
            return False
        if batch[0].size_bytes > WHOLE_BYTES:
            self.line.push(size_bytes, partial(cut_files, self._intake, told.files), partial(self._keep_cut, batch))
        else:
            self.line.follow(partial(self._keep_small, batch, told.files), size_bytes)
        self.line.follow(partial(reader.release, told.slot))
        return True

    def taken(self) -> Iterator[Kept]:
        """What has come through since this was asked last."""
        kept, self._kept = self._kept, []
        yield from kept

    def _hear(self, reader: Reader, batch: Sequence[Found]) -> Whole | Part | Ended | None:
        while reader.is_starved(batch):
            self.line.take_turn()
        return reader.hear(batch)

    def _read_here(self, batch: Sequence[Found]) -> list[ReadFile | None]:
        """Reads small files in this thread. It takes longest to say what is to be read, so that threads, which say it one at a
        time, would only cost; unless each read has to wait for a disk or a network."""
        began_s, began_work_s = time.perf_counter(), time.thread_time()
        files = read_whole(self._tree, batch, self._intake.hashing)
        worked_s = time.thread_time() - began_work_s
        self._worked_s += worked_s
        self._waited_s += time.perf_counter() - began_s - worked_s
        return files

    def _cut_by_another(self, batch: Sequence[Found]) -> list[CutFile | None]:
        return cut_files(self._intake, read_by_another(self._tree, batch, self._intake.hashing))

    def _keep_small(self, batch: Sequence[Found], files: Sequence[ReadFile | None]) -> None:
        # Written out: there are many thousands of them.
        keep, kept = self._intake.keep_small, self._kept
        size_bytes = count = 0
        for found, file in zip(batch, files, strict=True):
            if file is None:
                self._keep_slowly(found)
                continue
            row, content, chunk = file
            if content:
                keep(chunk, content, extension_of(found.path))
            kept.append(Kept(found, StoredFile(chunk, found.size_bytes, None), row))
            size_bytes += found.size_bytes
            count += 1
        self._progress.advance(count, size_bytes)

    def _keep_cut(self, batch: Sequence[Found], files: Sequence[CutFile | None]) -> None:
        for found, file in zip(batch, files, strict=True):
            if file is None:
                self._keep_slowly(found)
                continue
            long = self._session.new_long_file()
            long.keep(file.chunks)
            self._kept.append(Kept(found, long.stored(file.digest), file.row))
            self._progress.advance(1, found.size_bytes)

    def _stream(self, found: Found) -> None:
        long = self._session.new_long_file()
        self._end_stream(found, long, read_parts(self._tree, found.path, partial(self._feed, long)))

    def _stream_heard(self, reader: Reader, found: Found) -> None:
        long = self._session.new_long_file()
        while isinstance(told := self._hear(reader, [found]), Part):
            long.feed(Stretch(told.content, told.ends), self.line, partial(reader.release, told.slot))
            self._progress.advance(0, len(told.content))
        self._end_stream(found, long, told.row if isinstance(told, Ended) else None)

    def _end_stream(self, found: Found, long: LongFile, row: Row | None) -> None:
        if row is None:
            self.line.follow(partial(self._keep_slowly, found))
        else:
            self.line.follow(partial(self._keep_long, found, long, row))

    def _feed(self, long: LongFile, read: Callable[[memoryview], int]) -> None:
        """All that `read` gives is on its way."""
        rooms = self._session.rooms
        for stretch in ahead(self._session.reading, STRETCH_BYTES, stretches(b"", read, rooms.take)):
            long.feed(stretch, self.line, partial(rooms.give_back, stretch.content))
            self._progress.advance(0, len(stretch.content))

    def _keep_long(self, found: Found, long: LongFile, row: Row) -> None:
        self._kept.append(Kept(found, long.stored(), row))
        self._progress.advance(1, 0)

    def _keep_slowly(self, found: Found) -> None:
        """The way for a file that is not as it was found, or cannot be read: alone, and with an error that names it."""

        def read(stream: BinaryIO, size_bytes: int) -> StoredFile:
            limited = io.BufferedReader(Limited(stream.fileno(), size_bytes + 1))
            return self._session.put_file(limited, extension=extension_of(found.path), size_hint=size_bytes)

        stored, status = read_stable(self._tree, found.path, read)
        self._kept.append(Kept(found, stored, row_of(status)))
        self._progress.advance(1, stored.size_bytes)
