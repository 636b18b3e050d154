"""A disk whose power can be cut: ext4 on a loop device, shut down by ioctl with everything that was not synced lost."""

import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_EXT4_IOC_SHUTDOWN = 0x8004587D
_NO_LOG_FLUSH = 2
"""The journal is not flushed first: what was not synced is gone (ext4's EXT4_GOING_FLAGS_NOLOGFLUSH)."""
_IMAGE_BYTES = 96 * 2**20


class PowerDisk:
    """An ext4 file system in an image file, mounted at `root`. Needs the right to mount."""

    def __init__(self, work: Path) -> None:
        self._image = work / "disk.img"
        self.root = work / "disk"
        self.root.mkdir(parents=True)
        _make_image(self._image)

    def mount(self) -> None:
        """The file system is at `root`, its journal replayed."""
        _run("mount", "-o", "loop", str(self._image), str(self.root))

    def unmount(self) -> None:
        """Nothing is mounted at `root`. Nobody may have a file open there."""
        _run("umount", str(self.root))

    def cut(self) -> None:
        """The power fails: from now on every call on the file system does, and what was not synced is lost."""
        top = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(top, _EXT4_IOC_SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(top)


@contextmanager
def power_disk(work: Path) -> Iterator[PowerDisk]:
    """A mounted disk, gone afterwards."""
    disk = PowerDisk(work)
    disk.mount()
    try:
        yield disk
    finally:
        with suppress(subprocess.CalledProcessError):
            _run("umount", "--lazy", str(disk.root))
        shutil.rmtree(work, ignore_errors=True)


def why_no_loop(work: Path) -> str | None:
    """Why no such disk can be had here; None when it can."""
    try:
        with power_disk(work) as disk:
            (disk.root / "file").write_bytes(b"x")
            disk.cut()
    except (OSError, subprocess.CalledProcessError) as error:
        told = error.stderr.decode(errors="replace") if isinstance(error, subprocess.CalledProcessError) else str(error)
        return " ".join(told.split()) or repr(error)
    return None


def _make_image(image: Path) -> None:
    with open(image, "wb") as file:
        file.truncate(_IMAGE_BYTES)
    # No lazy initialisation: the kernel would go on writing behind the test's back.
    options = "lazy_itable_init=0,lazy_journal_init=0"
    _run("mkfs.ext4", "-q", "-F", "-J", "size=4", "-E", options, str(image))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
