"""Files that are read whole, many at a time, by any thread: the small and the middling ones."""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from datamon.store.beneath import Beneath
from datamon.store.chunks import STRETCH_BYTES, WHOLE_BYTES
from datamon.store.hashing import Hashing
from datamon.store.ids import HASH_BYTES, ChunkId
from datamon.store.walk import Found, Row, row_of

MOST_BYTES = STRETCH_BYTES
"""A larger file is read in stretches."""
_BATCH_FILES = 256
_LONG_WAIT_S = 0.05
_WAITS_FOR_WORK = 4.0
_SEVERAL = ChunkId(bytes(HASH_BYTES))
"""What stands for the chunk of a file that has several."""


class ReadFile(NamedTuple):
    """The bytes of a file, its row, which was the same before and after, and its chunk when it is a small one."""

    row: Row
    content: bytes | memoryview
    chunk: ChunkId


def in_batches(files: Iterable[Found]) -> Iterator[list[Found]]:
    """The files in their order, so many together that they are worth one piece of work: small ones, or middling ones, or one that
    is larger."""
    batch: list[Found] = []
    size_bytes = 0
    for found in files:
        is_full = len(batch) == _BATCH_FILES or size_bytes + found.size_bytes > MOST_BYTES
        if batch and (is_full or (found.size_bytes <= WHOLE_BYTES) != (batch[0].size_bytes <= WHOLE_BYTES)):
            yield batch
            batch, size_bytes = [], 0
        batch.append(found)
        size_bytes += found.size_bytes
    if batch:
        yield batch


def read_whole(tree: Beneath, batch: Sequence[Found], hashing: Hashing) -> list[ReadFile | None]:
    """What is in the files of this batch; None for each that is no longer as it was found or cannot be read: they are to be
    looked at one by one."""
    return [_read_one(tree, found, hashing) for found in batch]


def read_by_another(tree: Beneath, batch: Sequence[Found], hashing: Hashing) -> list[ReadFile | None]:
    """The same. Any thread may call this, also while another uses `tree`."""
    with tree.twin() as own:
        return read_whole(own, batch, hashing)


def waits_long(waited_s: float, worked_s: float) -> bool:
    """Whether reading small files waits for a disk or a network so long that several threads are better at it: then they wait at
    one time. A lock or a busy machine does not make it wait so long."""
    return waited_s > max(_LONG_WAIT_S, _WAITS_FOR_WORK * worked_s)


def extension_of(path: str) -> str:
    """What follows the last dot of the name, if anything.

    >>> extension_of("d/a.tar.gz"), extension_of("d.x/Makefile")
    ('gz', '')
    """
    _, dot, extension = path[path.rfind("/") + 1 :].rpartition(".")
    return extension if dot else ""


def same_version(before: os.stat_result, after: os.stat_result) -> bool:
    """Whether one open file was not written to between two looks, as far as its size and times tell."""
    return (
        before.st_size == after.st_size
        and before.st_mtime_ns == after.st_mtime_ns
        and before.st_ctime_ns == after.st_ctime_ns
    )


def is_as_found(found: Found, status: os.stat_result) -> bool:
    """Whether nothing was written to the file since it was listed, and so not while it was read, as far as its status tells."""
    return (
        found.size_bytes == status.st_size
        and found.mtime_ns == status.st_mtime_ns
        and found.ctime_ns == status.st_ctime_ns
        and stat.S_ISREG(status.st_mode)
    )


def _read_one(tree: Beneath, found: Found, hashing: Hashing) -> ReadFile | None:
    # Plain calls and no context managers: there are many thousands of files, and a call here takes a hundredth of what one costs.
    try:
        descriptor = tree.open_file(found.path)
    except OSError:
        return None
    try:
        content = os.read(descriptor, found.size_bytes + 1)
        status = os.fstat(descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    if len(content) != found.size_bytes or not is_as_found(found, status):
        return None
    return ReadFile(row_of(status), content, hashing.chunk(content) if len(content) <= WHOLE_BYTES else _SEVERAL)
