"""Files of this machine's caches: written whole or not at all, and never worth an error."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

_TEMPORARY = ".unfinished"
_LEFT_OVER_NS = 24 * 3600 * 10**9
"""A temporary file this much older than a new one was left by a process that was killed."""


def keep_file(place: Path, write: Callable[[BinaryIO], object]) -> bool:
    """Whether `place` now holds what `write` wrote; if not, what it held before. One rename shows it, so processes may share the
    folder. It is not synced: after a power cut anything may stand there, so a reader must be able to tell."""
    fresh = place.with_name(f"{os.urandom(12).hex()}{_TEMPORARY}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(fresh, "xb") as target:
                write(target)
                written_ns = os.fstat(target.fileno()).st_mtime_ns
            fresh.replace(place)
        finally:
            fresh.unlink(missing_ok=True)
        _sweep(place.parent, written_ns - _LEFT_OVER_NS)
    except OSError:
        return False
    return True


def drop_file(place: Path) -> None:
    """Nothing is at `place` afterwards, as far as the file system lets us."""
    with suppress(OSError):
        place.unlink(missing_ok=True)


def _sweep(folder: Path, before_ns: int) -> None:
    for left in folder.glob(f"*{_TEMPORARY}"):
        with suppress(FileNotFoundError):
            if left.stat().st_mtime_ns < before_ns:
                left.unlink()
