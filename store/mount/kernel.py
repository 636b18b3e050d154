"""Trees shown by the kernel, through libfuse: the one module that names mfusepy."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from datamon.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from datamon.store.mount.answering import Tell
from datamon.store.mount.leaving import Leavable, serve_until_signal
from datamon.store.mount.mounts import mounted_at, watched
from datamon.store.mount.operations import ReadOnlyOperations
from datamon.store.mount.tree import MountedTree
from datamon.store.mount.work.operations import WorkOperations

Options = dict[str, object]
"""Options of libfuse."""
DEVICE = Path("/dev/fuse")
_FOR_GOOD_S = 86_400
_FOR_NOW_S = 1.0
"""So long the kernel believes what it was told of names and attributes: of a bundle for good, of a repo for now."""
_LONGEST_S = 5.0
"""So long a signal waits for what is being read."""


def show(tree: MountedTree, directory: Path, name: str, *, tell: Tell, ready: Callable[[], object]) -> None:
    """The kernel shows the tree at `directory`, an empty one, until it is unmounted or this process gets SIGINT, SIGTERM or
    SIGHUP; then nothing is mounted there. `name` is what the system calls it. `ready` is called when it can be used, `tell`
    with why a program was refused. When this process dies, nothing is mounted there either.

    Raises Invalid (`missing-extra`), Unavailable (`no-fuse`, `mount-failed`), Denied (`mount-denied`), and as `check_directory`.
    """
    lasts_s = _FOR_NOW_S if tree.changes else _FOR_GOOD_S
    believed: Options = {
        "ro": True,
        "kernel_cache": True,  # what lies at a path of a bundle never changes
        "attr_timeout": lasts_s,
        "entry_timeout": lasts_s,
        "negative_timeout": 0 if tree.changes or tree.hears_misses else lasts_s,
    }
    _serve(ReadOnlyOperations(tree, tell, ready), directory, name, believed, longest_s=_LONGEST_S)


def show_work(operations: WorkOperations, directory: Path, name: str) -> None:
    """As `show`, for a tree that can be changed; nothing is written to it any more after that."""
    _serve(operations, directory, name, {"negative_timeout": 0})


def _serve(
    operations: ReadOnlyOperations | WorkOperations,
    directory: Path,
    name: str,
    more: Options,
    *,
    longest_s: float = math.inf,
) -> None:
    check_directory(directory)
    fuse = _binding()
    named = {"fsname": name.replace(",", "_"), "subtype": "datamon"}
    leavable = Leavable(operations, fuse.fuse_exit)

    def serve() -> None:
        fuse.FUSE(leavable, str(directory), foreground=True, default_permissions=True, use_ino=True, **named, **more)

    try:
        with watched(directory):
            serve_until_signal(serve, leavable, directory, longest_s=longest_s)
    except RuntimeError as error:
        raise Unavailable(
            "mount-failed",
            f"nothing could be mounted at {directory} (libfuse ended with {error}); see what it says above",
        ) from error


def check_directory(directory: Path) -> None:
    """Something can be mounted there. Raises NotFound (`path-not-found`), Invalid (`bad-path`), Conflict
    (`already-mounted`, `destination-not-empty`), Denied (`mount-denied`), Unavailable (`no-fuse`)."""
    here = mounted_at(directory)
    if here is not None:
        how = "is dead" if here.is_dead else f"shows {here.name}"
        raise Conflict(
            "already-mounted",
            f"what is mounted at {directory} {how}; `datamon mount unmount {directory}` takes it away",
            directory=str(directory),
        )
    try:
        held = next(os.scandir(directory), None)
    except FileNotFoundError as error:
        raise NotFound(
            "path-not-found", f"there is no directory {directory}; make it first", path=str(directory)
        ) from error
    except NotADirectoryError as error:
        raise Invalid("bad-path", f"{directory} is no directory; name an empty one", path=str(directory)) from error
    except PermissionError as error:
        raise Denied("mount-denied", f"{directory} cannot be read by you; name a directory of yours") from error
    if held is not None:
        raise Conflict(
            "destination-not-empty",
            f"{directory} is not empty, and what it has would be hidden; name an empty directory",
        )
    _check_device()


def _check_device() -> None:
    if not Path("/proc").exists():
        return  # macFUSE has no device that could be looked at
    if not DEVICE.exists():
        raise Unavailable(
            "no-fuse", f"this system has no {DEVICE}; mounts need its kernel's FUSE, in a container the device"
        )
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        raise Denied(
            "mount-denied", f"{DEVICE} is not open to you; ask for it, or mount as another user", device=str(DEVICE)
        )


def _binding() -> ModuleType:
    try:
        import mfusepy
    except ModuleNotFoundError as error:
        said = "mounts need mfusepy; `pip install 'datamon[fuse]'` adds it"
        raise Invalid("missing-extra", said, extra="fuse") from error
    except (OSError, AttributeError) as error:
        said = "mounts need libfuse: on Debian and Ubuntu `apt-get install fuse3 libfuse2`, on macOS macFUSE"
        raise Unavailable("no-fuse", said) from error
    binding: ModuleType = mfusepy
    return binding
