"""When a file's times prove that it is as it was: the clock that sets them, and what can get past it."""

import mmap
import os
from contextlib import suppress
from pathlib import Path

from datamon.store.beneath import Beneath

GUARD_NS = 2_000_000_000
"""A file's times must be older than the reading of its bytes by more than this before they can stand for its content: no clock
that sets them is coarser, and what is written after the reading then has another time."""
_ROOM_BYTES = 64 * 2**20
_PAGE_BYTES = mmap.PAGESIZE
_PROCESSES = Path("/proc")


def trusted_time_ns(tree: Beneath) -> int:
    """Now, by the clock of the file system that `tree` is on, without a trace in it; 0 where times prove nothing, or where that
    cannot be learnt.

    They prove something where nobody can set the change time, and where each write sets it, also the first one through a mapping
    of the file into memory. A file without a name is made there and asked; most file systems of networks cannot make one.
    """
    try:
        descriptor = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600, dir_fd=tree.directory(""))
    except (OSError, AttributeError):  # O_TMPFILE is Linux's, and not every file system's
        return 0
    try:
        now_ns = os.fstat(descriptor).st_ctime_ns
        return now_ns if _tells_writes(descriptor, now_ns) else 0
    except (OSError, ValueError):
        return 0
    finally:
        os.close(descriptor)


def mapped_inodes() -> frozenset[int]:
    """The inodes that processes of this machine have mapped for shared writing, as far as this one may see.

    A write through a mapping to a page that is waiting to be written back sets no time. Only inodes: a mapping's device is not
    always the one that `stat` gives.
    """
    found: set[int] = set()
    with suppress(OSError):
        for process in os.listdir(_PROCESSES):
            if process.isdigit():
                found |= _mapped_by(process)
    return frozenset(found)


def _tells_writes(descriptor: int, now_ns: int) -> bool:
    room = os.fstatvfs(descriptor)
    if room.f_bavail * room.f_frsize < _ROOM_BYTES:
        return False  # without room, the write through the mapping below would be the end of this process
    os.write(descriptor, bytes(_PAGE_BYTES))
    with mmap.mmap(descriptor, _PAGE_BYTES) as page:
        before = page[0]  # a page that was only read must not be open to writing that nobody notices
        os.utime(descriptor, ns=(0, 0))
        set_back = os.fstat(descriptor)
        page[0] = before ^ 1
        written = os.fstat(descriptor)
    return set_back.st_ctime_ns >= now_ns and set_back.st_mtime_ns == 0 and written.st_mtime_ns >= now_ns


def _mapped_by(process: str) -> set[int]:
    """See proc_pid_maps(5): addresses, rights, offset, device, inode, path."""
    try:
        lines = (_PROCESSES / process / "maps").read_bytes().split(b"\n")
    except OSError:
        return set()  # it is gone, or another user's
    return {
        int(line.split(None, 5)[4]) for line in lines if line[line.find(b" ") + 2 : line.find(b" ") + 5 : 2] == b"ws"
    }
