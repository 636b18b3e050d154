"""The files of a tree on their way into a session: read, cut, hashed and compressed by several threads, kept in order."""

import io
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import BinaryIO, NamedTuple

from datamon.store.beneath import Beneath, is_plain_file
from datamon.store.chunks import STRETCH_BYTES, WHOLE_BYTES, stretches
from datamon.store.ids import ContentId
from datamon.store.long_file import LongFile, StoredFile
from datamon.store.pack_session import PackSession
from datamon.store.progress import Progress
from datamon.store.walk import Found, read_stable
from datamon.store.whole_files import (
    MOST_BYTES,
    CutFile,
    SmallFile,
    WholeFile,
    extension_of,
    in_batches,
    read_by_another,
    read_whole,
    same_version,
)
from datamon.store.workers import ahead

LONG_WAIT_S = 0.05
"""Where reading one batch of small files waited so long, the others are read by several threads."""


class Kept(NamedTuple):
    """A file whose bytes are in the store after the session's close: as it was found, what was read of it, and its status, which
    was the same before and after."""

    found: Found
    stored: StoredFile
    status: os.stat_result


def keep_files(session: PackSession, tree: Beneath, files: Sequence[Found], progress: Progress) -> Iterator[Kept]:
    """Each of the files, in order, when it has been read. Work goes on ahead of what was taken, within a bound on memory, and
    stops when the iterator is closed; until then nothing else may use `session`. What the packs hold depends on the files and
    on what the store had, and not on the threads.

    A file that changed while it was read, or could not be read, is read again as `read_stable` does. Raises Invalid
    (`file-changed`), Denied (`unreadable`), and what the backend raises.
    """
    keeping = _Keeping(session, tree, progress)
    try:
        for batch in in_batches(files):
            keeping.begin(batch)
            yield from keeping.taken()
        keeping.line.drain()
        yield from keeping.taken()
    finally:
        keeping.line.drop()
        session.workers.stop()


class _Keeping:
    """One walk through the files."""

    def __init__(self, session: PackSession, tree: Beneath, progress: Progress) -> None:
        self.line = session.new_line()
        self._session = session
        self._intake = session.intake
        self._tree = tree
        self._progress = progress
        self._kept: deque[Kept] = deque()
        self._reads_wait = False

    def begin(self, batch: Sequence[Found]) -> None:
        """These files are on their way; others have come through meanwhile."""
        self._intake.look()
        size_bytes = sum(found.size_bytes for found in batch)
        if size_bytes > MOST_BYTES:
            self._stream(batch[0])
            return
        if batch[0].size_bytes <= WHOLE_BYTES and not self._reads_wait:
            files = self._read_here(batch)
            self.line.follow(partial(self._keep_batch, batch, files), size_bytes)
        else:
            read = partial(read_by_another, self._tree, self._intake, batch)
            self.line.push(size_bytes, read, partial(self._keep_batch, batch))

    def taken(self) -> Iterator[Kept]:
        """What has come through since this was asked last."""
        while self._kept:
            yield self._kept.popleft()

    def _read_here(self, batch: Sequence[Found]) -> list[WholeFile | None]:
        """Reads small files in this thread. It takes longest to say what is to be read, so that threads, which say it one at a
        time, would only cost; unless each read has to wait for a disk or a network."""
        began = time.perf_counter() - time.thread_time()
        files = read_whole(self._tree, self._intake, batch)
        self._reads_wait = time.perf_counter() - time.thread_time() - began > LONG_WAIT_S
        return files

    def _keep_batch(self, batch: Sequence[Found], files: Sequence[WholeFile | None]) -> None:
        for found, file in zip(batch, files, strict=True):
            if file is None:
                self._keep_slowly(found)
            else:
                self._kept.append(Kept(found, self._keep_whole(found, file.read), file.status))
        read = [file.status.st_size for file in files if file is not None]
        self._progress.advance(len(read), sum(read))

    def _keep_whole(self, found: Found, read: SmallFile | CutFile) -> StoredFile:
        if isinstance(read, CutFile):
            long = self._session.new_long_file()
            long.keep(read.chunks)
            return long.stored(read.content)
        if read.content is not None:
            self._intake.keep_small(read.chunk, read.content, read.group)
        return StoredFile(ContentId(read.chunk.hex()), found.size_bytes, None)

    def _stream(self, found: Found) -> None:
        long = self._session.new_long_file()
        status = self._feed(found, long)
        if status is None:
            self.line.follow(partial(self._keep_slowly, found))
        else:
            self.line.follow(partial(self._keep_long, found, long, status))

    def _feed(self, found: Found, long: LongFile) -> os.stat_result | None:
        """All of the file is on its way; its status, or None when it cannot be read or is not what it was before."""
        try:
            descriptor = self._tree.open_file(found.path)
        except OSError:
            return None
        try:
            before = os.fstat(descriptor)
            if not is_plain_file(before) or before.st_size <= WHOLE_BYTES:
                return None
            most_bytes = before.st_size + 1  # it may grow faster than it is read
            if self._feed_from(descriptor, most_bytes, long) != before.st_size:
                return None
            after = os.fstat(descriptor)
        except _ReadError:
            return None
        finally:
            os.close(descriptor)
        return after if same_version(before, after) else None

    def _feed_from(self, descriptor: int, most_bytes: int, long: LongFile) -> int:
        """So much of the file is on its way, from its start; how much that was."""
        count = 0
        read = _as_read_error(_Limited(descriptor, most_bytes).readinto)
        for stretch in ahead(self._session.workers, STRETCH_BYTES, stretches(b"", read, long.spare)):
            long.feed(stretch, self.line)
            count += len(stretch.content)
            self._progress.advance(0, len(stretch.content))
        return count

    def _keep_long(self, found: Found, long: LongFile, status: os.stat_result) -> None:
        self._kept.append(Kept(found, long.stored(), status))
        self._progress.advance(1, 0)

    def _keep_slowly(self, found: Found) -> None:
        """The way for a file that is not as it was found, or cannot be read: alone, and with an error that names it."""

        def read(stream: BinaryIO, size_bytes: int) -> StoredFile:
            limited = io.BufferedReader(_Limited(stream.fileno(), size_bytes + 1))
            return self._session.put_file(limited, extension=extension_of(found.path), size_hint=size_bytes)

        stored, status = read_stable(self._tree, found.path, read)
        self._kept.append(Kept(found, stored, status))
        self._progress.advance(1, stored.size_bytes)


class _Limited(io.RawIOBase):
    """The next bytes of a file, which may grow faster than it is read."""

    def __init__(self, descriptor: int, most_bytes: int) -> None:
        self._descriptor = descriptor
        self._left = most_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = os.readv(self._descriptor, [buffer[: self._left]])
        self._left -= count
        return count


class _ReadError(Exception):
    """A file cannot be read; an attempt the slow way says why."""


def _as_read_error(read: Callable[[memoryview], int]) -> Callable[[memoryview], int]:
    """`read`, whose errors cannot be taken for those of a listener or a backend."""

    def told(buffer: memoryview) -> int:
        try:
            return read(buffer)
        except OSError as error:
            raise _ReadError from error

    return told
