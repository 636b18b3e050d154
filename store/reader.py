"""A process that reads and cuts a tree's files ahead of the one that keeps them, and never waits for its interpreter's lock.

What was read lies in memory that both share, in slots; pipes carry which slot holds what, and which may be filled again.
"""

import gc
import mmap
import os
import struct
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from types import TracebackType
from typing import NamedTuple, Self

from datamon.errors import Unavailable
from datamon.store.beneath import Beneath
from datamon.store.chunks import ROOM_BYTES, WHOLE_BYTES, stretches
from datamon.store.forking import can_fork, fork, reap, undisturbed
from datamon.store.hashing import Hashing
from datamon.store.ids import HASH_BYTES, ChunkId
from datamon.store.long_reading import read_parts
from datamon.store.walk import Found, Row, row_of
from datamon.store.whole_files import MOST_BYTES, ReadFile, in_batches, is_as_found, waits_long

SLOTS = 12
LONG_SLOTS = 6
"""So many pieces that were read, of at most `ROOM_BYTES` each, may wait or be worked on; and fewer of a large file, the work at
which takes longer: they are still in the processor's cache when it begins."""
LEAST_FILES = 1_000
LEAST_BYTES = 64 * 2**20
"""Less is read before another process would have begun."""

_HEAD = struct.Struct("<BBII")
"""What a message is, its slot, how many bytes follow, and a number."""
_FILE = struct.Struct(f"<?IQqqQQ{HASH_BYTES}s")
"""Whether a file could be read, its row, and its chunk where it is one."""
_NO_FILE = _FILE.pack(False, 0, 0, 0, 0, 0, 0, b"")
_WHOLE, _PART, _ENDED = range(3)


class Whole(NamedTuple):
    """The files of one batch: None for each that is no longer as it was found or cannot be read."""

    slot: int
    files: list[ReadFile | None]


class Part(NamedTuple):
    """The next stretch of a large file, and where its chunks end."""

    slot: int
    content: memoryview
    ends: list[int]


class Ended(NamedTuple):
    """The end of a large file; no row for one that could not be read, or was written to meanwhile."""

    row: Row | None


@contextmanager
def reader(tree: Beneath, files: Sequence[Found], processes: int, hashing: Hashing) -> Iterator["Reader | None"]:
    """A reader of these files inside the block, where so many processes may work, one can be started, and it is worth it."""
    begun = None
    if processes > 1 and can_fork() and _is_much(files):
        with suppress(Unavailable):
            begun = Reader(tree, files, hashing)
    with begun or nullcontext():
        yield begun


def _most_slots(batch: Sequence[Found]) -> int:
    return SLOTS if _is_whole(batch) else LONG_SLOTS


def _is_whole(batch: Sequence[Found]) -> bool:
    """Whether these are files that are read whole, rather than a larger one that comes in parts."""
    return sum(found.size_bytes for found in batch) <= MOST_BYTES


def _is_much(files: Sequence[Found]) -> bool:
    return len(files) >= LEAST_FILES or sum(found.size_bytes for found in files) >= LEAST_BYTES


class Reader:
    """Such a process, to be made where `can_fork`. It reads the files in batches as `in_batches` makes them, and is heard batch
    after batch: a large file as its parts and their end, all others as one message. A context manager: after the block the
    process is gone, whatever ended it; what it read can be used as long as anyone holds it. Raises Unavailable (`worker-died`)
    when no process can be started."""

    def __init__(self, tree: Beneath, files: Sequence[Found], hashing: Hashing) -> None:
        self._slots = _slots()
        self._held = 0
        self.has_ended = False
        """Whether it tells nothing more: it is gone, or it had to wait so long that several threads are better at reading."""
        hearing, telling = os.pipe()
        freed, freeing = os.pipe()

        def life() -> None:
            os.close(hearing)
            os.close(freeing)
            _Reading(tree, self._slots, telling, freed, hashing).read(files)

        begun: list[int] = []
        try:
            with undisturbed():
                begun.append(fork(life))
        except BaseException:
            with undisturbed():
                reap(begun)
            os.close(hearing)
            os.close(freeing)
            raise
        finally:
            os.close(telling)
            os.close(freed)
        (self._pid,) = begun
        self._hearing = open(hearing, "rb")  # noqa: SIM115 (open as long as the block)
        self._freeing = freeing

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with undisturbed():
            reap([self._pid])
            self._hearing.close()
            os.close(self._freeing)

    def is_starved(self, batch: Sequence[Found]) -> bool:
        """Whether it cannot go on with these files until a slot is released."""
        return self._held >= _most_slots(batch)

    def hear(self, batch: Sequence[Found]) -> Whole | Part | Ended | None:
        """The next message, which is of these files; None when there is none, for whatever reason."""
        head = self._hearing.read(_HEAD.size)
        kind, slot, length, number = _HEAD.unpack(head) if len(head) == _HEAD.size else (_ENDED, 0, 1, 0)
        body = self._hearing.read(length)
        if len(body) < length:
            self.has_ended = True
            return None
        if kind == _ENDED:
            return Ended(_FILE.unpack(body)[1:-1] if body else None)
        self._held += 1
        content = self._slots[slot]
        if kind == _PART:
            return Part(slot, content[:number], list(array("I", body)))
        self.has_ended = bool(number)
        return Whole(slot, _found_in(content, batch, body))

    def release(self, slot: int) -> None:
        """What lies in the slot is not needed any more."""
        self._held -= 1
        with suppress(OSError):  # it is gone, and `hear` says so
            os.write(self._freeing, bytes([slot]))


