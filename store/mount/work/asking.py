"""Asking the process that serves a mount to commit, through the mount itself."""

import errno
import os
from pathlib import Path

from datamon.errors import Invalid, NotFound, Unavailable
from datamon.store.mount.mounts import mounted_at
from datamon.store.mount.work.operations import COMMIT, COMMITTED


def commit_mounted(directory: Path, message: str) -> str:
    """The id of the bundle that the work mounted at `directory` is committed as now ("" when nothing was ever changed). Raises
    NotFound (`not-mounted`), Invalid (`bad-path`) for a mount that cannot be changed, Unavailable (`commit-failed`)."""
    if mounted_at(directory) is None:
        raise NotFound("not-mounted", f"nothing of datamon's is mounted at {directory}; see `datamon mount list`")
    if not hasattr(os, "setxattr"):
        raise Unavailable("commit-failed", "this system cannot ask a mount; unmount it, which commits")
    try:
        os.setxattr(directory, COMMIT, message.encode())
    except OSError as error:
        if error.errno in (errno.EROFS, errno.ENOTSUP):
            raise Invalid(
                "bad-path", f"what is mounted at {directory} cannot be changed; nothing is to commit"
            ) from error
        message = f"what is at {directory} could not be committed: the process that serves it says why"
        raise Unavailable("commit-failed", message, directory=str(directory)) from error
    try:
        return os.getxattr(directory, COMMITTED).decode()
    except OSError:
        return ""
