"""The chunk index's levels on this machine: a folder of files that any process of this store shares and anyone may delete.

A file names the segments that it covers by key and size. A segment's key is unique for ever, so a file is right wherever all of
them are listed, and what it has of others is not used: a cache that was copied from another machine, or that of a store restored
to an earlier state, costs time and does no harm.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from datamon.store.cache_files import drop_file, keep_file
from datamon.store.index_level import Level, LevelDamaged, open_level

_SUFFIX = ".level"


def open_levels(folder: Path) -> list[Level]:
    """The levels that lie there, the smallest first. Damaged ones are deleted."""
    try:
        names = [name for name in os.listdir(folder) if name.endswith(_SUFFIX)]
    except OSError:
        return []
    levels = []
    for name in names:
        try:
            levels.append(open_level(folder / name))
        except LevelDamaged:
            drop_file(folder / name)
        except OSError:
            continue  # merged into another by another process, or not ours to read
    return sorted(levels, key=lambda level: level.rows)


def keep_level(folder: Path, write: Callable[[BinaryIO], object]) -> Level | None:
    """What `write` writes, as a level in a new file there; None when the folder takes none."""
    place = folder / f"{os.urandom(12).hex()}{_SUFFIX}"
    if not keep_file(place, write):
        return None
    try:
        return open_level(place)
    except (OSError, LevelDamaged):
        return None