def _slots() -> list[memoryview]:
    """Memory that is shared with processes forked from this one, and goes when no one holds any of it."""
    memory = memoryview(mmap.mmap(-1, SLOTS * ROOM_BYTES))
    return [memory[slot * ROOM_BYTES : (slot + 1) * ROOM_BYTES] for slot in range(SLOTS)]


def _found_in(content: memoryview, batch: Sequence[Found], body: bytes) -> list[ReadFile | None]:
    files: list[ReadFile | None] = []
    begin = 0
    for found, (is_read, *row, chunk) in zip(batch, _FILE.iter_unpack(body), strict=True):
        if is_read:
            end = begin + found.size_bytes
            files.append(ReadFile(tuple(row), content[begin:end], ChunkId(chunk)))
            begin = end
        else:
            files.append(None)
    return files


class _Reading:
    """The whole life of the process."""

    def __init__(self, tree: Beneath, slots: Sequence[memoryview], telling: int, freed: int, hashing: Hashing) -> None:
        self._tree = tree
        self._slots = slots
        self._telling = telling
        self._freed = freed
        self._hashing = hashing
        self._free = list(range(len(slots)))
        self._slot = 0
        self._most_slots = SLOTS

    def read(self, files: Sequence[Found]) -> None:
        gc.disable()  # a collection would copy all pages that are shared with the first process
        waited_s = worked_s = 0.0
        for batch in in_batches(files):
            self._most_slots = _most_slots(batch)
            if not _is_whole(batch):
                self._read_long(batch[0])
                continue
            room = self._room()
            began_s, began_work_s = time.perf_counter(), time.thread_time()
            body = self._read_batch(batch, room)
            worked_s += time.thread_time() - began_work_s
            waited_s += time.perf_counter() - began_s - (time.thread_time() - began_work_s)
            waits = waits_long(waited_s, worked_s)
            self._tell(_WHOLE, body, int(waits))
            if waits:
                return

    def _read_batch(self, batch: Sequence[Found], room: memoryview) -> bytes:
        told = []
        begin = 0
        for found in batch:
            end = begin + found.size_bytes
            row = self._read_one(found, room[begin : end + 1])
            if row is None:
                told.append(_NO_FILE)
            else:
                chunk = self._hashing.chunk(room[begin:end]) if found.size_bytes <= WHOLE_BYTES else b""
                told.append(_FILE.pack(True, *row, chunk))
                begin = end
        return b"".join(told)

    def _read_one(self, found: Found, room: memoryview) -> Row | None:
        try:
            descriptor = self._tree.open_file(found.path)
        except OSError:
            return None
        try:
            count = os.readv(descriptor, [room])
            status = os.fstat(descriptor)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        return row_of(status) if count == found.size_bytes and is_as_found(found, status) else None

    def _read_long(self, found: Found) -> None:
        row = read_parts(self._tree, found.path, self._tell_parts)
        self._slot = 0
        self._tell(_ENDED, b"" if row is None else _FILE.pack(True, *row, b""), 0)

    def _tell_parts(self, read: Callable[[memoryview], int]) -> None:
        for stretch in stretches(b"", read, self._room):
            self._tell(_PART, array("I", stretch.ends).tobytes(), len(stretch.content))

    def _room(self) -> memoryview:
        """The memory of a slot that may be filled, as soon as one may; ends the process when nobody will free one any more."""
        while SLOTS - len(self._free) >= self._most_slots:
            freed = os.read(self._freed, SLOTS)
            if not freed:
                os._exit(0)
            self._free += freed
        self._slot = self._free.pop()
        return self._slots[self._slot]

    def _tell(self, kind: int, body: bytes, number: int) -> None:
        message = memoryview(_HEAD.pack(kind, self._slot, len(body), number) + body)
        while message:
            message = message[os.write(self._telling, message) :]
