"""Bringing the levels of the local chunk index up to the segments that a backend lists."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa

from datamon.errors import NotFound, Unavailable
from datamon.store import layout
from datamon.store.backend import Backend, get_decoded
from datamon.store.cache_files import drop_file
from datamon.store.index_cache import keep_level, open_levels
from datamon.store.index_level import Level
from datamon.store.index_segments import decode_segment
from datamon.store.index_sort import Draft, draft_merged, draft_segments, level_in_memory, write_level

Levels = tuple[Level, ...]
"""The newest first. No segment is shown by two."""

_LISTINGS = 10
_GROWTH = 4
"""A level has at least so many times the rows of all newer ones, so that there are few and each row is rarely written again."""
_SMALL_ROWS = 4096
"""A level with fewer rows is merged with newer ones in any case."""
_READ_ROWS = 2**18
"""So many rows of new segments are in memory at once."""


def opened(folder: Path | None) -> Levels:
    """The levels that an earlier process left in `folder`. They show nothing yet: `refreshed` finds out what they may."""
    return () if folder is None else tuple(open_levels(folder))


def refreshed(blob: Backend, folder: Path | None, levels: Levels) -> Levels:
    """Levels that show all segments that were put before this call and are still there, and no others; in files where `folder`
    takes them. Raises Corrupt (`bad-bytes`, `bad-record`) when a segment cannot be read, LevelDamaged, and Unavailable
    (`backend-unavailable`) when segments are merged faster than they can be read."""
    seen = list(levels)
    for _ in range(_LISTINGS):
        listed = {stored.key: stored.size_bytes for stored in blob.list(layout.INDEX)}
        # A listing is not of one moment: it may lack both what was merged and what it was merged into. The next one has it.
        again = any(key not in listed for level in levels for key in level.covers())
        levels = _shown(levels, listed)
        try:
            for made in _read(blob, folder, _unread(levels, listed), listed):
                seen.append(made)
                levels = (made, *levels)
        except NotFound:
            continue  # merged into another since the listing
        if not again:
            return _settled(folder, levels, seen)
    raise Unavailable(
        "backend-unavailable",
        f"the segments of the chunk index in {blob.url} are merged faster than they can be read; try again later",
    )


def extended(folder: Path | None, levels: Levels, key: str, content: bytes) -> Levels:
    """The levels with one segment more. Raises as `refreshed`."""
    table = decode_segment(key, content)
    if any(key in level.covers() for level in levels):
        return levels
    made = level_in_memory(draft_segments({key: table}, {key: len(content)}))
    return _settled(folder, (made, *levels), levels)


def _shown(levels: Levels, listed: Mapping[str, int]) -> Levels:
    """The levels that show listed segments, each segment once: what others wrote to the folder meanwhile may overlap."""
    claimed: set[str] = set()
    shown: list[Level] = []
    for level in reversed(levels):
        stale = frozenset(
            number
            for number, segment in enumerate(level.segments)
            if listed.get(segment.key) != segment.size_bytes or segment.key in claimed
        )
        if len(stale) < len(level.segments):
            shown.insert(0, level.without(stale))
            claimed.update(shown[0].covers())
    return tuple(shown)


def _unread(levels: Levels, listed: Mapping[str, int]) -> list[str]:
    covered = {key for level in levels for key in level.covers()}
    return [key for key in listed if key not in covered]


def _read(blob: Backend, folder: Path | None, keys: Sequence[str], sizes: Mapping[str, int]) -> Iterator[Level]:
    """Levels of these segments, the oldest first; what is large is in a file at once."""
    tables: dict[str, pa.Table] = {}
    rows = 0
    for key in keys:
        tables[key] = get_decoded(blob, key, partial(decode_segment, key))
        rows += len(tables[key])
        if rows >= _READ_ROWS:
            yield _made(folder, partial(draft_segments, tables, sizes))
            tables, rows = {}, 0
    if tables:
        yield level_in_memory(draft_segments(tables, sizes))


def _settled(folder: Path | None, levels: Levels, seen: Sequence[Level]) -> Levels:
    """The levels, merged where that is due and kept where the folder takes them. Files of those `seen` that are no longer needed
    are deleted."""
    settled = tuple(_kept(folder, level) for level in _merged(folder, levels))
    used = {level.place for level in settled}
    for level in seen:
        if level.place is not None and level.place not in used:
            drop_file(level.place)
    return settled


def _merged(folder: Path | None, levels: Levels) -> Levels:
    newest, rows = 0, 0
    while newest < len(levels) and (not newest or levels[newest].rows_shown < max(_GROWTH * rows, _SMALL_ROWS)):
        rows += levels[newest].rows_shown
        newest += 1
    if newest > 1:
        levels = (_made(folder, partial(draft_merged, levels[:newest])), *levels[newest:])
    return tuple(
        _made(folder, partial(draft_merged, [level])) if 2 * level.rows_shown < level.rows else level
        for level in levels
    )


def _made(folder: Path | None, draft: Callable[[], Draft]) -> Level:
    kept = keep_level(folder, lambda target: write_level(draft(), target)) if folder is not None else None
    return kept or level_in_memory(draft())


def _kept(folder: Path | None, level: Level) -> Level:
    if folder is None or level.place is not None:
        return level
    return keep_level(folder, level.write) or level
