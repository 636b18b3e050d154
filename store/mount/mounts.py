"""What of ours is mounted on this machine, and how it is taken away."""

import errno
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from datamon.errors import Conflict, NotFound, Unavailable

KIND = "fuse.datamon"
_TABLE = Path("/proc/self/mountinfo")
"""The mounts that this process sees, on Linux."""
_OCTAL = re.compile(r"\\([0-7]{3})")
_UNMOUNT_S = 30
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Mounted:
    """A mount of ours: where, and what it shows. A dead one has lost the process that served it."""

    directory: Path
    name: str

    @property
    def is_dead(self) -> bool:
        """Whether nobody answers for it."""
        try:
            os.statvfs(self.directory)  # what `stat` says, the kernel may remember
        except OSError as error:
            return error.errno in (errno.ENOTCONN, errno.ECONNABORTED, errno.EIO)
        return False


def list_mounts() -> list[Mounted]:
    """The mounts of ours that this process can see, by their directories."""
    return sorted(_mounts(), key=lambda mounted: mounted.directory)


def mounted_at(directory: Path) -> Mounted | None:
    """The mount of ours whose top is `directory`; None when there is none."""
    place = Path(os.path.abspath(directory))  # noqa: PTH100 (`resolve` would ask the mount, which may be dead)
    found = [mounted for mounted in _mounts() if mounted.directory in (place, _real(place))]
    return found[-1] if found else None


def unmount(directory: Path, *, force: bool = False) -> None:
    """Nothing of ours is mounted at `directory` any more. With `force` also where programs have files of it open: they keep them
    until they end.

    Raises NotFound (`not-mounted`), Conflict (`mount-busy`), which names who uses it, Unavailable (`unmount-failed`).
    """
    mounted = mounted_at(directory)
    if mounted is None:
        raise NotFound("not-mounted", f"nothing of datamon's is mounted at {directory}; see `datamon mount list`")
    lazily = force or mounted.is_dead
    done = subprocess.run(
        _command(mounted.directory, lazily=lazily), capture_output=True, text=True, timeout=_UNMOUNT_S, check=False
    )
    if done.returncode == 0:
        return
    users = list(_users(mounted.directory))
    if users or "busy" in done.stderr:
        named = f" by {', '.join(users[:_MOST_NAMED])}" if users else ""
        message = f"{directory} is in use{named}; end that, or `datamon mount unmount --force {directory}`"
        raise Conflict("mount-busy", message, directory=str(directory), users=users)
    raise Unavailable(
        "unmount-failed", f"{directory} could not be unmounted: {done.stderr.strip() or done.stdout.strip()}"
    )


@contextmanager
def watched(directory: Path) -> Iterator[None]:
    """Should this process die in the block, what is mounted at `directory` is taken away, also while programs have files of it
    open, which libfuse's own `auto_unmount` does not do: a shell waits for the end of this process, and looks."""
    place = os.path.abspath(directory)  # noqa: PTH100 (as above)
    words = _command(Path(place), lazily=True)
    script = 'cat >/dev/null; df -- "$0" >/dev/null 2>&1 || exec "$@" >/dev/null 2>&1'
    with subprocess.Popen(
        ["/bin/sh", "-c", script, place, *words], stdin=subprocess.PIPE, start_new_session=True
    ) as watcher:
        try:
            yield
        finally:
            watcher.kill()  # before it hears of an end: something else may be mounted there by then


def _command(directory: Path, *, lazily: bool) -> list[str]:
    if not _TABLE.exists():
        return ["diskutil", "unmount", *(["force"] if lazily else []), str(directory)]
    helper = shutil.which("fusermount3") or shutil.which("fusermount") or "fusermount"
    return [helper, "-u", *(["-z"] if lazily else []), "--", str(directory)]


def _mounts() -> Iterator[Mounted]:
    if _TABLE.exists():
        for line in _TABLE.read_text("utf-8", "surrogateescape").splitlines():
            before, _, after = line.partition(" - ")
            kind, name = after.split(" ")[:2]
            if kind == KIND:
                yield Mounted(Path(_plain(before.split(" ")[4])), _plain(name))
        return
    for partition in psutil.disk_partitions(all=True):
        if partition.device.startswith("datamon:"):
            yield Mounted(Path(partition.mountpoint), partition.device)


def _plain(text: str) -> str:
    """A field of the table of mounts, in which blanks are written as numbers.

    >>> _plain("/a\\\\040b")
    '/a b'
    """
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), text)


def _real(place: Path) -> Path:
    return Path(os.path.realpath(place.parent)) / place.name


def _users(directory: Path) -> Iterator[str]:
    """Who works in the mount, or has files of it open, as far as this user may know."""
    lead = f"{directory}/"
    for process in psutil.process_iter(["pid", "name"]):
        try:
            used = [process.cwd(), *(each.path for each in process.open_files())]
        except (psutil.Error, OSError):
            continue
        if any(path == str(directory) or path.startswith(lead) for path in used):
            yield f"{process.info['name']} ({process.info['pid']})"
