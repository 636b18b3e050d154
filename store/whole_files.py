"""Files that are read whole, many at a time, by any thread: the small and the middling ones."""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from blake3 import blake3

from datamon.store.beneath import Beneath
from datamon.store.chunks import STRETCH_BYTES, WHOLE_BYTES, Cutter, Stretch, chunk_id
from datamon.store.ids import ChunkId, ContentId
from datamon.store.intake import Framed, Intake
from datamon.store.walk import Found

MOST_BYTES = STRETCH_BYTES
"""A larger file is read in stretches."""
_BATCH_FILES = 256


class SmallFile(NamedTuple):
    """A file of one chunk or none: its bytes, None when the store has them, and which files they are to share a frame with."""

    chunk: ChunkId
    content: bytes | None
    group: str


class CutFile(NamedTuple):
    """A file of several chunks."""

    content: ContentId
    chunks: Sequence[Framed]


class WholeFile(NamedTuple):
    """What was read of a file, and its status, which was the same before and after."""

    read: SmallFile | CutFile
    status: os.stat_result


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


def read_whole(tree: Beneath, intake: Intake, batch: Sequence[Found]) -> list[WholeFile | None]:
    """What is in the files of this batch; None for each that is no longer as it was found or cannot be read: they are to be
    looked at one by one."""
    return [_read_one(tree, intake, found) for found in batch]


def read_by_another(tree: Beneath, intake: Intake, batch: Sequence[Found]) -> list[WholeFile | None]:
    """The same. Any thread may call this, also while another uses `tree`."""
    with tree.twin() as own:
        return read_whole(own, intake, batch)


def extension_of(path: str) -> str:
    """What follows the last dot of the name, if anything."""
    return path[path.rfind("/") + 1 :].rpartition(".")[2]


def same_version(before: os.stat_result, after: os.stat_result) -> bool:
    """Whether one open file was not written to between two looks, as far as its size and times tell."""
    return (
        before.st_size == after.st_size
        and before.st_mtime_ns == after.st_mtime_ns
        and before.st_ctime_ns == after.st_ctime_ns
    )


def _read_one(tree: Beneath, intake: Intake, found: Found) -> WholeFile | None:
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
    if len(content) != found.size_bytes or not _is_as_found(found, status):
        return None
    return WholeFile(_small(intake, found, content) if len(content) <= WHOLE_BYTES else _cut(intake, content), status)


def _is_as_found(found: Found, status: os.stat_result) -> bool:
    """Whether nothing was written to the file since it was listed, and so not while it was read, as far as its status tells."""
    return (
        found.size_bytes == status.st_size
        and found.mtime_ns == status.st_mtime_ns
        and found.ctime_ns == status.st_ctime_ns
        and stat.S_ISREG(status.st_mode)
    )


def _small(intake: Intake, found: Found, content: bytes) -> SmallFile:
    chunk = chunk_id(content)
    is_known = not content or intake.has(chunk)
    return SmallFile(chunk, None if is_known else content, extension_of(found.path))


def _cut(intake: Intake, content: bytes) -> CutFile:
    view = memoryview(content)
    stretch = Stretch(view, Cutter().ends(view, is_last=True))
    return CutFile(ContentId(blake3(content).hexdigest()), [intake.framed(piece) for piece in stretch.chunks()])
