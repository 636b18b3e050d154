"""Giving a file its name only if no file has it, on Linux file systems without hard links."""

import errno
import os
from pathlib import Path

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1


def rename_if_absent(source: Path, target: Path) -> bool:
    """Renames `source` to `target` in one step, unless `target` exists; True when it was renamed. Raises OSError,
    with ENOSYS where the system has no such call (renameat2 of Linux 3.15 and glibc 2.28)."""
    import ctypes  # 5 ms, for the few file systems that need this

    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        raise OSError(errno.ENOSYS, "neither hard links nor renameat2", str(target))
    arguments = (_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), ctypes.c_uint(_RENAME_NOREPLACE))
    if call(*arguments) == 0:
        return True
    code = ctypes.get_errno()
    if code == errno.EEXIST:
        return False
    raise OSError(code, os.strerror(code), str(target))
